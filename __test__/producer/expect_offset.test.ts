// Sends that are appended at one offset or not at all: who decides on what was read must not be overtaken.

import * as assert from "uvu/assert";
import { json, OffsetConflictError, type TidelogError } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("expectOffset");

test("a record is appended at the offset expected, and refused elsewhere", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { value: json<number>() });
  const producer = log.producer();
  assert.equal(await producer.send(topic, { value: 0, timestamp: 7 }, { expectOffset: 0 }), {
    partition: 0,
    offset: 0,
    timestamp: 7,
  });
  for (const expectOffset of [0, 2]) {
    const error = await failure("ERR_TIDELOG_OFFSET_CONFLICT", producer.send(topic, { value: -1 }, { expectOffset }));
    assert.instance(error, OffsetConflictError);
    const { expected, actual, retriable, indefinite } = error as OffsetConflictError;
    assert.equal([expected, actual, retriable, indefinite], [expectOffset, 1, false, false]);
  }
  assert.is((await topic.describe()).partitions[0]!.logEndOffset, 1);
  // The refused ones took no sequence with them.
  await producer.send(topic, { value: 1 });
  await producer.send(topic, { value: 2 }, { expectOffset: 2 });
});

test("of writers that decide at once one wins each time, and no decision is lost or overtaken", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("balance", { value: json<{ by: number; balance: number }>() });
  await log.producer().send(topic, { value: { by: -1, balance: 0 } });
  let conflicts = 0;
  const writers = range(4).map(async (by) => {
    const producer = log.producer(by % 2 === 0 ? {} : { name: `writer ${by}` });
    for (let done = 0; done < 10; ) {
      const { highWatermark } = log.raw.partition(topic, 0);
      const last = await topic.get({ offset: highWatermark - 1 });
      const value = { by, balance: last!.value!.balance + 1 };
      try {
        await producer.send(topic, { value }, { expectOffset: highWatermark });
        done += 1;
      } catch (error) {
        assert.is((error as TidelogError).code, "ERR_TIDELOG_OFFSET_CONFLICT");
        conflicts += 1;
      }
    }
  });
  await Promise.all(writers);
  const balances = (await all(log.consumer({ topics: [topic], until: "end" }))).map(({ value }) => value!.balance);
  assert.equal(balances, range(41));
  assert.ok(conflicts > 0);
});

test("it is by partition, which must be certain", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 2, value: json<number>() });
  const producer = log.producer();
  await producer.send(topic, { value: 0, partition: 1 }, { expectOffset: 0 });
  await producer.send(topic, { value: 0, partition: 0 }, { expectOffset: 0 });
  await producer.send(topic, { value: 0, key: Buffer.from("k") }, { expectOffset: 1 });
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", producer.send(topic, { value: 0 }, { expectOffset: 1 }), "partition");
  for (const expectOffset of [-1, 0.5, "0", null]) {
    const options = { expectOffset: expectOffset as number };
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", producer.send(topic, { value: 0, partition: 0 }, options));
  }
});

test("a record that is refused by its size, or its serde, says so", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { maxBatchBytes: 1000 });
  const producer = log.producer();
  const large = { value: Buffer.alloc(2000) };
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.send(topic, large, { expectOffset: 0 }));
  await failure("ERR_TIDELOG_SERIALIZATION", producer.send(topic, { value: "x" as never }, { expectOffset: 0 }));
  assert.is((await producer.send(topic, { value: Buffer.from("x") }, { expectOffset: 0 })).offset, 0);
});

run();
