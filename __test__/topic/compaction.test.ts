// Compaction, as a user sees it: the newest record of each key stays, at its offset; the rest goes by itself.
// time limit: 240 s

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { json, type Log, type OpenOptions, string, type TopicConfig } from "../../ts/index.js";
import { all, failure } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("compaction");

/** Something happens soon. */
const SOON = { checkpointIntervalMs: 20, compaction: { intervalMs: 10 } } satisfies OpenOptions;
const SMALL = {
  cleanup: "compact",
  compaction: { minDirtyRatio: 0.01 },
  segment: { bytes: 2048 },
} satisfies TopicConfig;

const states = (log: Log, config: TopicConfig = SMALL) =>
  log.topic("states", { ...config, key: string(), value: json<number>() });
type States = Awaited<ReturnType<typeof states>>;

async function fill(log: Log, topic: States, count: number, keys: number): Promise<void> {
  const producer = log.producer();
  for (let number = 0; number < count; number += 10) {
    const records = Array.from({ length: 10 }, (_, n) => ({ key: `k${(number + n) % keys}`, value: number + n }));
    await producer.sendBatch(topic, records);
  }
  await producer.close();
}

const read = (log: Log, topic: States) =>
  all(log.consumer({ assign: [{ topic, partition: 0, offset: 0 }], until: "end" }));

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; !(await holds()); await sleep(10)) {
    assert.ok(Date.now() < end, `${what} did not happen`);
  }
}

/** What is left when there is nothing more to compact. */
async function settled(log: Log, topic: States) {
  let found = await read(log, topic);
  await until("compaction", async () => {
    const before = found.length;
    await sleep(200);
    found = await read(log, topic);
    return found.length < 200 && found.length === before;
  });
  return found;
}

test("the newest record of each key stays, at its offset", async ({ open }) => {
  const log = await open(SOON);
  const topic = await states(log);
  await fill(log, topic, 2000, 7);
  const found = await settled(log, topic);
  const newest = new Map(found.map((record) => [record.key, record]));
  assert.is(newest.size, 7);
  for (const record of found) assert.is(record.value, record.offset);
  for (let value = 1993; value < 2000; value++) assert.is(newest.get(`k${value % 7}`)?.value, value);
  // Ends, lag, times and single records go by offsets, and these have not moved.
  const { logStartOffset, highWatermark, bytes } = (await topic.describe()).partitions[0]!;
  assert.equal([logStartOffset, highWatermark], [0, 2000]);
  assert.ok(bytes < 20_000, `${bytes} bytes`);
  assert.is((await topic.get({ partition: 0, offset: 1999 }))?.value, 1999);
  assert.is(await topic.get({ partition: 0, offset: 0 }), null);
  const reader = log.consumer({ assign: [{ topic, partition: 0, offset: 0 }], until: "end" });
  assert.is((await all(reader)).length, found.length);
});

test("reading on from an offset whose record is gone gives the next one", async ({ open }) => {
  const log = await open(SOON);
  const topic = await states(log);
  await fill(log, topic, 1000, 3);
  const offsets = (await settled(log, topic)).map(({ offset }) => offset);
  for (const offset of [0, 1, offsets[0]!, offsets[0]! + 1, 999]) {
    const reader = log.consumer({ assign: [{ topic, partition: 0, offset }], until: "end" });
    const found = await all(reader);
    assert.equal(
      found.map((record) => record.offset),
      offsets.filter((other) => other >= offset),
    );
  }
  const consumer = log.consumer({ group: "g", topics: [topic], until: "end" });
  assert.equal(
    (await all(consumer)).map((record) => record.offset),
    offsets,
  );
  await consumer.close();
  const again = log.consumer({ group: "g", topics: [topic], until: "end" });
  assert.equal(await all(again), []);
});

test("tombstones stay for as long as the topic says, and then go", async ({ open }) => {
  const log = await open(SOON);
  const kept = await states(log);
  const short = await log.topic("short", {
    ...SMALL,
    compaction: { minDirtyRatio: 0, deleteRetentionMs: 0 },
    key: string(),
    value: json<number>(),
  });
  for (const topic of [kept, short]) {
    const producer = log.producer();
    await producer.send(topic, { key: "gone", value: 1 });
    await producer.send(topic, { key: "gone", value: null });
    await fill(log, topic, 800, 5);
    await producer.close();
  }
  const tombstones = async (topic: States) => (await read(log, topic)).filter(({ value }) => value === null);
  await until("the first compaction", async () => (await read(log, kept)).length < 200);
  // One pass sets the time, and another one takes them.
  await until("the end of a tombstone", async () => {
    await fill(log, short, 200, 5);
    return (await tombstones(short)).length === 0;
  });
  assert.equal(
    (await tombstones(kept)).map(({ key, offset }) => [key, offset]),
    [["gone", 1]],
  );
});

