// When records count as done: what a later consumer of the group is given again after a loop that ended well, by break,
// by throw, by close, by its signal.

import * as assert from "uvu/assert";
import { type Delivery, json, type Log, type Topic } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("delivery");

type Numbers = Topic<Uint8Array, number, Buffer, number>;

async function numbers(log: Log, count = 100) {
  const topic = await log.topic("t", { value: json<number>() });
  await sendInBatches(
    range(count).map((value) => ({ value })),
    (some) => log.producer().sendBatch(topic, some),
  );
  return topic;
}

const consumerOf = (log: Log, topic: Numbers, delivery: Delivery = "at-least-once") =>
  log.consumer({ topics: [topic], group: "g", delivery, until: "end", readBytes: 1024 });

/** Looks at what the group has committed, beside its members. */
const watcherOf = (log: Log, topic: Numbers) =>
  log.consumer({ assign: [{ topic, partition: 0 }], group: "g", delivery: "manual", until: "end" });

/** What the next owner of the partition begins with. */
async function next(log: Log, topic: Numbers): Promise<number | null | undefined> {
  return (await first(1, watcherOf(log, topic)))[0]?.value;
}

test("at least once: asking for the next one is what makes one done", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log);
  const consumer = consumerOf(log, topic);
  const loop = consumer[Symbol.asyncIterator]();
  for (const value of range(11)) assert.is((await loop.next()).value.value, value);
  await loop.return!();
  assert.is(await next(log, topic), 10);
  // The same consumer hands it out again as well.
  assert.is((await first(1, consumer))[0]!.value, 10);
});

test("at most once: a commit by hand does not set back what was committed when it was fetched", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log);
  const consumer = log.consumer({ topics: [topic], group: "g", delivery: "at-most-once" });
  const loop = consumer[Symbol.asyncIterator]();
  for (const value of range(5)) assert.is((await loop.next()).value.value, value);
  await consumer.commit();
  // A crash now must not have 5 to 99 handed out twice: they may be on their way.
  assert.is((await log.group("g").describe()).offsets[0]!.offset, 100);
  await consumer.close();
  assert.is((await log.group("g").describe()).offsets[0]!.offset, 5);
});

test("a commit that nobody waits for does not take in what is handed out after the call", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log);
  const consumer = consumerOf(log, topic, "manual");
  const loop = consumer[Symbol.asyncIterator]();
  for (const value of range(5)) assert.is((await loop.next()).value.value, value);
  const committing = consumer.commit();
  for (const value of range(5)) assert.is((await loop.next()).value.value, value + 5);
  await committing;
  assert.is((await log.group("g").describe()).offsets[0]!.offset, 5);
  await consumer.close();
});

test("a seek forgets nothing of what was done before it", async ({ open }) => {
  for (const [delivery, done] of [
    ["at-least-once", 5],
    ["at-most-once", 6],
  ] as const) {
    const log = await open();
    const topic = await log.topic(delivery, { value: json<number>() });
    await log.producer().sendBatch(
      topic,
      range(10).map((value) => ({ value })),
    );
    const consumer = log.consumer({ group: delivery, topics: [topic], delivery, until: "end" });
    for await (const { offset } of consumer) {
      if (offset < 5) continue;
      await consumer.seek({ offset: 8 });
      break;
    }
    await consumer.close();
    assert.is((await log.group(delivery).describe()).offsets[0]!.offset, done, delivery);
    await log.close();
  }
});

test("the record in hand of a seek is done when the next one is asked for", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10);
  const consumer = log.consumer({ group: "g", topics: [topic] });
  const loop = consumer[Symbol.asyncIterator]();
  for (const value of range(6)) assert.is((await loop.next()).value.value, value);
  await consumer.seek({ to: "latest" });
  const last = loop.next();
  while ((await log.group("g").describe()).offsets[0]?.offset !== 6) await sleep(1);
  await consumer.close();
  assert.is((await last).done, true);
});

test("at most once: what a pause or a seek drops is not committed as handed out", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log);
  for (const seeks of [false, true]) {
    const consumer = log.consumer({ topics: [topic], group: `${seeks}`, delivery: "at-most-once" });
    const loop = consumer[Symbol.asyncIterator]();
    for (const value of range(5)) assert.is((await loop.next()).value.value, value);
    if (seeks) await consumer.seek({ offset: 50 });
    else consumer.pause();
    await consumer.close();
    assert.is((await log.group(`${seeks}`).describe()).offsets[0]!.offset, 5);
  }
});

test("at least once: one that a handler throws at is handed out again, a loop that ends leaves nothing", async ({
  open,
}) => {
  const log = await open();
  const topic = await numbers(log);
  const consumer = consumerOf(log, topic);
  const seen: number[] = [];
  const loop = async (failAt: number) => {
    for await (const { value } of consumer) {
      seen.push(value!);
      if (value === failAt) throw new Error("can't");
    }
  };
  for (const _ of range(2)) assert.is(await loop(30).catch(({ message }) => message), "can't");
  await loop(-1);
  assert.equal(seen, [...range(31), 30, ...range(70).map((i) => i + 30)]);
  assert.is(await next(log, topic), undefined);
});

