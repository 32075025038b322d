// Topics: creating and opening, what is compared, altering, describing, deleting, and names.

import * as assert from "uvu/assert";
import { open, string } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("topics");

test("a new topic has the defaults, and the store's durability", async ({ open: openLog }) => {
  const log = await openLog();
  const topic = await log.topic("t");
  assert.equal(topic.config, {
    partitions: 1,
    durability: "buffered",
    compression: "none",
    timestamps: "create",
    cleanup: "delete",
    compaction: { minDirtyRatio: 0.5, minLagMs: 0, maxLagMs: null, deleteRetentionMs: 864e5 },
    retention: { ms: null, bytes: null },
    segment: { bytes: 2 ** 30, ms: 7 * 864e5 },
    indexIntervalBytes: 4096,
    maxBatchBytes: 2 ** 20 + 12,
    maxFutureMs: 36e5,
  });
  assert.is(topic.name, "t");
  assert.is(topic.partitions, 1);
  assert.match(topic.id, /^.{22}$/);
});

test("a topic keeps all that it was created with", async ({ folder }) => {
  const config = {
    partitions: 5,
    durability: "fsync",
    compression: "zstd",
    timestamps: "append",
    cleanup: ["compact", "delete"],
    compaction: { minDirtyRatio: 0.1, minLagMs: 10, maxLagMs: 5000, deleteRetentionMs: 7 },
    retention: { ms: 1000, bytes: 2000 },
    segment: { bytes: 4096, ms: 60_000 },
    indexIntervalBytes: 512,
    maxBatchBytes: 10_000,
    maxFutureMs: 5,
  } as const;
  const log = await open(folder);
  assert.equal((await log.topic("t", config)).config, config);
  await log.close();
  await using again = await open(folder);
  assert.equal((await again.topic("t", config)).config, config);
  assert.equal((await again.openTopic("t")).config, config);
});

test("only what is given is compared with a topic that exists", async ({ open: openLog }) => {
  const log = await openLog();
  const created = await log.topic("t", { partitions: 2, retention: { ms: 1000 }, compression: "lz4" });
  assert.is((await log.topic("t")).id, created.id);
  assert.is((await log.topic("t", { partitions: 2 })).id, created.id);
  assert.is((await log.topic("t", { retention: { ms: 1000, bytes: null } })).id, created.id);
  await failure("ERR_TIDELOG_TOPIC_EXISTS", log.topic("t", { partitions: 3 }), "partitions 2, not 3");
  await failure("ERR_TIDELOG_TOPIC_EXISTS", log.topic("t", { retention: { ms: null } }), "retentionMs 1000, not null");
  await failure("ERR_TIDELOG_TOPIC_EXISTS", log.topic("t", { compression: "none" }), "alter");
});

test("openTopic never creates", async ({ open: openLog }) => {
  const log = await openLog();
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", log.openTopic("t"), '"t"');
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", log.producer().send("t", { value: null }));
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", all(log.consumer({ topics: ["t"] })));
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", log.deleteTopic("t"));
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", () => log.raw.partition("t", 0));
  assert.equal(await log.topics(), []);
});

test("many who create the same topic at once all get it", async ({ open: openLog }) => {
  const [one, other] = [await openLog(), await openLog()];
  const topics = await Promise.all(range(10).map((i) => (i % 2 ? one : other).topic("t", { partitions: 2 })));
  assert.is(new Set(topics.map(({ id }) => id)).size, 1);
  assert.equal(await one.topics(), ["t"]);
});

test("names are Kafka's", async ({ open: openLog }) => {
  const log = await openLog();
  for (const name of ["", ".", "..", "a b", "ä", "a/b", "../t", "a\0b", "x".repeat(250)]) {
    await failure("ERR_TIDELOG_INVALID_TOPIC_NAME", log.topic(name));
  }
  const longest = "x".repeat(249);
  await log.topic(longest);
  await log.topic("a.b");
  for (const similar of ["a_b", "A.B"]) await failure("ERR_TIDELOG_TOPIC_EXISTS", log.topic(similar), "a.b");
  for (const name of ["constructor", "__proto__", "toString"]) {
    await log.topic(name);
    await log.producer().send(name, { value: Buffer.from(name) });
  }
  assert.equal(await log.topics(), ["__proto__", "a.b", "constructor", "toString", longest]);
});