test("a record without a key is refused, with nothing written", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { cleanup: ["compact", "delete"], retention: { ms: 1e9 }, value: string() });
  const producer = log.producer();
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.send(topic, { value: "v" }), "key");
  const batch = [{ key: Buffer.from("k"), value: "v" }, { value: "v" }];
  await failure("ERR_TIDELOG_INVALID_RECORD", producer.sendBatch(topic, batch), "record 1");
  await failure(
    "ERR_TIDELOG_INVALID_RECORD",
    log.transaction("t", (tx) => tx.send(topic, { value: "v" })),
    "key",
  );
  assert.is((await topic.describe()).partitions[0]?.logEndOffset, 0);
  await producer.send(topic, batch[0]!);
  assert.is((await topic.describe()).partitions[0]?.logEndOffset, 1);
});

test("words and numbers are checked, and can be changed", async ({ open }) => {
  const log = await open();
  const bad: [TopicConfig, string][] = [
    [{ cleanup: "compress" as never }, '"delete", "compact" or ["compact", "delete"]'],
    [{ cleanup: [] }, '"delete", "compact"'],
    [{ compaction: { minDirtyRatio: 1.5 } }, "0 to 1"],
    [{ compaction: { minLagMs: -1 } }, "compaction.minLagMs"],
    [{ compaction: { deleteRetentionMs: 1.5 } }, "compaction.deleteRetentionMs"],
  ];
  for (const [config, text] of bad) await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.topic("t", config), text);
  await failure(
    "ERR_TIDELOG_INVALID_CONFIG",
    log.topic("t", { cleanup: "compact", retention: { ms: 1 } }),
    "compact,delete",
  );
  await failure(
    "ERR_TIDELOG_INVALID_CONFIG",
    log.topic("t", { compaction: { minLagMs: 10, maxLagMs: 5 } }),
    "compaction.maxLagMs",
  );
  const topic = await log.topic("t", { cleanup: "compact" });
  await failure("ERR_TIDELOG_TOPIC_EXISTS", log.topic("t", { cleanup: "delete" }), "cleanup");
  assert.is((await log.topic("t", { cleanup: ["compact"] })).id, topic.id);
  await topic.alter({ cleanup: ["delete", "compact"], compaction: { maxLagMs: 1000 }, retention: { bytes: 1e6 } });
  assert.equal(topic.config.cleanup, ["compact", "delete"]);
  assert.equal(topic.config.compaction, { minDirtyRatio: 0.5, minLagMs: 0, maxLagMs: 1000, deleteRetentionMs: 864e5 });
});

test("what is sent again is known after compaction and after the store was opened again", async ({ open, folder }) => {
  const log = await open(SOON);
  const topic = await states(log);
  const producer = log.producer({ name: "p" });
  const { offset } = await producer.send(topic, { key: "k", value: 1 }, { sequence: 0 });
  await fill(log, topic, 1000, 3);
  await producer.send(topic, { key: "k", value: 2 }, { sequence: 1 });
  await fill(log, topic, 1000, 3);
  await until("compaction", async () => (await read(log, topic)).length < 200);
  assert.is((await producer.send(topic, { key: "k", value: 1 }, { sequence: 0 })).offset, offset);
  await log.close();
  assert.ok((await readdir(join(folder, "states-0"))).some((name) => name.endsWith(".compacted")));
  const again = await open(SOON);
  const same = again.producer({ name: "p" });
  assert.is((await same.send(await states(again), { key: "k", value: 1 }, { sequence: 0 })).offset, offset);
});

test("a reader in another process follows what is compacted", async ({ open }) => {
  const log = await open(SOON);
  const topic = await states(log);
  await fill(log, topic, 500, 3);
  const beside = await open({ readOnly: true });
  const seen = await states(beside, {});
  for (let round = 0; round < 10; round++) {
    await fill(log, topic, 300, 3);
    const found = await read(beside, seen);
    assert.is(new Set(found.map(({ key }) => key)).size, 3);
    for (const [n, record] of found.entries()) if (n > 0) assert.ok(record.offset > found[n - 1]!.offset);
  }
  await until("compaction", async () => (await read(log, topic)).length < 200);
  await until("the same beside", async () => {
    const newest = new Map((await read(beside, seen)).map((record) => [record.key, record.offset]));
    return Math.max(...newest.values()) === 3499;
  });
});

test("a record without a key is refused alone, and not with the others of its tick", async ({ open }) => {
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
});

run();
