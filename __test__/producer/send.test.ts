// Sending: one at a time, many at once, by handle and by name; what is refused, and that it hurts nobody else.

import * as assert from "uvu/assert";
import { json, string, type TidelogError } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("send");

for (const durability of ["fsync", "buffered"] as const) {
  test(`a send tells partition, offset and time (${durability})`, async ({ open }) => {
    const log = await open({ durability });
    const topic = await log.topic("t", { partitions: 2, value: string() });
    const producer = log.producer();
    const before = Date.now();
    const first = await producer.send(topic, { value: "a", partition: 1 });
    const second = await producer.send(topic, { value: "b", partition: 1, timestamp: 12345 });
    assert.equal([first.partition, first.offset, second.partition, second.offset], [1, 0, 1, 1]);
    assert.ok(first.timestamp >= before && first.timestamp <= Date.now());
    assert.is(second.timestamp, 12345);
    for (const { offset, timestamp } of [first, second]) {
      assert.is((await topic.get({ partition: 1, offset }))!.timestamp, timestamp);
    }
  });
}

test("where the topic takes the time of the append, that is what counts", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { timestamps: "append", value: string() });
  const before = Date.now();
  const producer = log.producer();
  const { timestamp, offset } = await producer.send(topic, { value: "a", timestamp: 1 });
  assert.ok(timestamp >= before);
  assert.is((await topic.get({ offset }))!.timestamp, timestamp);
  const batch = await producer.sendBatch(topic, [{ value: "b", timestamp: 1 }]);
  assert.ok(batch.runs[0]!.timestamp >= before);
});

test("a thousand sends at once keep their order and get their own offsets", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 4, key: string(), value: json<number>() });
  const producer = log.producer();
  const sent = await Promise.all(range(1000).map((i) => producer.send(topic, { key: `k${i % 50}`, value: i })));
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.is(records.length, 1000);
  for (const { partition, offset, value } of records) {
    assert.equal([sent[value!]!.partition, sent[value!]!.offset], [partition, offset]);
  }
  const lastOfKey = new Map<string, number>();
  for (const { key, value } of records) {
    assert.ok(value! > (lastOfKey.get(key!) ?? -1));
    lastOfKey.set(key!, value!);
  }
});

test("sends of several ticks, topics and producers all arrive once", async ({ open }) => {
  const log = await open();
  const topics = await Promise.all(range(3).map((i) => log.topic(`t${i}`, { partitions: 2, value: json<number>() })));
  const producers = [log.producer(), log.producer()];
  const one = async (i: number) => {
    await producers[i % 2]!.send(topics[i % 3]!, { value: i });
    await producers[i % 2]!.send(topics[i % 3]!, { value: i + 1000 });
  };
  await Promise.all(range(300).map(one));
  const records = await all(log.consumer({ topics, until: "end" }));
  assert.equal(
    records.map(({ value }) => value!).sort((a, b) => a - b),
    [...range(300), ...range(300).map((i) => i + 1000)],
  );
});

test("a topic can be given by name, and order holds while it is being opened", async ({ open }) => {
  const log = await open();
  await (await open()).topic("t");
  const producer = log.producer();
  const sends = range(20).map((i) => producer.send("t", { value: Buffer.from([i]) }));
  const batch = producer.sendBatch(
    "t",
    range(20).map((i) => ({ value: Buffer.from([20 + i]) })),
  );
  assert.equal(
    (await Promise.all(sends)).map(({ offset }) => offset),
    range(20),
  );
  assert.equal(
    [...(await batch).offsets()],
    range(20).map((i) => 20 + i),
  );
});

test("order holds over several handles of a topic, with serdes of their own", async ({ open }) => {
  const log = await open();
  const texts = await log.topic("t", { value: string() });
  const numbers = await log.openTopic("t", { value: json<number>() });
  const producer = log.producer();
  const sends = range(30).map((i) => {
    if (i % 3 === 0) return producer.send(texts, { value: `${i}` });
    if (i % 3 === 1) return producer.send(numbers, { value: i });
    return producer.send("t", { value: Buffer.from(`${i}`) });
  });
  assert.equal(
    (await Promise.all(sends)).map(({ offset }) => offset),
    range(30),
  );
  const records = await all(log.consumer({ topics: [numbers], until: "end" }));
  assert.equal(
    records.map(({ value }) => value),
    range(30),
  );
});

test("the bytes are taken when send is called", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const value = Buffer.from("before");
  const sent = log.producer().send(topic, { value });
  value.write("after!");
  await sent;
  assert.is(String((await topic.get({ offset: 0 }))!.value), "before");
});