test("describe tells configuration, ends and sizes", async ({ open: openLog }) => {
  const log = await openLog();
  const topic = await log.topic("t", { partitions: 2, value: string() });
  await log.producer().sendBatch(
    topic,
    range(10).map((i) => ({ value: `v${i}`, partition: i < 3 ? 0 : 1 })),
  );
  const { name, id, config, partitions } = await topic.describe();
  assert.equal([name, id, config], ["t", topic.id, topic.config]);
  assert.equal(
    partitions.map(({ partition, logStartOffset, highWatermark, logEndOffset, segments, damage }) => [
      partition,
      logStartOffset,
      highWatermark,
      logEndOffset,
      segments,
      damage,
    ]),
    [
      [0, 0, 3, 3, 1, null],
      [1, 0, 7, 7, 1, null],
    ],
  );
  assert.ok(partitions.every(({ bytes }) => bytes > 61));
});

test("alter changes what is given, at once and for good", async ({ folder }) => {
  const log = await open(folder);
  const topic = await log.topic("t", { retention: { ms: 1000, bytes: 5000 } });
  const before = topic.config;
  const change = { partitions: 3, durability: "buffered", compression: "gzip", maxBatchBytes: 500 } as const;
  await topic.alter({ ...change, retention: { ms: null }, segment: { ms: 1 } });
  const after = { ...before, ...change, retention: { ms: null, bytes: 5000 }, segment: { ...before.segment, ms: 1 } };
  assert.equal(topic.config, after);
  assert.is(topic.partitions, 3);
  await log.producer().send(topic, { value: Buffer.from("v"), partition: 2 });
  await log.close();
  await using again = await open(folder);
  assert.equal((await again.openTopic("t")).config, after);
});

test("partitions can't become fewer, and some things can't be altered at all", async ({ open: openLog }) => {
  const log = await openLog();
  const topic = await log.topic("t", { partitions: 2 });
  await failure("ERR_TIDELOG_INVALID_CONFIG", topic.alter({ partitions: 1 }), "partitions");
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", topic.alter({ timestamps: "append" } as never), "timestamps");
  assert.is(topic.partitions, 2);
});

test("deleteRecords moves the log start, and reads before it say so", async ({ open: openLog }) => {
  const log = await openLog();
  const topic = await log.topic("t", { partitions: 2, value: string() });
  await log.producer().sendBatch(
    topic,
    range(10).map((i) => ({ value: `v${i}`, partition: 1 })),
  );
  assert.is(await topic.deleteRecords({ partition: 1, before: 4 }), 4);
  assert.is((await topic.describe()).partitions[1]!.logStartOffset, 4);
  assert.is(await topic.get({ partition: 1, offset: 3 }), null);
  assert.is((await topic.get({ partition: 1, offset: 4 }))?.value, "v4");
  assert.is(await topic.deleteRecords({ partition: 1, before: 2 }), 4);
  await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", topic.deleteRecords({ partition: 1, before: 11 }));
  await failure(
    "ERR_TIDELOG_UNKNOWN_PARTITION",
    topic.deleteRecords({ partition: 2, before: 0 }),
    "partitions 0 to 1, not 2",
  );
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", topic.deleteRecords({ before: 0 }), "partition must be given");
});

test("a deleted topic is gone for all its handles, and its name is free", async ({ open: openLog }) => {
  const log = await openLog();
  const topic = await log.topic("t");
  const producer = log.producer();
  await producer.send("t", { value: Buffer.from("old") });
  const waiting = all(log.consumer({ topics: [topic] }));
  waiting.catch(() => {});
  await log.deleteTopic("t");
  assert.equal(await log.topics(), []);
  await failure("ERR_TIDELOG_TOPIC_DELETED", producer.send(topic, { value: null }));
  await failure("ERR_TIDELOG_TOPIC_DELETED", waiting);
  await failure("ERR_TIDELOG_TOPIC_DELETED", topic.get({ offset: 0 }));
  const anew = await log.topic("t");
  assert.is.not(anew.id, topic.id);
  const { offset } = await producer.send("t", { value: Buffer.from("new") });
  assert.is(offset, 0);
  assert.is(String((await anew.get({ offset: 0 }))?.value), "new");
});

run();
