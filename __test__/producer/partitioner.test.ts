// Where records go: as they say, as their key says, as a function says, or together.

import * as assert from "uvu/assert";
import { string } from "../../ts/index.js";
import { murmur2 } from "../../ts/producer/murmur2.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("partitioner");

test("a key goes where Kafka's clients put it, by every way of sending", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 7, key: string(), value: string() });
  const producer = log.producer();
  const keys = ["", "21", "foobar", "ä€😀", "__proto__", ...range(200).map((i) => `key-${i}`)];
  const expected = keys.map((key) => (murmur2(Buffer.from(key)) & 0x7fffffff) % 7);
  const sends = await Promise.all(keys.map((key) => producer.send(topic, { key, value: "v" })));
  assert.equal(
    sends.map(({ partition }) => partition),
    expected,
  );
  const batch = await producer.sendBatch(
    topic,
    keys.map((key) => ({ key, value: "v" })),
  );
  assert.equal(
    keys.map((_, i) => batch.partition(i)),
    expected,
  );
  for (const key of keys) assert.ok(producer.trySend(topic, { key, value: "v" }));
  await producer.flush();
  for (const { key, partition } of await all(log.consumer({ topics: [topic], until: "end" }))) {
    assert.is(partition, expected[keys.indexOf(key!)]);
  }
});

test("records without a key stay together, and move on with the next group", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 4, value: string() });
  const producer = log.producer();
  const seen = new Set<number>();
  for (const _ of range(8)) {
    const sends = await Promise.all(range(10).map(() => producer.send(topic, { value: "v" })));
    assert.is(new Set(sends.map(({ partition }) => partition)).size, 1);
    seen.add(sends[0]!.partition);
  }
  assert.is(seen.size, 4);
});

test("what a record says goes before everything", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 3, key: string(), value: string() });
  const producer = log.producer({ partitioner: () => 0 });
  for (const partition of [2, 1, 0]) {
    assert.is((await producer.send(topic, { key: "k", value: "v", partition })).partition, partition);
  }
});

test("a partitioner gets the key's bytes, the number of partitions and the topic", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 3, key: string(), value: string() });
  const calls: unknown[] = [];
  const producer = log.producer({
    partitioner(key, count, name) {
      calls.push([key === null ? null : Buffer.from(key).toString(), count, name]);
      return key === null ? 2 : key.length % count;
    },
  });
  const sent = [await producer.send(topic, { key: "four", value: "v" }), await producer.send(topic, { value: "v" })];
  assert.equal(
    sent.map(({ partition }) => partition),
    [1, 2],
  );
  assert.equal(calls, [
    ["four", 3, "t"],
    [null, 3, "t"],
  ]);
});

test("a partitioner that is wrong fails its record only", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 2, key: string(), value: string() });
  const answers: unknown[] = [2, -1, 0.5, "0", undefined, Number.NaN];
  const producer = log.producer({
    partitioner: (key) => (key === null ? 1 : (answers[Number(String(Buffer.from(key)))] as number)),
  });
  for (const i of range(answers.length)) {
    const good = producer.send(topic, { value: "v" });
    await failure("ERR_TIDELOG_UNKNOWN_PARTITION", producer.send(topic, { key: String(i), value: "v" }));
    assert.is((await good).partition, 1);
  }
  const throwing = log.producer({
    partitioner() {
      throw new RangeError("mine");
    },
  });
  await failure("ERR_TIDELOG_INVALID_RECORD", throwing.send(topic, { value: "v" }), "the partitioner threw");
});

run();