test("one bad record does not hurt those that travel with it", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<unknown>(), maxBatchBytes: 4096 });
  const producer = log.producer();
  const bad: [object, string][] = [
    [{ value: () => {} }, "ERR_TIDELOG_SERIALIZATION"],
    [{ value: undefined }, "ERR_TIDELOG_INVALID_RECORD"],
    [{ value: 1, partition: 1 }, "ERR_TIDELOG_UNKNOWN_PARTITION"],
    [{ value: 1, partition: "0" }, "ERR_TIDELOG_UNKNOWN_PARTITION"],
    [{ value: 1, timestamp: -1 }, "ERR_TIDELOG_INVALID_RECORD"],
    [{ value: 1, timestamp: 1.5 }, "ERR_TIDELOG_INVALID_RECORD"],
    [{ value: 1, timestamp: Date.now() + 864e5 }, "ERR_TIDELOG_INVALID_RECORD"],
    [{ value: 1, headers: [5] }, "ERR_TIDELOG_INVALID_RECORD"],
    [{ value: 1, key: "text" }, "ERR_TIDELOG_SERIALIZATION"],
    [{ value: 1, key: Buffer.alloc(65537) }, "ERR_TIDELOG_RECORD_TOO_LARGE"],
    [{ value: "x".repeat(5000) }, "ERR_TIDELOG_RECORD_TOO_LARGE"],
    [null as never, "ERR_TIDELOG_INVALID_RECORD"],
  ];
  const sends = bad.flatMap(([record]) => [
    producer.send(topic, { value: "good" }),
    producer.send(topic, record as never),
  ]);
  const ends = await Promise.allSettled(sends);
  for (const [i, [, code]] of bad.entries()) {
    assert.is(ends[i * 2]!.status, "fulfilled");
    const end = ends[i * 2 + 1] as PromiseRejectedResult;
    assert.is(end.status, "rejected");
    assert.is((end.reason as TidelogError).code, code, end.reason.message);
    assert.is(end.reason.indefinite, false);
  }
  assert.is((await all(log.consumer({ topics: [topic], until: "end" }))).length, bad.length);
});

test("a record fits up to the limit and not beyond", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { maxBatchBytes: 10_000 });
  const producer = log.producer();
  // 61 bytes of batch, and of the record: 3 of length, attributes, time, offset, null key, 3 of length, headers.
  const largest = 10_000 - 61 - 11;
  for (const size of [largest - 1, largest]) {
    const { offset } = await producer.send(topic, { value: Buffer.alloc(size, 7) });
    assert.is((await topic.get({ offset }))!.value!.length, size);
  }
  const error = await failure(
    "ERR_TIDELOG_RECORD_TOO_LARGE",
    producer.send(topic, { value: Buffer.alloc(largest + 1) }),
    "10000",
  );
  assert.is(error.retriable, false);
});

test("a record of tens of megabytes goes through where the topic allows it", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { maxBatchBytes: 64 << 20 });
  const value = Buffer.alloc(40 << 20, 7);
  const producer = log.producer({ bufferBytes: 1 << 20 });
  const sent = await Promise.all([
    producer.send(topic, { value }),
    producer.send(topic, { value: Buffer.from("small") }),
  ]);
  assert.equal(
    sent.map(({ offset }) => offset),
    [0, 1],
  );
  const [large, small] = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.ok(large!.value!.equals(value));
  assert.is(String(small!.value), "small");
});

test("another thread's change of limits is noticed", async ({ open }) => {
  const [log, other] = [await open(), await open()];
  const topic = await log.topic("t", { maxBatchBytes: 2000 });
  const producer = log.producer();
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.send(topic, { value: Buffer.alloc(5000) }));
  await (await other.openTopic("t")).alter({ maxBatchBytes: 10_000, partitions: 2, maxFutureMs: 2 * 864e5 });
  await producer.send(topic, { value: Buffer.alloc(5000), partition: 1, timestamp: Date.now() + 864e5 });
  await (await other.openTopic("t")).alter({ maxBatchBytes: 1000 });
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.send(topic, { value: Buffer.alloc(5000) }));
  const ends = await Promise.allSettled([
    producer.send(topic, { value: Buffer.alloc(5000) }),
    producer.send(topic, { value: null }),
  ]);
  assert.equal(
    ends.map(({ status }) => status),
    ["rejected", "fulfilled"],
  );
});

run();
