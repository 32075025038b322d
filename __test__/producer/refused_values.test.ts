// What can't be stored as what it is meant as is refused in the call, for its own record alone, with a way out; and what
// looks odd and can be stored is.

import { MessageChannel } from "node:worker_threads";
import * as assert from "uvu/assert";
import { json, string } from "../../ts/index.js";
import { all, failure } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("refused values");

test("bytes whose memory was transferred are not taken for an empty value", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer();
  const gone = new Uint8Array(8);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  const value = Buffer.from("v");
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, { value: gone }), "transferred");
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, { key: gone, value }), "transferred");
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, { value, headers: [["h", gone]] }), "transferred");
  await producer.send(topic, { value: new Uint8Array(0) });
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  shared.set([1, 2]);
  await producer.send(topic, { value: shared });
  const values = (await all(log.consumer({ topics: [topic], until: "end" }))).map((record) => [...record.value!]);
  assert.equal(values, [[], [1, 2]]);
});

test("a transfer of one value takes no other with it", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  await log.producer().sendBatch(
    topic,
    [1, 2].map((i) => ({ value: Buffer.from(`value ${i}`) })),
  );
  const { port1 } = new MessageChannel();
  const [a, b] = await topic.getMany([{ offset: 0 }, { offset: 1 }]);
  const loop: string[] = [];
  for await (const { value } of log.consumer({ topics: [topic], until: "end" })) {
    // Node 20 leaves what is marked out of the transfer, newer ones throw.
    try {
      port1.postMessage(value, [value!.buffer as ArrayBuffer]);
    } catch (error) {
      assert.is((error as Error).name, "DataCloneError");
    }
    loop.push(value!.toString());
  }
  try {
    port1.postMessage(a!.value, [a!.value!.buffer as ArrayBuffer]);
  } catch (error) {
    assert.is((error as Error).name, "DataCloneError");
  }
  port1.close();
  assert.equal([a!.value!.toString(), b!.value!.toString(), ...loop], ["value 1", "value 2", "value 1", "value 2"]);
});

test("json() takes nothing that would be read as null", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { key: json<unknown>(), value: json<unknown>() });
  const producer = log.producer();
  const bad = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    new Date(Number.NaN),
    { toJSON: () => null },
    1n,
    () => {},
    Symbol("s"),
  ];
  for (const value of bad) {
    await failure("ERR_TIDELOG_SERIALIZATION", producer.send(topic, { value }), "value");
    await failure("ERR_TIDELOG_SERIALIZATION", producer.send(topic, { key: value, value: 1 }), "key");
  }
  await producer.send(topic, { key: "k", value: null });
  await producer.send(topic, { value: { n: Number.NaN } });
  const values = (await all(log.consumer({ topics: [topic], until: "end" }))).map(({ value }) => value);
  assert.equal(values, [null, { n: null }]);
});

test("a time in seconds or microseconds is refused, and a Date is what it says", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  const value = "v";
  const now = new Date();
  const seconds = Math.floor(now.getTime() / 1000);
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, { value, timestamp: seconds }), "seconds");
  await failure(
    "ERR_TIDELOG_INVALID_RECORD",
    producer.send(topic, { value, timestamp: seconds * 1e6 }),
    "microseconds",
  );
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, { value, timestamp: new Date(Number.NaN) }), "Date");
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, { value, timestamp: -1 }), "integer");
  for (const timestamp of [0, 12345, 999_999_999, 4_000_000_000, now.getTime()]) {
    assert.is((await producer.send(topic, { value, timestamp })).timestamp, timestamp);
  }
  assert.is((await producer.send(topic, { value, timestamp: now })).timestamp, now.getTime());
  assert.is((await producer.send(topic, { value, timestamp: new Date(seconds) })).timestamp, seconds);
});

test("what is no record is told how to be one", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, "hello" as never), "pass { value: 'hello' }");
  await failure(
    "ERR_TIDELOG_INVALID_RECORD",
    producer.send(topic, Buffer.from("a") as never),
    "pass { value: <Buffer 61> }",
  );
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, undefined as never), "must be an object");
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.topic("u", { value: json as never }), "call it: json()");
});

test("limits are named as the options are", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { maxBatchBytes: 1000 });
  const sent = log.producer().send(topic, { value: Buffer.alloc(2000) });
  const error = await failure("ERR_TIDELOG_RECORD_TOO_LARGE", sent, "maxBatchBytes");
  assert.not.match(error.message, "max.message.bytes");
});

test("a record without a key is refused alone, in a compacted topic", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("state", { cleanup: "compact", key: string(), value: json<number>() });
  const producer = log.producer();
  const sent = await Promise.allSettled([
    producer.send(topic, { key: "a", value: 1 }),
    producer.send(topic, { value: 2 }),
    producer.send(topic, { key: "b", value: 3 }),
  ]);
  assert.equal(
    sent.map((one) => (one.status === "rejected" ? one.reason.code : "stored")),
    ["stored", "ERR_TIDELOG_INVALID_RECORD", "stored"],
  );
  assert.match((sent[1] as PromiseRejectedResult).reason.message, 'topic "state"');
});

test("a partitioner can't change the key", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { key: string(), value: string() });
  const partitioner = (key: Uint8Array | null) => {
    key?.fill(0);
    return 0;
  };
  await log.producer({ partitioner }).send(topic, { key: "key", value: "v" });
  assert.is((await topic.get({ offset: 0 }))!.key, "key");
});

test("a record, and what send resolved with, names a record", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 2, value: string() });
  const other = await log.topic("other");
  const sent = await log.producer().send(topic, { value: "v", partition: 1 });
  const record = (await topic.get(sent))!;
  assert.is(record.value, "v");
  assert.equal(await topic.get(record), record);
  assert.equal(await topic.getMany([record, sent]), [record, record]);
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", other.get(record), "of topic");
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    topic.get({ partitions: 1, offset: 0 } as never),
    'unknown option "partitions"',
  );
});

run();
