// What was handed over is the caller's again when the call returns, whatever the record has to wait for: buffers, objects
// and arrays that are used again do not change what is stored.

import * as assert from "uvu/assert";
import { json, type Log, type ProducerRecord, string } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("reused values");

async function valuesOf(log: Log, topic: string): Promise<string[]> {
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  return records.map(({ value }) => value!.toString());
}

test("a buffer that is used again while a named producer opens", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer({ name: "importer" });
  const scratch = Buffer.alloc(1);
  const sends = range(5).map((i) => {
    scratch[0] = 65 + i;
    return producer.send(topic, { value: scratch });
  });
  scratch[0] = 0;
  await Promise.all(sends);
  assert.equal(await valuesOf(log, "t"), ["A", "B", "C", "D", "E"]);
});

test("an object that is used again while bufferBytes are on their way", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<{ n: number; pad: string }>() });
  const producer = log.producer({ bufferBytes: 1024 });
  const event = { n: 0, pad: "x".repeat(300) };
  const sends = range(10).map((i) => {
    event.n = i;
    return producer.send(topic, { value: event });
  });
  await Promise.all(sends);
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.equal(
    records.map(({ value }) => value!.n),
    range(10),
  );
});

test("a whole record with its key and headers, by the name of a topic that is not open yet", async ({ open }) => {
  const log = await open();
  await log.topic("t", { partitions: 3 });
  await log.close();
  const again = await open();
  const producer = again.producer();
  const key = Buffer.from("k0");
  const value = Buffer.from("v0");
  const headerValue = Buffer.from("h0");
  const pair: [string, Buffer] = ["name", headerValue];
  const record = { key, value, headers: [pair], timestamp: 1000, partition: 0 };
  const sends = range(3).map((i) => {
    for (const bytes of [key, value, headerValue]) bytes[1] = 48 + i;
    record.partition = i;
    record.timestamp = 1000 + i;
    pair[0] = `name${i}`;
    return producer.send("t", record);
  });
  record.headers.length = 0;
  for (const bytes of [key, value, headerValue]) bytes.fill(0);
  assert.equal(
    (await Promise.all(sends)).map(({ partition, timestamp }) => [partition, timestamp]),
    [
      [0, 1000],
      [1, 1001],
      [2, 1002],
    ],
  );
  for (const i of range(3)) {
    const topic = await again.openTopic("t");
    const read = await topic.get({ partition: i, offset: 0 });
    assert.equal([String(read!.key), String(read!.value)], [`k${i}`, `v${i}`]);
    assert.equal(
      read!.headers.map(([name, bytes]) => [name, String(bytes)]),
      [[`name${i}`, `h${i}`]],
    );
  }
});

test("records that wait for their topic go where those go that do not", async ({ open }) => {
  const log = await open();
  await log.topic("t", { partitions: 7 });
  await log.topic("u", { partitions: 7 });
  const topic = await log.openTopic("u");
  const keys = range(50).map((i) => Buffer.from(`key ${i}`));
  const now = await Promise.all(keys.map((key) => log.producer().send(topic, { key, value: key })));
  await log.close();
  const again = await open();
  const seen: string[] = [];
  const partitioner = (key: Uint8Array | null, count: number, name: string) => {
    seen.push(`${key === null ? "none" : Buffer.from(key)} ${count} ${name}`);
    return 3;
  };
  const later = await again.producer().sendBatch(
    "t",
    keys.map((key) => ({ key, value: key })),
  );
  assert.equal(
    now.map(({ partition }) => partition),
    keys.map((_, i) => later.partition(i)),
  );
  await again.close();
  const third = await open();
  const chosen = await third.producer({ partitioner }).send("t", { key: Buffer.from("k"), value: null });
  assert.equal([chosen.partition, ...seen], [3, "k 7 t"]);
});