test("at least once: commits go out while the loop runs, fewer than records, one by one", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log);
  const watcher = watcherOf(log, topic);
  const consumer = consumerOf(log, topic);
  const loop = consumer[Symbol.asyncIterator]();
  await loop.next();
  await loop.next();
  await sleep(300);
  assert.is((await watcher.committed())[0]!.offset, 1);
  for (const _ of range(20)) await loop.next();
  await sleep(300);
  assert.is((await watcher.committed())[0]!.offset, 21);
  await loop.return!();
});

test("at least once: close and signal commit what is done, and not the one in hand", async ({ open }) => {
  for (const [i, way] of (["close", "log", "signal"] as const).entries()) {
    let log = await open();
    let topic = await numbers(log, 100);
    const abort = new AbortController();
    const consumer = log.consumer({ topics: [topic], group: `g${i}`, signal: abort.signal });
    const seen: unknown[] = [];
    const loop = (async () => {
      for await (const record of consumer) {
        if (seen.push(record) < 20) continue;
        if (way === "close") await consumer.close();
        else if (way === "log") await log.close();
        else abort.abort("enough");
      }
    })();
    if (way === "signal") await failure("ERR_TIDELOG_ABORTED", loop);
    else await loop;
    assert.is(seen.length, 20);
    if (way === "log") log = await open();
    topic = await log.topic("t", { value: json<number>() });
    const [record] = await first(1, log.consumer({ topics: [topic], group: `g${i}` }));
    // Under a signal the next one was asked for, so the last was done.
    assert.is(record!.offset, way === "signal" ? 20 : 19);
    await log.close();
    if (i < 2) await (await open()).deleteTopic("t");
  }
});

test("at least once: a record committed by hand is done", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log);
  const consumer = consumerOf(log, topic);
  for await (const record of consumer) {
    if (record.value === 12) {
      await record.commit();
      break;
    }
  }
  assert.is(await next(log, topic), 13);
  assert.is((await first(1, consumer))[0]!.value, 13);
});

test("at least once: of batches the last one is not done by a break", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 500);
  const consumer = consumerOf(log, topic);
  const batches: number[] = [];
  for await (const batch of consumer.batches()) if (batches.push(batch.at(0)!.offset) === 3) break;
  assert.is(await next(log, topic), batches[2]);
  for await (const batch of consumer.batches()) {
    assert.is(batch.at(0)!.offset, batches[2]);
    await batch.commit();
    assert.is((await consumer.committed())[0]!.offset, batch.nextOffset);
    break;
  }
});

test("at most once: records are committed before they are seen", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 1000);
  const consumer = consumerOf(log, topic, "at-most-once");
  const watcher = watcherOf(log, topic);
  let count = 0;
  for await (const { offset } of consumer) {
    if (count++ % 50 === 0) assert.ok((await watcher.committed())[0]!.offset! > offset);
  }
  assert.is(count, 1000);
});

test("at most once: a loop that ends in order gives back what it did not hand out, and nothing else", async ({
  open,
}) => {
  const log = await open();
  const topic = await numbers(log, 1000);
  const consumer = consumerOf(log, topic, "at-most-once");
  const seen = await first(7, consumer);
  assert.is(await next(log, topic), 7);
  for await (const record of consumer) {
    seen.push(record);
    if (seen.length === 20) break;
  }
  assert.is(await next(log, topic), 20);
  assert.equal(
    seen.map(({ value }) => value),
    range(20),
  );
  // One that a handler throws at is not handed out again: that is the bargain.
  for await (const record of consumer) {
    assert.is(record.value, 20);
    await Promise.reject(new Error("can't")).catch(() => {});
    break;
  }
  assert.is(await next(log, topic), 21);
});

test("manual: only what is committed is", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 100);
  const consumer = consumerOf(log, topic, "manual");
  const records = await all(consumer);
  assert.is(await next(log, topic), 0);
  await Promise.all(records.slice(0, 50).map((record) => record.commit()));
  assert.is(await next(log, topic), 50);
  // An older one changes nothing: what is behind it is done.
  await records[10]!.commit();
  assert.is(await next(log, topic), 50);
  assert.equal(Object.keys(records[0]!), ["topic", "partition", "offset", "timestamp", "key", "value", "headers"]);
});

test("manual: views and copies of a batch can be committed, too", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 100);
  for await (const batch of consumerOf(log, topic, "manual").batches()) {
    await batch.at(1)!.commit();
    assert.is(await next(log, topic), 2);
    await batch.toArray()[3]!.commit();
    assert.is(await next(log, topic), 4);
    break;
  }
});

run();
