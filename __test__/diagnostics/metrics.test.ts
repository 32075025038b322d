// What `log.metrics()` says against what was done.

import * as assert from "uvu/assert";
import { json, type Log, type Metrics, string } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("metrics");

/** The first snapshot in which something holds. */
async function once(log: Log, holds: (metrics: Metrics) => boolean): Promise<Metrics> {
  for (;;) {
    const metrics = await log.metrics();
    if (holds(metrics)) return metrics;
    await sleep(1);
  }
}

test("a store with nothing in it", async ({ open }) => {
  const log = await open();
  const { uptimeMs, journal, ...rest } = await log.metrics();
  assert.ok(uptimeMs > 0 && uptimeMs < 60_000);
  const none = { p50: 0, p95: 0, p99: 0, max: 0 };
  const { bytes, capacityBytes, freeBytes, ...syncs } = journal;
  assert.equal(syncs, { syncs: 0, records: 0, syncMsTotal: 0, syncMs: none, recordsPerSync: none, waiting: 0 });
  // The opening has written one frame.
  assert.ok(bytes <= capacityBytes && freeBytes === capacityBytes - 4096 && capacityBytes === 256 << 20);
  assert.equal(rest, {
    appended: { records: 0, bytes: 0 },
    read: { records: 0, bytes: 0 },
    checkpoints: rest.checkpoints,
    transactions: { open: 0, committed: 0, aborted: 0 },
    topics: [],
    consumers: [],
    producers: [],
    handlers: { failures: 0, retries: 0, deadLettered: 0 },
  });
  await log.close();
  await failure("ERR_TIDELOG_CLOSED", log.metrics());
});

test("what is sent, synced, kept and read", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const two = await log.topic("two", { partitions: 2, value: json<number>() });
  await log.topic("empty");
  const records = range(1000).map((value) => ({ value, partition: value % 2 }));
  await sendInBatches(records, (some) => log.producer().sendBatch(two, some));
  const before = await log.metrics();
  assert.is(before.appended.records, 1000);
  assert.ok(before.journal.syncs > 0 && before.journal.syncs <= 20);
  assert.is(before.journal.records, 1000);
  const { syncMs, syncMsTotal, recordsPerSync } = before.journal;
  assert.ok(0 < syncMs.p50 && syncMs.p50 <= syncMs.p95 && syncMs.p95 <= syncMs.p99 && syncMs.p99 <= syncMs.max);
  assert.ok(syncMs.max <= syncMsTotal && syncMsTotal < before.uptimeMs);
  assert.ok(recordsPerSync.max >= 1000 / before.journal.syncs && recordsPerSync.max <= 1000);

  assert.equal(
    before.topics.map(({ topic }) => topic),
    ["empty", "two"],
  );
  for (const { topic, partitions } of before.topics) {
    const described = (await (await log.openTopic(topic)).describe()).partitions;
    assert.equal(
      partitions,
      described.map(({ damage: _, compactionFailure: __, ...rest }) => rest),
    );
  }
  const [, { partitions }] = before.topics as [unknown, Metrics["topics"][number]];
  assert.is(
    partitions.reduce((sum, { bytes }) => sum + bytes, 0),
    before.appended.bytes,
  );

  await all(log.consumer({ topics: [two], until: "end" }));
  const after = await log.metrics();
  assert.equal(after.read, before.appended);
  assert.ok(after.uptimeMs > before.uptimeMs);
  await two.get({ partition: 0, offset: 3 });
  await log.raw.partition(two, 1).readInto(Buffer.alloc(1 << 20), { offset: 0 });
  assert.is((await log.metrics()).read.records, 1000 + 1 + 500);
});

test("consumers that are read, with their lag", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 2, value: json<number>() });
  await log.producer().sendBatch(
    topic,
    range(10).map((value) => ({ value, partition: value % 2 })),
  );
  const idle = log.consumer({ topics: [topic] });
  assert.equal((await log.metrics()).consumers, []);
  const reader = log.consumer({ group: "g", topics: [topic] })[Symbol.asyncIterator]();
  for (const _ of range(3)) await reader.next();
  const [consumer, ...others] = (await log.metrics()).consumers;
  assert.equal(others, []);
  assert.is(consumer!.group, "g");
  assert.is(consumer!.partitions.length, 2);
  assert.is(
    consumer!.partitions.reduce((sum, { lag }) => sum + lag, 0),
    7,
  );
  for (const { topic, highWatermark, position, lag } of consumer!.partitions) {
    assert.equal([topic, highWatermark, position + lag], ["t", 5, 5]);
  }
  await reader.return?.();
  await first(1, idle);
  assert.equal((await log.metrics()).consumers, []);
});

test("producers, and who waits for room in them", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer({ name: "p", bufferBytes: 1 << 10 });
  log.producer();
  const sends = range(20).map(() => producer.send(topic, { value: "x".repeat(1000) }));
  const busy = await once(log, ({ producers: [one] }) => one!.waiting > 0);
  assert.is(busy.producers.length, 2);
  const [{ name, inFlightBytes, bufferBytes, waiting }, unnamed] = busy.producers as [
    Metrics["producers"][number],
    Metrics["producers"][number],
  ];
  assert.equal([name, bufferBytes], ["p", 1 << 10]);
  assert.ok(waiting <= 20 && inFlightBytes < 4096);
  assert.equal(unnamed, { name: null, inFlightBytes: 0, bufferBytes: 64 << 20, waiting: 0 });
  await Promise.all(sends);
  const [quiet] = (await log.metrics()).producers;
  assert.equal([quiet!.waiting, quiet!.inFlightBytes], [0, 0]);
  await producer.close();
  assert.is((await log.metrics()).producers.length, 1);
});

test("transactions, those of log.process among them", async ({ open }) => {
  const log = await open();
  const [from, to] = [await log.topic("in"), await log.topic("out", { durability: "fsync" })];
  await log.producer().sendBatch(
    from,
    range(10).map((i) => ({ value: Buffer.of(i) })),
  );
  await log.process({ id: "p", from, until: "end", batch: 5 }, ({ value }, tx) => tx.send(to, { value }));
  const { transactions } = await log.metrics();
  assert.equal([transactions.open, transactions.committed], [0, 2]);
  await using producer = await log.transactionalProducer("t");
  const tx = producer.begin();
  assert.equal((await log.metrics()).transactions, transactions, "nothing is in it yet");
  tx.send(to, { value: Buffer.of(1) });
  assert.is((await log.metrics()).transactions.open, 1);
  await tx.abort();
  const after = (await log.metrics()).transactions;
  assert.equal(after, { open: 0, committed: 2, aborted: transactions.aborted + 1 });
});

test("threads share the counts, not the consumers and producers", async ({ folder, open }) => {
  const log = await open();
  const { open: again } = await import("../../ts/index.js");
  await using other = await again(folder, { durability: "buffered" });
  const topic = await log.topic("t", { value: string() });
  await log.producer().send(topic, { value: "a" });
  const metrics = await other.metrics();
  assert.is(metrics.appended.records, 1);
  assert.equal(metrics.producers, []);
});

test("a thousand partitions, in order", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 1000 });
  await log.producer().sendBatch(
    topic,
    range(1000).map((partition) => ({ partition, value: Buffer.alloc(partition) })),
  );
  const { topics } = await log.metrics();
  const { partitions } = topics[0]!;
  assert.equal(
    partitions.map(({ partition }) => partition),
    range(1000),
  );
  partitions.forEach(({ bytes, logEndOffset }, i) => {
    assert.ok(logEndOffset === 1 && bytes > i && bytes < i + 100);
  });
});

run();
