// What consumers hold in JavaScript that are slow, that rest, and that are closed: not what they have still to read.

import * as assert from "uvu/assert";
import { all, range, sleep } from "../support/expect.js";
import { collectGarbage } from "../support/garbage.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("memory of consumers");

const CONSUMERS = 40;
const READ_BYTES = 256 << 10;
/** Bytes of what each has to read. */
const BYTES = 32_000_000;

/** Bytes that buffers of this thread hold. */
async function held(): Promise<number> {
  for (const _ of range(3)) {
    collectGarbage();
    await sleep(10);
  }
  return process.memoryUsage().arrayBuffers;
}

test("slow ones hold a read each, paused and closed ones nothing", async ({ open }) => {
  const log = await open({ durability: "buffered" });
  const topic = await log.topic("t", { partitions: 4 });
  const value = Buffer.alloc(1000, 1);
  for (const _ of range(BYTES / 1_000_000)) {
    await log.producer().sendBatch(
      topic,
      range(1000).map((i) => ({ value, partition: i % 4 })),
    );
  }
  const before = await held();
  const consumers = range(CONSUMERS).map(() => log.consumer({ topics: [topic], readBytes: READ_BYTES }));
  const loops = consumers.map((consumer) => consumer[Symbol.asyncIterator]());
  for (const loop of loops) assert.is((await loop.next()).value!.offset, 0);

  const slow = (await held()) - before;
  assert.ok(slow > CONSUMERS * READ_BYTES * 0.9, `${slow}: each has read ahead`);
  assert.ok(slow < CONSUMERS * READ_BYTES * 1.5, `${slow}: each holds one read`);

  for (const consumer of consumers) consumer.pause();
  const paused = (await held()) - before;
  assert.ok(paused < READ_BYTES, `${paused}`);

  // They go on where they were.
  for (const consumer of consumers) consumer.resume();
  for (const loop of loops) {
    const { partition, offset } = (await loop.next()).value!;
    assert.is(offset, partition === 0 ? 1 : 0);
  }
  for (const consumer of consumers) await consumer.close();
  const closed = (await held()) - before;
  assert.ok(closed < READ_BYTES, `${closed}`);
  for (const loop of loops) assert.is((await loop.next()).done, true);
  const reader = log.consumer({ topics: [topic], until: "end" });
  assert.is((await all(reader)).length, BYTES / 1000);
}, 60_000);

run();