test("what is wrong with a record of a topic that opens hurts no other", async ({ open }) => {
  const log = await open();
  await log.topic("t", { maxBatchBytes: 1000 });
  await log.close();
  const again = await open();
  const producer = again.producer();
  const value = Buffer.from("v");
  const good = [producer.send("t", { value })];
  const bad = [
    failure("ERR_TIDELOG_UNKNOWN_PARTITION", producer.send("t", { value, partition: 5 }), "only partition 0"),
    failure("ERR_TIDELOG_UNKNOWN_PARTITION", producer.send("t", { value, partition: -1 }), "numbered from 0"),
    failure("ERR_TIDELOG_UNKNOWN_PARTITION", producer.send("t", { value, partition: 0.5 }), "numbered from 0"),
    failure("ERR_TIDELOG_INVALID_RECORD", producer.send("t", { value, timestamp: 8.64e15 }), "future"),
    failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.send("t", { value: Buffer.alloc(2000) })),
    failure("ERR_TIDELOG_SERIALIZATION", producer.send("t", { value: "text" as never }), "Uint8Array"),
    failure("ERR_TIDELOG_UNKNOWN_PARTITION", producer.sendBatch("t", [{ value }, { value, partition: 1 }]), "record 1"),
    failure("ERR_TIDELOG_UNKNOWN_TOPIC", producer.sendBatch("none", [])),
  ];
  good.push(producer.send("t", { value }));
  await Promise.all(bad);
  assert.equal(
    (await Promise.all(good)).map(({ offset }) => offset),
    [0, 1],
  );
});

test("conditional sends are read in the call, too", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer({ name: "n" });
  const value = Buffer.from("0");
  const options = { sequence: 0 };
  const sends = range(4).map((i) => {
    value[0] = 48 + i;
    options.sequence = i;
    return producer.send(topic, { value }, options);
  });
  value[0] = 0;
  options.sequence = 99;
  await Promise.all(sends);
  assert.equal(await valuesOf(log, "t"), ["0", "1", "2", "3"]);
});

test("an array that is emptied or filled again after sendBatch has returned", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<number>() });
  const producer = log.producer({ bufferBytes: 1024 });
  const pending: ProducerRecord<Uint8Array, number>[] = range(10_000).map((value) => ({ value }));
  const sent = producer.sendBatch(topic, pending);
  pending.length = 0;
  pending.push({ value: -1 });
  const result = await sent;
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.equal([result.count, result.appended, records.length], [10_000, 10_000, 10_000]);
  assert.equal(
    records.map(({ value }) => value),
    range(10_000),
  );
});

test("records of a batch that are used again while it waits", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<{ i: number }>() });
  const producer = log.producer({ name: "n" });
  const records = range(9000).map((i) => ({ value: { i } }));
  const batches = [producer.sendBatch(topic, records)];
  for (const { value } of records) value.i += 9000;
  batches.push(producer.sendBatch(topic, records));
  for (const { value } of records) value.i = -1;
  await Promise.all(batches);
  assert.equal(
    (await all(log.consumer({ topics: [topic], until: "end" }))).map(({ value }) => value!.i),
    range(18_000),
  );
});

test("small batches that wait do not hold the memory of large ones", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer({ name: "n" });
  const before = process.memoryUsage().arrayBuffers;
  const batches = range(2000).map((i) => producer.sendBatch(topic, [{ value: Buffer.from(String(i)) }]));
  const grown = (process.memoryUsage().arrayBuffers - before) / (1 << 20);
  assert.ok(grown < 20, `2,000 batches of one record that wait hold ${grown.toFixed(0)} MiB`);
  await Promise.all(batches);
  assert.equal(await valuesOf(log, "t"), range(2000).map(String));
});

test("a batch that is given up while it waits says so, and how much was appended", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer({ bufferBytes: 1024 });
  const abort = new AbortController();
  const records = range(20_000).map((i) => ({ value: `value ${i}` }));
  const sent = producer.sendBatch(topic, records, { signal: abort.signal });
  abort.abort();
  const error = await failure("ERR_TIDELOG_ABORTED", sent, "producer.sendBatch was aborted");
  const { appended } = error.appended!;
  assert.ok(appended > 0 && appended < 20_000);
  await producer.flush();
  assert.is((await topic.describe()).partitions[0]!.highWatermark, appended);
});

test("raw batches and transactions", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const source = await log.topic("source", { value: string() });
  await log.producer().send(source, { value: "whole" });
  const { bytes } = await log.raw.partition("source", 0).readInto(Buffer.alloc(1000), { offset: 0 });
  const topic = await log.topic("t");
  const appended = log.raw.partition(topic, 0).append(bytes);
  bytes.fill(0);
  await appended;
  await log.transaction("tx", async (tx) => {
    const value = Buffer.from("first");
    tx.send(topic, { value });
    value.fill("-");
    const batch = [{ value: Buffer.from("second") }];
    tx.sendBatch(topic, batch);
    batch[0]!.value.fill("-");
    batch.length = 0;
  });
  assert.equal(await valuesOf(log, "t"), ["whole", "first", "second"]);
});

run();
