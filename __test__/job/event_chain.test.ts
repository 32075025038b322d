// time limit: 240 s
// The chain of events runs to its end by itself; killed in the middle, and started again, it ships each order once.

import * as assert from "uvu/assert";
import { open, string } from "../../ts/index.js";
import { type Child, start } from "../support/child.js";
import { all, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("event chain");

const ORDERS = 40;
const ids = range(ORDERS).map((i) => `o-${i}`);

function chain(folder: string): Child {
  return start("../../examples/event-chain/main", folder);
}

async function completes(folder: string): Promise<void> {
  const { code, out, err } = await chain(folder).ended;
  assert.is(code, 0, err);
  const lines = out.trimEnd().split("\n");
  assert.is(lines.pop(), "40 orders are shipped, 0 more than once");
  assert.equal(
    lines.map(
      (line) =>
        /^(o-\d+): \d (?:tea|rice|salt) placed, \d+ paid, confirmed with i-\1, shipped as p-\1$/.exec(line)?.[1],
    ),
    ids,
  );
}

/** Which orders are in each topic of the chain. */
async function stored(folder: string): Promise<string[][]> {
  await using log = await open(folder);
  const topics = await Promise.all(
    ["orders-placed", "payments", "orders-confirmed", "shipments"].map((name) =>
      log.openTopic(name, { key: string() }),
    ),
  );
  return await Promise.all(
    topics.map(async (topic) => (await all(log.consumer({ topics: [topic], until: "end" }))).map(({ key }) => key!)),
  );
}

test("tells the story of each order, and ends by itself", async ({ folder }) => {
  await completes(folder);
  assert.equal(await stored(folder), [ids, ids, ids, ids]);
  // Once more there is nothing left to do.
  await completes(folder);
}, 60_000);

test("killed in the middle and started again it ships each order once", async ({ folder }) => {
  let kills = 0;
  for (const at of [1, 8, 16, 24, 32]) {
    const running = chain(folder);
    for (const _ of range(at)) await running.line();
    await sleep(Math.random() * 15);
    running.kill();
    const { signal, out } = await running.ended;
    if (signal !== null && out.trimEnd().split("\n").length < ORDERS) kills += 1;
  }
  assert.ok(kills > 0, "it was never killed in the middle");
  await completes(folder);
  assert.equal(await stored(folder), [ids, ids, ids, ids]);
}, 180_000);

run();
