// Groups as operators see them.

import * as assert from "uvu/assert";
import { json, type Log } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("groups");

async function numbers(log: Log, count: number, partitions = 1, name = "t") {
  const topic = await log.topic(name, { partitions, value: json<number>() });
  const records = range(count).map((i) => ({ value: i, partition: i % partitions, timestamp: 1000 + i }));
  await sendInBatches(records, (some) => log.producer().sendBatch(topic, some));
  return topic;
}

test("groups are those that have committed something", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10, 2);
  assert.equal(await log.groups(), []);
  const before = Date.now();
  for (const group of ["b", "a"]) {
    const consumer = log.consumer({ topics: [topic], group, delivery: "manual", until: "end" });
    await all(consumer);
    await consumer.commit();
    await consumer.close();
  }
  assert.equal(await log.groups(), ["a", "b"]);
  await log.producer().send(topic, { value: 10, partition: 1 });
  const { name, offsets } = await log.group("a").describe();
  assert.is(name, "a");
  assert.equal(
    offsets.map(({ topic, partition, offset, highWatermark, lag, metadata }) => [
      topic,
      partition,
      offset,
      highWatermark,
      lag,
      metadata,
    ]),
    [
      ["t", 0, 5, 5, 0, ""],
      ["t", 1, 5, 6, 1, ""],
    ],
  );
  assert.ok(offsets.every(({ timestamp }) => timestamp >= before && timestamp <= Date.now()));
  assert.equal((await log.group("nobody").describe()).offsets, []);
});

test("reset goes to the ends, an offset or a time, everywhere or in some place", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 20, 2);
  const other = await numbers(log, 5, 1, "u");
  const group = log.group("g");
  const consumer = log.consumer({ topics: [topic], group: "g", until: "end" });
  await all(consumer);
  await consumer.close();
  const offsets = async () => (await group.describe()).offsets.map(({ offset }) => offset);
  await topic.deleteRecords({ partition: 0, before: 3 });
  await group.reset({ to: "earliest" });
  assert.equal(await offsets(), [3, 0]);
  await group.reset({ to: "latest", partition: 1 });
  assert.equal(await offsets(), [3, 10]);
  await group.reset({ to: { timestamp: 1010 } });
  assert.equal(await offsets(), [5, 5]);
  const described = await group.reset({ to: { offset: 2 }, topic: other });
  assert.equal(
    described.offsets.map(({ topic, offset }) => [topic, offset]),
    [
      ["t", 5],
      ["t", 5],
      ["u", 2],
    ],
  );
  const [record] = await first(1, log.consumer({ topics: [other], group: "g" }));
  assert.is(record!.offset, 2);
});

test("a deleted group begins anew", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10);
  const consumer = log.consumer({ topics: [topic], group: "g", until: "end" });
  await all(consumer);
  await consumer.close();
  await log.group("g").delete();
  await log.group("g").delete();
  assert.equal(await log.groups(), []);
  assert.is((await all(log.consumer({ topics: [topic], group: "g", until: "end" }))).length, 10);
});

test("what is no group, and no place, is refused", async ({ open }) => {
  const log = await open();
  await numbers(log, 3);
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", () => log.group(""));
  const group = log.group("g");
  for (const to of ["beginning", 5, null, undefined, {}, { offset: -1 }, { offset: 1, timestamp: 1 }, { of: 1 }]) {
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", group.reset({ to: to as never }));
  }
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", group.reset({ to: "latest", topic: "nowhere" }));
  await failure("ERR_TIDELOG_UNKNOWN_PARTITION", group.reset({ to: "latest", topic: "t", partition: 9 }));
  await log.close();
  await failure("ERR_TIDELOG_CLOSED", group.describe());
});

run();
