// Groups as operators see them.

import * as assert from "uvu/assert";
import { json, type Log } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
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

test("describe names the members, what each owns, and how far behind it is", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 20, 4);
  const group = log.group("g");
  assert.equal(await group.describe(), {
    name: "g",
    state: "empty",
    generation: 0,
    strategy: null,
    members: [],
    offsets: [],
  });
  const first = log.consumer({ topics: [topic], group: "g", instanceId: "one", strategy: "range" });
  const second = log.consumer({ topics: [topic], group: "g", strategy: "range" });
  const loop = first[Symbol.asyncIterator]();
  for (const _ of range(11)) await loop.next();
  await first.commit();
  const other = all(second);
  while ((await group.describe()).state !== "stable" || first.assignment.length !== 2) {
    // What it has in hand is done when it asks for the next one.
    await Promise.race([loop.next(), sleep(20)]);
  }
  const { generation, strategy, members } = await group.describe();
  assert.equal([generation, strategy, members.length], [2, "range", 2]);
  assert.equal(
    members.map(({ instanceId, state, topics, assignment }) => [instanceId, state, topics, assignment.length]),
    [
      ["one", "stable", ["t"], 2],
      [null, "stable", ["t"], 2],
    ],
  );
  assert.match(members[0]!.id, /^one-/);
  assert.equal(members[0]!.assignment, first.assignment);
  assert.ok(members.every(({ lag }) => lag >= 0 && lag <= 10));

  // What members rely on is theirs.
  const { offsets } = await group.describe();
  await failure("ERR_TIDELOG_GROUP_NOT_EMPTY", group.reset({ to: "earliest" }), "members");
  await failure("ERR_TIDELOG_GROUP_NOT_EMPTY", group.delete(), "members");
  assert.equal((await group.describe()).offsets.length, offsets.length);
  await Promise.all([first.close(), second.close()]);
  await other;
  assert.is((await group.describe()).state, "empty");
  await group.reset({ to: "earliest" });
  assert.ok((await group.describe()).offsets.every(({ offset }) => offset === 0));
  await group.delete();
  assert.equal(await log.groups(), []);
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
