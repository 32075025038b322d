// Programs live as long as something is under way, and not longer.

import * as assert from "uvu/assert";
import { start } from "../support/child.js";
import { suite, within } from "../support/suite.js";

const { test, run } = suite("a process's life");

test("an open store, producer and consumer without work let the process end", async ({ folder }) => {
  const { code, out, err } = await within(15_000, "idle", start("idle", folder, "idle").ended);
  assert.equal([code, out], [0, "idle\n"], err);
});

test("a send that nobody awaits is answered before the process ends", async ({ folder }) => {
  const { code, out, err } = await within(15_000, "send", start("idle", folder, "send").ended);
  assert.equal([code, out], [0, "sent 0\n"], err);
});

test("a loop that was left holds nothing up", async ({ folder }) => {
  const { code, out, err } = await within(15_000, "break", start("idle", folder, "broken-off").ended);
  assert.equal([code, out], [0, "read 0\n"], err);
});

test("a loop that waits keeps the process alive", async ({ folder }) => {
  const child = start("idle", folder, "live");
  assert.is(await within(15_000, "live", child.line()), "read 0");
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.is(child.process.exitCode, null);
  child.kill();
  await child.ended;
});

run();
