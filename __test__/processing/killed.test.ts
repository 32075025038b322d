// time limit: 240 s
// What a copy from topic to topic holds after its program was killed again and again: with `log.process` every record
// once. The other deliveries are the controls: one may double but never lose, the other lose but never double, and
// under the same kills they do.

import * as assert from "uvu/assert";
import { type Delivery, json, open as openLog } from "../../ts/index.js";
import { start } from "../support/child.js";
import { all, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("a copy that is killed");

const COUNT = 4000;
const KILLS = 6;

/** How often each record is in the copy, after the kills and one run to the end. */
async function copies(folder: string, way: "exactly-once" | "filtered" | Delivery): Promise<number[]> {
  {
    await using log = await openLog(folder, { durability: "buffered" });
    const from = await log.topic("in", { partitions: 2, value: json<number>() });
    await log.topic("out", { durability: "fsync" });
    await log.producer().sendBatch(
      from,
      range(COUNT).map((value) => ({ value, partition: value % 2 })),
    );
  }
  let kills = 0;
  for (const _ of range(KILLS)) {
    const copy = start("copy_until_killed", folder, way);
    // At any moment behind its first steps, of which there are some each time.
    for (const _ of range(2)) await copy.line();
    await sleep(Math.random() * 40);
    copy.kill();
    if ((await copy.ended).signal !== null) kills += 1;
  }
  assert.ok(kills > 0);
  const last = await start("copy_until_killed", folder, way).ended;
  assert.is(last.code, 0, last.err);
  await using log = await openLog(folder);
  const out = await log.openTopic("out", { value: json<number>() });
  const counts = new Array<number>(COUNT).fill(0);
  const order = [-1, -1];
  for (const { value } of await all(log.consumer({ topics: [out], until: "end" }))) {
    counts[value!]! += 1;
    if (way === "exactly-once" || way === "filtered") {
      assert.ok(value! > order[value! % 2]!, `${value} comes behind ${order[value! % 2]}`);
      order[value! % 2] = value!;
    }
  }
  return counts;
}

test("exactly once: every record is there once, in order", async ({ folder }) => {
  assert.equal(
    (await copies(folder, "exactly-once")).filter((count) => count !== 1),
    [],
  );
}, 120_000);

test("exactly once with a filter: what it keeps is there once, in order, and nothing else", async ({ folder }) => {
  const counts = await copies(folder, "filtered");
  // Record n of a partition has offset n: every third of them is kept.
  const wrong = counts.filter((count, value) => count !== (Math.floor(value / 2) % 3 === 0 ? 1 : 0));
  assert.equal(wrong, []);
}, 120_000);

test("at least once: none is lost, some are doubled", async ({ folder }) => {
  const counts = await copies(folder, "at-least-once");
  assert.is(counts.filter((count) => count === 0).length, 0);
  assert.ok(counts.filter((count) => count > 1).length > 0);
}, 120_000);

test("at most once: none is doubled, some are lost", async ({ folder }) => {
  const counts = await copies(folder, "at-most-once");
  assert.is(counts.filter((count) => count > 1).length, 0);
  assert.ok(counts.filter((count) => count === 0).length > 0);
}, 120_000);

run();
