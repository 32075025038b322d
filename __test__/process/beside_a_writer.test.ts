// A store read by another process while this one writes, and what such a reader may not do.

import * as assert from "uvu/assert";
import { open as openLog, string } from "../../ts/index.js";
import { start } from "../support/child.js";
import { all, failure, range } from "../support/expect.js";
import { suite, within } from "../support/suite.js";

const { test, run } = suite("reading beside a writer");

test("a read-only process follows the writer, record by record", async ({ folder, open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  await producer.sendBatch(
    topic,
    range(5).map((i) => ({ value: `before ${i}` })),
  );
  const follower = start("follow", folder);
  const line = async () => within(15_000, "follower", follower.line());
  assert.is(await line(), "following");
  for (const i of range(5)) assert.is(await line(), `${i} before ${i}`);
  for (const i of range(20)) {
    await producer.send(topic, { value: `after ${i}` });
    assert.is(await line(), `${5 + i} after ${i}`);
  }
  await producer.send(topic, { value: "end" });
  assert.is(await line(), "25 end");
  const { code, err } = await within(15_000, "end", follower.ended);
  assert.is(code, 0, err);
}, 60_000);

test("a read-only log reads and refuses to write", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  await log.producer().sendBatch(topic, [{ value: "u" }, { value: "v" }]);
  for await (const record of log.consumer({ topics: [topic], group: "g", delivery: "manual", until: "end" })) {
    await record.commit();
    break;
  }
  await log.close();
  await using reader = await openLog(folder, { readOnly: true });
  assert.is(reader.readOnly, true);
  const read = await reader.topic("t", { value: string() });
  assert.equal(
    (await all(reader.consumer({ topics: [read], until: "end" }))).map(({ value }) => value),
    ["u", "v"],
  );
  // From where the group has committed, without being in it.
  assert.equal(await reader.groups(), ["g"]);
  const { offsets } = await reader.group("g").describe();
  const assign = offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
  const [record] = await all(reader.consumer({ assign, until: "end" }));
  assert.equal(record!.value, Buffer.from("v"));
  const writes = [
    () => reader.producer().send(read, { value: "w" }),
    () => reader.producer().sendBatch(read, [{ value: "w" }]),
    () => reader.deleteTopic("t"),
    () => read.alter({ partitions: 2 }),
    () => read.deleteRecords({ before: 1 }),
    () => reader.raw.partition(read, 0).append(Buffer.alloc(100)),
    () => reader.raw.initProducerId(),
    () => reader.producer({ name: "n" }).send(read, { value: "w" }),
    () => reader.transaction("t", (tx) => tx.send(read, { value: "w" })),
    () => reader.process({ id: "p", from: read }, () => {}),
    () => reader.consumer({ topics: [read], group: "g" }),
    () => reader.consumer({ topics: [read], group: "g", delivery: "at-most-once" }),
    () => reader.consumer({ topics: [read], group: "g", delivery: "manual" }),
    () => reader.consumer({ assign: [{ topic: read, partition: 0 }], group: "g" }),
    () => reader.group("g").delete(),
    () => reader.group("g").reset({ to: "earliest" }),
  ];
  for (const write of writes) await failure("ERR_TIDELOG_READ_ONLY", write);
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", reader.topic("none"));
});

test("a read-only log sees what a group commits meanwhile", async ({ folder, open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { value: string() });
  await log.producer().sendBatch(
    topic,
    range(10).map((i) => ({ value: `${i}` })),
  );
  const reader = start("committed", folder);
  const line = async () => within(15_000, "reader", reader.line());
  assert.is(await line(), "t: none");
  const consumer = log.consumer({ topics: [topic], group: "g", delivery: "manual", until: "end" });
  for await (const record of consumer) {
    await record.commit();
    // Other processes are told of what is new a moment later.
    do reader.tell("look");
    while ((await line()) !== `t: ${record.offset + 1}`);
  }
  reader.tell("end");
  assert.is((await within(15_000, "end", reader.ended)).code, 0);
}, 60_000);

test("a reader finds records by time in what the writer is writing", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  for (const _ of range(10)) await producer.sendBatch(topic, Array(10).fill({ value: "v".repeat(100) }));
  await using reader = await openLog(folder, { readOnly: true });
  const read = async (from: "earliest" | { timestamp: number }) =>
    (await all(reader.consumer({ topics: ["t"], from, until: "end" }))).length;
  while ((await read("earliest")) < 100);
  assert.is(await read({ timestamp: 0 }), 100);
  assert.is((await reader.raw.partition("t", 0).offsetForTime(0))?.offset, 0);
}, 30_000);

test("a reader is told that its topic was deleted, and opens the one made anew", async ({ folder, open }) => {
  const log = await open();
  const producer = log.producer();
  const old = await log.topic("t", { value: string() });
  await producer.sendBatch(
    old,
    range(5).map((i) => ({ value: `old${i}` })),
  );
  await using reader = await openLog(folder, { readOnly: true });
  const handle = await reader.openTopic("t", { value: string() });
  const seen: string[] = [];
  const ended = (async () => {
    for await (const { value } of reader.consumer({ topics: [handle] })) seen.push(value as string);
  })();
  ended.catch(() => {});
  while (seen.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
  await log.deleteTopic("t");
  const anew = await log.topic("t", { value: string() });
  await producer.sendBatch(
    anew,
    range(8).map((i) => ({ value: `new${i}` })),
  );
  await failure("ERR_TIDELOG_TOPIC_DELETED", within(15_000, "end", ended));
  assert.equal(
    seen,
    range(5).map((i) => `old${i}`),
  );
  await failure("ERR_TIDELOG_TOPIC_DELETED", handle.get({ partition: 0, offset: 0 }));
  await failure("ERR_TIDELOG_TOPIC_DELETED", handle.describe());
  const again = await reader.openTopic("t", { value: string() });
  assert.is((await again.describe()).id, (await anew.describe()).id);
  // By its handle, and by its name, which this log knows from before.
  while ((await all(reader.consumer({ topics: [again], until: "end" }))).length < 8);
  const records = await all(reader.consumer({ topics: ["t"], until: "end" }));
  assert.equal(
    records.map(({ value }) => `${value}`),
    range(8).map((i) => `new${i}`),
  );
}, 60_000);

test("a reader sees partitions that are added", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  await using reader = await openLog(folder, { readOnly: true });
  const handle = await reader.openTopic("t", { value: string() });
  await topic.alter({ partitions: 2 });
  await log.producer().send(topic, { value: "v", partition: 1 });
  assert.is((await reader.openTopic("t")).partitions, 2);
  const values = async () => (await all(reader.consumer({ topics: [handle], until: "end" }))).map(({ value }) => value);
  while ((await values()).length === 0);
  assert.equal(await values(), ["v"]);
}, 30_000);

run();
