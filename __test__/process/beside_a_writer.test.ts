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
  const grouped = reader.consumer({ topics: [read], group: "g", delivery: "manual", until: "end" });
  const [record] = await all(grouped);
  assert.is(record!.value, "v");
  assert.equal(await reader.groups(), ["g"]);
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
    () => record!.commit(),
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

run();
