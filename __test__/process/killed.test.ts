// time limit: 240 s
// A writer that is killed has lost nothing that it was told was stored, and left nothing half done.

import * as assert from "uvu/assert";
import { open as openLog, string } from "../../ts/index.js";
import { start } from "../support/child.js";
import { all, failure, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("kill -9");

for (const durability of ["fsync", "buffered"] as const) {
  test(`every acknowledged record is there at its offset, and every partition a prefix (${durability})`, async ({
    folder,
  }) => {
    for (const round of range(4)) {
      const before = new Map<string, string>();
      const writer = start("write_until_killed", folder, durability);
      await writer.line();
      await sleep(100 + round * 90);
      writer.kill();
      const { out } = await writer.ended;
      const lines = out.split("\n").slice(0, -1);
      for (const line of lines) {
        const [partition, offset, value] = line.split(" ") as [string, string, string];
        before.set(`${partition}:${offset}`, value);
      }
      assert.ok(before.size > 0);
      await using log = await openLog(folder);
      assert.is(log.recovery.clean, false);
      const topic = await log.openTopic("t", { key: string(), value: string() });
      const found = new Map<string, string>();
      const counts = new Map<number, number>();
      for (const { partition, offset, value } of await all(log.consumer({ topics: [topic], until: "end" }))) {
        assert.is(offset, counts.get(partition) ?? 0);
        counts.set(partition, offset + 1);
        found.set(`${partition}:${offset}`, value!);
      }
      for (const [place, value] of before) assert.is(found.get(place), value, `${place} of round ${round}`);
    }
  }, 120_000);
}

test("the recovery tells how far it is, and can be stopped and done again", async ({ folder }) => {
  const writer = start("write_until_killed", folder, "buffered");
  await writer.line();
  await sleep(300);
  writer.kill();
  const told = (await writer.ended).out.split("\n").length - 1;
  const stop = AbortSignal.abort(new Error("not now"));
  const error = await failure("ERR_TIDELOG_ABORTED", openLog(folder, { signal: stop }));
  assert.is(error.name, "AbortError");
  assert.is((error.cause as Error).message, "not now");
  const progress: [number, number][] = [];
  await using log = await openLog(folder, { onRecovery: (...now) => progress.push(now) });
  // What the event loop had no time for is left out, but not all of it.
  await sleep(1);
  assert.ok(progress.length > 0);
  for (const [done, total] of progress) assert.ok(done >= 0 && done <= total, `${done} of ${total}`);
  assert.ok(log.recovery.bytesChecked > 0);
  const topic = await log.openTopic("t", { value: string() });
  assert.ok((await all(log.consumer({ topics: [topic], until: "end" }))).length >= told);
});

run();
