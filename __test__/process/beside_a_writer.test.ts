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
  await log.producer().send(topic, { value: "v" });
  await log.close();
  await using reader = await openLog(folder, { readOnly: true });
  assert.is(reader.readOnly, true);
  const read = await reader.topic("t", { value: string() });
  assert.equal(
    (await all(reader.consumer({ topics: [read], until: "end" }))).map(({ value }) => value),
    ["v"],
  );
  const writes = [
    () => reader.producer().send(read, { value: "w" }),
    () => reader.producer().sendBatch(read, [{ value: "w" }]),
    () => reader.deleteTopic("t"),
    () => read.alter({ partitions: 2 }),
    () => read.deleteRecords({ before: 1 }),
    () => reader.raw.partition(read, 0).append(Buffer.alloc(100)),
  ];
  for (const write of writes) await failure("ERR_TIDELOG_READ_ONLY", write);
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", reader.topic("none"));
});

run();
