// What flush and close wait for, what they tell, and that both come to an end.

import * as assert from "uvu/assert";
import { string, type TidelogError } from "../../ts/index.js";
import { all, failure, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("flush and close");

test("flush waits for everything taken in before", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  let sent = 0;
  for (const _ of range(100)) producer.send(topic, { value: "v" }).then(() => sent++);
  for (const _ of range(100)) assert.ok(producer.trySend(topic, { value: "v" }));
  await producer.flush();
  assert.is(sent, 100);
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 200);
});

test("flush with nothing to wait for is done at once", async ({ open }) => {
  const log = await open();
  await Promise.all(range(5).map(() => log.producer().flush()));
});

test("flush ends although others go on sending", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  let stop = false;
  const others = range(10).map(async () => {
    while (!stop) await producer.send(topic, { value: "v" });
  });
  for (const _ of range(20)) await producer.flush();
  stop = true;
  await Promise.all(others);
});

test("flush waits for those who wait for room", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer({ bufferBytes: 1024 });
  const sends = range(50).map(() => producer.send(topic, { value: "x".repeat(1000) }));
  let done = 0;
  for (const send of sends) send.then(() => done++);
  await producer.flush();
  assert.is(done, 50);
});

test("a failure that nobody else was told is told by flush, once", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string(), maxBatchBytes: 1000 });
  const producer = log.producer();
  assert.ok(producer.trySend(topic, { value: "x".repeat(2000) }));
  assert.ok(producer.trySend(topic, { value: "good" }));
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.flush());
  await producer.flush();
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 1);
  assert.ok(producer.trySend(topic, { value: "x".repeat(2000) }));
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.close());
});

test("trySend throws for what can't be serialized", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  await failure("ERR_TIDELOG_SERIALIZATION", () => producer.trySend(topic, { value: 5 as never }));
  await producer.flush();
});

test("close sends what was taken in, then refuses", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  const sends = range(10).map((i) => producer.send(topic, { value: `v${i}` }));
  const closing = producer.close();
  await failure("ERR_TIDELOG_CLOSED", producer.send(topic, { value: "late" }), "the producer is closed");
  await closing;
  assert.is((await Promise.all(sends)).length, 10);
  await failure("ERR_TIDELOG_CLOSED", () => producer.trySend(topic, { value: "late" }));
  await failure("ERR_TIDELOG_CLOSED", producer.ready());
  assert.is((await all(log.consumer({ topics: [topic], until: "end" }))).length, 10);
});

test("a close that may not wait tells who waited, and whether anything may have happened", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer({ bufferBytes: 1024 });
  const sends = range(3).map((i) => producer.send(topic, { value: `${i}${"x".repeat(2000)}` }));
  const ready = producer.ready();
  const ends = Promise.allSettled(sends);
  await producer.close({ timeoutMs: 0 });
  await failure("ERR_TIDELOG_CLOSED", ready);
  // Which of them got away before the close is a matter of luck; what is said of each must be so.
  const told = await ends;
  await sleep(50);
  const found = await all(log.consumer({ topics: [topic], until: "end" }));
  const stored = new Set(found.map(({ value }) => Number(value![0])));
  for (const [i, end] of told.entries()) {
    if (end.status === "fulfilled") assert.ok(stored.has(i), `send ${i} was acknowledged`);
    else {
      const { code, indefinite } = end.reason as TidelogError;
      assert.is(code, "ERR_TIDELOG_CLOSED");
      assert.ok(indefinite || !stored.has(i), `send ${i} was said to have done nothing`);
    }
  }
});

test("await using closes", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  {
    await using producer = log.producer();
    producer.send(topic, { value: "v" });
  }
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 1);
});

run();
