// Records that a transaction takes of a consumer are read once: with its commit, or handed out again.

import * as assert from "uvu/assert";
import { json, type Log, string } from "../../ts/index.js";
import { failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("taking in a transaction");

async function numbers(log: Log, count: number, partitions = 1) {
  const topic = await log.topic("in", { partitions, value: json<number>() });
  const records = range(count).map((i) => ({ value: i, partition: i % partitions }));
  await sendInBatches(records, (some) => log.producer().sendBatch(topic, some));
  const out = await log.topic("out", { durability: "fsync", value: json<number>() });
  return { topic, out };
}

test("takes up to max, in order, and commits their offsets with what was sent", async ({ open }) => {
  const log = await open();
  const { topic, out } = await numbers(log, 1000, 2);
  await using producer = await log.transactionalProducer("t");
  await using consumer = log.consumer({ topics: [topic], group: "g", until: "end" });
  const seen: number[][] = [[], []];
  let takes = 0;
  while (true) {
    await using tx = producer.begin();
    const records = await tx.take(consumer, { max: 70 });
    if (records.length === 0) break;
    assert.ok(records.length <= 70);
    takes += 1;
    for (const { partition, value } of records) {
      seen[partition]!.push(value!);
      tx.send(out, { value: value! * 2 });
    }
    await tx.commit();
    const committed = (await consumer.committed()).map(({ offset }) => offset ?? 0);
    assert.equal(committed, [seen[0]!.length, seen[1]!.length]);
  }
  assert.ok(takes >= 15);
  assert.equal(seen, [range(500).map((i) => i * 2), range(500).map((i) => i * 2 + 1)]);
  assert.is(log.raw.partition(out, 0).highWatermark, 1000);
});

test("after an abort, a throw or a failed commit the same are handed out again", async ({ open }) => {
  const log = await open();
  const { topic, out } = await numbers(log, 50);
  await using producer = await log.transactionalProducer("t");
  await using consumer = log.consumer({ topics: [topic], group: "g" });
  const take = async (end: "abort" | "commit" | "dispose") => {
    await using tx = producer.begin();
    const records = [...(await tx.take(consumer, { max: 7 })), ...(await tx.take(consumer, { max: 3 }))];
    for (const { value } of records) tx.send(out, { value: value! });
    if (end !== "dispose") await tx[end]();
    return records.map(({ value }) => value);
  };
  const [a, b, c, d] = [await take("abort"), await take("dispose"), await take("commit"), await take("commit")];
  assert.equal([a, b, c], [range(10), range(10), range(10)]);
  assert.equal(
    d,
    range(10).map((i) => i + 10),
  );
  assert.is((await consumer.committed())[0]!.offset, 20);
  assert.is(await consumer.position(), 20);
  assert.is(log.raw.partition(out, 0).highWatermark, 20);
});

test("waits for the first, and is woken by it", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 0, 3);
  await using producer = await log.transactionalProducer("t", { timeoutMs: 50 });
  await using consumer = log.consumer({ topics: [topic], group: "g" });
  const tx = producer.begin();
  const taking = tx.take(consumer);
  // Longer than the transaction may take: its clock has not begun.
  await sleep(120);
  await log.producer().send(topic, { value: 5, partition: 2 });
  assert.equal(
    (await taking).map(({ value, partition }) => [value, partition]),
    [[5, 2]],
  );
  await tx.commit();
});

test("can be given up, and loses nothing by it", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 3);
  await using producer = await log.transactionalProducer("t");
  await using consumer = log.consumer({ topics: [topic], group: "g" });
  const tx = producer.begin();
  assert.is((await tx.take(consumer, { max: 2 })).length, 2);
  assert.is((await tx.take(consumer)).length, 1);
  const abort = new AbortController();
  setTimeout(() => abort.abort("enough"), 20);
  const error = await failure("ERR_TIDELOG_ABORTED", tx.take(consumer, { signal: abort.signal }));
  assert.is(error.cause, "enough");
  await failure("ERR_TIDELOG_ABORTED", tx.take(consumer, { signal: AbortSignal.abort() }));
  const taking = tx.take(consumer);
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", tx.commit(), "tx.take");
  await log.producer().send(topic, { value: 3 });
  assert.is((await taking).length, 1);
  await tx.commit();
  assert.is((await consumer.committed())[0]!.offset, 4);
  const last = producer.begin();
  const waiting = last.take(consumer);
  await sleep(10);
  await Promise.all([failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", waiting), last.abort()]);
});

