// Producers that have a name: they count on across restarts, store nothing twice, and yield to whoever takes the name.

import * as assert from "uvu/assert";
import { json, type Log, OutOfOrderSequenceError, ProducerFencedError, string } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("named producers");

const topicOf = (log: Log, partitions = 1) => log.topic("t", { partitions, key: string(), value: json<number>() });

test("sends wait until the name is registered, and keep their order", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const producer = log.producer({ name: "meter" });
  assert.is(producer.name, "meter");
  assert.not(producer.trySend(topic, { value: -1 }));
  const sends = range(10).map((value) => producer.send(topic, { value }));
  const batch = producer.sendBatch(topic, [{ value: 10 }, { value: 11 }]);
  await producer.ready();
  assert.ok(producer.trySend(topic, { value: 12 }));
  await producer.flush();
  assert.equal(
    (await Promise.all(sends)).map(({ offset }) => offset),
    range(10),
  );
  assert.equal([...(await batch).offsets()], [10, 11]);
  const values = (await all(log.consumer({ topics: [topic], until: "end" }))).map(({ value }) => value);
  assert.equal(values, range(13));
});

test("sequences count the records of each partition, and go on in the next life", async ({ open }) => {
  for (const life of range(3)) {
    const log = await open();
    const topic = await topicOf(log, 2);
    const producer = log.producer({ name: "meter" });
    assert.is(await producer.lastSequence(topic, 1), life === 0 ? null : life * 5 - 1);
    assert.is(await producer.lastSequence("t"), null);
    await producer.sendBatch(
      topic,
      range(5).map((value) => ({ value, partition: 1 })),
    );
    assert.is(await producer.lastSequence(topic, 1), life * 5 + 4);
    await log.close();
  }
});

test("a sequence of one's own is stored once, in this life and in the next", async ({ open }) => {
  let log = await open();
  let topic = await topicOf(log);
  let producer = log.producer({ name: "importer" });
  const first = await producer.send(topic, { value: 0, timestamp: 5 }, { sequence: 0 });
  assert.equal(first, { partition: 0, offset: 0, timestamp: 5, duplicate: false });
  await producer.send(topic, { value: 1 }, { sequence: 1 });
  const again = await producer.send(topic, { value: 0, timestamp: 5 }, { sequence: 0 });
  assert.equal(again, { partition: 0, offset: 0, timestamp: 5, duplicate: true });
  await log.close();
  log = await open();
  topic = await topicOf(log);
  producer = log.producer({ name: "importer" });
  const retried = await producer.send(topic, { value: 1, timestamp: 6 }, { sequence: 1 });
  assert.equal([retried.offset, retried.duplicate], [1, true]);
  const last = await producer.lastSequence(topic);
  assert.is((await producer.send(topic, { value: 2 }, { sequence: last! + 1 })).duplicate, false);
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 3);
});

test("a duplicate that is long gone by is told as one, without its offset", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const producer = log.producer({ name: "importer" });
  for (const sequence of range(20)) await producer.send(topic, { value: sequence }, { sequence });
  const { offset, timestamp, duplicate } = await producer.send(topic, { value: 2 }, { sequence: 2 });
  assert.equal([offset, timestamp, duplicate], [null, null, true]);
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 20);
});

test("a gap is refused, says what is next, and stores nothing", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const producer = log.producer({ name: "importer" });
  await producer.send(topic, { value: 0 }, { sequence: 0 });
  const error = await failure("ERR_TIDELOG_OUT_OF_ORDER_SEQUENCE", producer.send(topic, { value: 5 }, { sequence: 5 }));
  assert.instance(error, OutOfOrderSequenceError);
  const { expected, given, indefinite } = error as OutOfOrderSequenceError;
  assert.equal([expected, given, indefinite], [1, 5, false]);
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 1);
  await producer.send(topic, { value: 1 }, { sequence: 1 });
});

test("records with a sequence stand between those sent before and after them", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const producer = log.producer({ name: "mixed" });
  await producer.send(topic, { value: 0 });
  const sends = [
    producer.send(topic, { value: 1 }),
    producer.send(topic, { value: 2 }),
    producer.send(topic, { value: 3 }, { sequence: 3 }),
    producer.send(topic, { value: 4 }),
    producer.sendBatch(topic, [{ value: 5 }, { value: 6 }]),
    producer.send(topic, { value: 7 }, { expectOffset: 7 }),
  ];
  await Promise.all(sends);
  const values = (await all(log.consumer({ topics: [topic], until: "end" }))).map(({ value }) => value);
  assert.equal(values, range(8));
});

test("who takes a name over fences the one before, in the same log and in another handle", async ({ folder, open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const older = log.producer({ name: "shared" });
  await older.send(topic, { value: 0 });
  const newer = log.producer({ name: "shared" });
  await newer.send(topic, { value: 1 });
  const error = await failure("ERR_TIDELOG_PRODUCER_FENCED", older.send(topic, { value: -1 }), "shared");
  assert.instance(error, ProducerFencedError);
  assert.is(error.indefinite, false);
  const other = await open();
  const elsewhere = other.producer({ name: "shared" });
  await elsewhere.send("t", { value: Buffer.from("2") });
  await failure("ERR_TIDELOG_PRODUCER_FENCED", newer.send(topic, { value: -1 }));
  assert.is(await elsewhere.lastSequence("t"), 2);
  const values = (await all(log.consumer({ topics: [topic], until: "end" }))).map(({ value }) => value);
  assert.equal(values, range(3));
  assert.ok(folder);
});

test("closing before the name is registered is no failure", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  await log.producer({ name: "never used" }).close();
  const producer = log.producer({ name: "used" });
  const send = producer.send(topic, { value: 1 });
  await producer.close();
  assert.is((await send).offset, 0);
  const abort = new AbortController();
  const waiting = log.producer({ name: "waiting" }).send(topic, { value: 2 }, { signal: abort.signal });
  abort.abort("enough");
  await failure("ERR_TIDELOG_ABORTED", waiting);
});

test("names and sequences that are none are refused", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log, 2);
  for (const name of ["", "a\0b", "a\nb", "\ud800", 5, null, {}]) {
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", () => log.producer({ name: name as string }), "name");
  }
  const producer = log.producer({ name: "p" });
  for (const sequence of [-1, 0.5, 2 ** 31, Number.NaN, "1", null]) {
    const record = { key: "k", value: 0 };
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", producer.send(topic, record, { sequence: sequence as number }));
  }
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    producer.send(topic, { value: 0 }, { sequence: 0 }),
    "partition or a key",
  );
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    log.producer().send(topic, { key: "k", value: 0 }, { sequence: 0 }),
    "name",
  );
  await failure("ERR_TIDELOG_UNKNOWN_PARTITION", producer.lastSequence(topic, 2));
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", producer.lastSequence("nowhere"));
  await failure("ERR_TIDELOG_SERIALIZATION", producer.send(topic, { key: 1 as never, value: 0 }, { sequence: 0 }));
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 0);
});

run();
