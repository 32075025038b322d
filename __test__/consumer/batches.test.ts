// Lazy batches: what they give, how long it holds, and copies.

import { inspect } from "node:util";
import * as assert from "uvu/assert";
import { json, type Log, type RecordBatch, string } from "../../ts/index.js";
import { all, failure, range, sendInBatches } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("batches");

async function filled(log: Log, count: number) {
  const topic = await log.topic("t", { key: string(), value: json<{ i: number }>() });
  const one = (i: number) => ({ key: `k${i}`, value: { i }, timestamp: 1000 + i, headers: [["h", `${i}`]] as const });
  const producer = log.producer();
  await sendInBatches(range(count).map(one), (some) => producer.sendBatch(topic, some));
  return topic;
}

test("a batch is its records, by loop and by index", async ({ open }) => {
  const log = await open();
  const topic = await filled(log, 3000);
  let next = 0;
  for await (const batch of log.consumer({ topics: [topic], until: "end", readBytes: 8192 }).batches()) {
    assert.equal([batch.topic, batch.partition, batch.highWatermark], ["t", 0, 3000]);
    const start = next;
    for (const record of batch) {
      assert.equal([record.topic, record.partition, record.offset, record.timestamp], ["t", 0, next, 1000 + next]);
      assert.equal([record.key, record.value], [`k${next}`, { i: next }]);
      assert.equal(
        record.headers.map(([name, value]) => [name, String(value)]),
        [["h", `${next}`]],
      );
      next++;
    }
    assert.is(batch.length, next - start);
    assert.is(batch.nextOffset, next);
    assert.is(batch.at(0)!.offset, start);
    assert.is(batch.at(-1)!.offset, next - 1);
    for (const index of [batch.length, -batch.length - 1, Number.POSITIVE_INFINITY])
      assert.is(batch.at(index), undefined);
    assert.equal(
      [...batch].map(({ offset }) => offset),
      range(batch.length).map((i) => start + i),
    );
  }
  assert.is(next, 3000);
});

test("the position follows when a batch is handed out", async ({ open }) => {
  const log = await open();
  const topic = await filled(log, 1000);
  const consumer = log.consumer({ topics: [topic], until: "end", readBytes: 4096 });
  for await (const batch of consumer.batches()) assert.is(await consumer.position(), batch.nextOffset);
});

test("an outdated batch refuses, with all that came from it", async ({ open }) => {
  const log = await open();
  const topic = await filled(log, 1000);
  const loop = log
    .consumer({ topics: [topic], until: "end", readBytes: 4096 })
    .batches()
    [Symbol.asyncIterator]();
  const old = (await loop.next()).value as RecordBatch<{
    offset: number;
    key: unknown;
    value: unknown;
    headers: unknown;
  }>;
  const record = old.at(0)!;
  assert.is(record.offset, 0);
  await loop.next();
  for (const use of [() => old.at(0), () => [...old], () => old.copy(), () => old.toArray()]) {
    await failure("ERR_TIDELOG_STALE_BATCH", use, "batch.copy()");
  }
  for (const use of [() => record.offset, () => record.key, () => record.value, () => record.headers]) {
    await failure("ERR_TIDELOG_STALE_BATCH", use);
  }
});

test("a copy holds for good", async ({ open }) => {
  const log = await open();
  const topic = await filled(log, 2000);
  const copies: RecordBatch<{ offset: number; value: { i: number } | null }>[] = [];
  for await (const batch of log.consumer({ topics: [topic], until: "end", readBytes: 4096 }).batches()) {
    copies.push(batch.copy());
  }
  assert.ok(copies.length > 3);
  assert.equal(
    copies.flatMap((batch) => [...batch].map(({ value }) => value!.i)),
    range(2000),
  );
  assert.equal(
    copies.flatMap((batch) =>
      batch
        .copy()
        .toArray()
        .map(({ value }) => value!.i),
    ),
    range(2000),
  );
});

test("an array holds for good", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer();
  await sendInBatches(range(2000), (some) =>
    producer.sendBatch(
      topic,
      some.map((i) => ({ value: Buffer.alloc(50, i) })),
    ),
  );
  const records = [];
  for await (const batch of log.consumer({ topics: [topic], until: "end", readBytes: 4096 }).batches()) {
    records.push(...batch.toArray());
  }
  for (const [i, { value }] of records.entries()) assert.ok(value!.equals(Buffer.alloc(50, i)));
  assert.is(records.length, 2000);
});

test("views can be looked at", async ({ open }) => {
  const log = await open();
  const topic = await filled(log, 1);
  for await (const batch of log.consumer({ topics: [topic], until: "end" }).batches()) {
    const record = batch.at(0)!;
    assert.match(inspect(record), /offset: 0.*value: \{ i: 0 \}/s);
    assert.is(JSON.parse(JSON.stringify(record)).key, "k0");
  }
});

test("records and batches can take turns on one consumer", async ({ open }) => {
  const log = await open();
  const topic = await filled(log, 1000);
  const consumer = log.consumer({ topics: [topic], until: "end", readBytes: 4096 });
  const seen: number[] = [];
  for await (const { offset } of consumer) {
    seen.push(offset);
    if (seen.length === 5) break;
  }
  for await (const batch of consumer.batches()) {
    for (const { offset } of batch) seen.push(offset);
    break;
  }
  seen.push(...(await all(consumer)).map(({ offset }) => offset));
  assert.equal(seen, range(1000));
});

run();
