// One transactional id has one holder: who takes it over, in this thread or another, ends all who had it before.

import { once } from "node:events";
import * as assert from "uvu/assert";
import { ProducerFencedError, string } from "../../ts/index.js";
import { all, failure, first, range } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { worker } from "../support/worker.js";

const { test, run } = suite("fencing");

const fsync = { durability: "fsync" } as const;

test("the older handle can neither commit nor begin, and its records and offsets are not there", async ({ open }) => {
  const log = await open(fsync);
  const topic = await log.topic("t", { value: string() });
  const source = await log.topic("source", { value: string() });
  await log.producer().sendBatch(source, [{ value: "a" }, { value: "b" }]);
  const older = await log.transactionalProducer("id");
  const consumer = log.consumer({ topics: [source], group: "g" });
  const open1 = older.begin();
  open1.send(topic, { value: "zombie" });
  assert.is((await open1.take(consumer)).length, 2);
  const newer = await log.transactionalProducer("id");
  const error = await failure("ERR_TIDELOG_PRODUCER_FENCED", open1.commit());
  assert.instance(error, ProducerFencedError);
  assert.equal([error.indefinite, open1.state], [false, "aborted"]);
  const late = older.begin();
  await failure("ERR_TIDELOG_PRODUCER_FENCED", async () => {
    late.send(topic, { value: "zombie" });
    await late.commit();
  });
  const tx = newer.begin();
  tx.send(topic, { value: "newer" });
  await tx.commit();
  assert.is((await consumer.committed())[0]!.offset, null);
  assert.is((await first(1, consumer))[0]!.offset, 0);
  const values = (await all(log.consumer({ topics: [topic], until: "end" }))).map(({ value }) => value);
  assert.equal(values, ["newer"]);
});

test("a twin in a worker fences, in the middle of a transaction", async ({ folder, open }) => {
  const log = await open(fsync);
  const topic = await log.topic("t", { value: string() });
  for (const round of range(3)) {
    const producer = await log.transactionalProducer("id");
    const tx = producer.begin();
    tx.send(topic, { value: "zombie" });
    const thread = worker("twin", { folder, id: "id", topic: "t" });
    await Promise.all([once(thread, "message"), once(thread, "exit")]);
    await failure("ERR_TIDELOG_PRODUCER_FENCED", tx.commit());
    assert.is(log.raw.partition(topic, 0).highWatermark, round + 1);
  }
});

test("other ids are not concerned, and a raw producer id takes over as well", async ({ open }) => {
  const log = await open(fsync);
  const topic = await log.topic("t", { value: string() });
  const [a, b] = [await log.transactionalProducer("a"), await log.transactionalProducer("b")];
  const before = await log.raw.initProducerId("raw");
  const after = await log.raw.initProducerId("raw");
  assert.is(after.producerId, before.producerId);
  assert.is(after.epoch, before.epoch + 1);
  const fresh = [await log.raw.initProducerId(), await log.raw.initProducerId()];
  assert.is.not(fresh[0]!.producerId, fresh[1]!.producerId);
  assert.equal(
    fresh.map(({ epoch }) => epoch),
    [0, 0],
  );
  await log.raw.initProducerId("a");
  const tx = a.begin();
  await failure("ERR_TIDELOG_PRODUCER_FENCED", async () => {
    tx.send(topic, { value: "zombie" });
    await tx.commit();
  });
  const other = b.begin();
  other.send(topic, { value: "b" });
  await other.commit();
});

run();