test("a consumer is its transaction's until that ends", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 30);
  await using a = await log.transactionalProducer("a");
  await using b = await log.transactionalProducer("b");
  await using consumer = log.consumer({ topics: [topic], group: "g" });
  const [one, two] = [a.begin(), b.begin()];
  await one.take(consumer, { max: 5 });
  await failure("ERR_TIDELOG_ALREADY_ITERATED", two.take(consumer));
  await failure("ERR_TIDELOG_ALREADY_ITERATED", first(1, consumer));
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", consumer.commit());
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", consumer.seek({ offset: 0 }));
  await one.commit();
  assert.equal(
    (await two.take(consumer, { max: 2 })).map(({ value }) => value),
    [5, 6],
  );
  await two.abort();
  assert.is((await first(1, consumer))[0]!.value, 5);
  const three = a.begin();
  const loop = consumer[Symbol.asyncIterator]();
  await loop.next();
  await failure("ERR_TIDELOG_ALREADY_ITERATED", three.take(consumer));
  await loop.return!();
  await three.abort();
});

test("what a loop has done is committed before, and never after what the transaction commits", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 30);
  await using producer = await log.transactionalProducer("t");
  await using consumer = log.consumer({ topics: [topic], group: "g" });
  for (const round of range(3)) {
    for await (const { offset } of consumer) if (offset === round * 10 + 4) break;
    const tx = producer.begin();
    const records = await tx.take(consumer, { max: 6 });
    assert.is(records[0]!.offset, round * 10 + 4);
    await tx.commit();
    await sleep(80);
    assert.is((await consumer.committed())[0]!.offset, round * 10 + 10);
  }
});

test("a record that can't be read does not take those before it along", async ({ open }) => {
  const log = await open();
  const raw = await log.topic("in", { value: string() });
  const topic = await log.openTopic("in", { value: json<number>() });
  for (const value of ["1", "2", "{", "4"]) await log.producer().send(raw, { value });
  await using producer = await log.transactionalProducer("t");
  await using consumer = log.consumer({ topics: [topic], group: "g" });
  const tx = producer.begin();
  assert.is((await tx.take(consumer)).length, 2);
  await failure("ERR_TIDELOG_SERIALIZATION", tx.take(consumer), "offset 2");
  await tx.commit();
  assert.is((await consumer.committed())[0]!.offset, 2);
  await consumer.seek({ offset: 3 });
  const next = producer.begin();
  assert.equal(
    (await next.take(consumer)).map(({ value }) => value),
    [4],
  );
  await next.commit();
});

test("records of several consumers, and of several groups, are committed together", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  const other = await log.topic("other", { value: json<number>() });
  await log.producer().sendBatch(other, [{ value: 0 }, { value: 1 }]);
  await using producer = await log.transactionalProducer("t");
  await using a = log.consumer({ topics: [topic], group: "a" });
  await using b = log.consumer({ topics: [other], group: "b" });
  const tx = producer.begin();
  await tx.take(a, { max: 4 });
  await tx.take(b);
  await tx.commit();
  assert.is((await a.committed())[0]!.offset, 4);
  assert.is((await b.committed())[0]!.offset, 2);
});

test("closing the log gives back what was taken", async ({ open }) => {
  let log = await open();
  const { topic } = await numbers(log, 10);
  const producer = await log.transactionalProducer("t");
  const consumer = log.consumer({ topics: [topic], group: "g" });
  const tx = producer.begin();
  await tx.take(consumer, { max: 3 });
  const waiting = tx.take(consumer).then(() => tx.take(consumer));
  await Promise.all([failure("ERR_TIDELOG_CLOSED", waiting), log.close()]);
  log = await open();
  const [record] = await first(1, log.consumer({ topics: ["in"], group: "g" }));
  assert.is(record!.offset, 0);
});

run();
