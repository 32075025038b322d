// Reading: every record once and in order, from where and until where it was asked for, and what a loop leaves behind.

import { getEventListeners } from "node:events";
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { json, type Log, string } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("reading");

async function numbers(log: Log, count: number, partitions = 1) {
  const topic = await log.topic("t", { partitions, key: string(), value: json<number>() });
  const producer = log.producer();
  const records = range(count).map((i) => ({ key: `k${i}`, value: i, partition: i % partitions, timestamp: 1000 + i }));
  await sendInBatches(records, (some) => producer.sendBatch(topic, some));
  return { topic, producer };
}

test("gives every record once, a partition's in order, complete", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10_000, 7);
  const records = await all(log.consumer({ topics: [topic], until: "end", readBytes: 4096 }));
  assert.equal(
    records.map(({ value }) => value!).sort((a, b) => a - b),
    range(10_000),
  );
  const next = new Map<number, number>();
  for (const { topic: name, partition, offset, timestamp, key, value, headers } of records) {
    assert.is(offset, next.get(partition) ?? 0);
    next.set(partition, offset + 1);
    assert.equal([name, partition, timestamp, key, headers], ["t", value! % 7, 1000 + value!, `k${value}`, []]);
  }
});

test("records are plain objects, and stay what they are", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const sent = range(500).map((i) => ({ key: Buffer.from([i % 256]), value: Buffer.alloc(100, i) }));
  await sendInBatches(sent, (some) => log.producer().sendBatch(topic, some));
  const records = await all(log.consumer({ topics: [topic], until: "end", readBytes: 1024 }));
  for (const [i, record] of records.entries()) {
    assert.equal(record, {
      topic: "t",
      partition: 0,
      offset: i,
      timestamp: record.timestamp,
      key: Buffer.from([i % 256]),
      value: Buffer.alloc(100, i),
      headers: [],
    });
    assert.equal({ ...record }, record);
  }
});

test("partitions take turns, so that none waits for another's end", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 4000, 4);
  const partitions: number[] = [];
  for await (const batch of log.consumer({ topics: [topic], until: "end", readBytes: 1024 }).batches()) {
    partitions.push(batch.partition);
  }
  for (const round of [0, 4, 8]) assert.equal(partitions.slice(round, round + 4).sort(), [0, 1, 2, 3]);
});

test("begins where it is told: earliest by default, latest, a time, an offset", async ({ open }) => {
  const log = await open();
  const { topic, producer } = await numbers(log, 100);
  const values = async (options: object) =>
    (await all(log.consumer({ until: "end", topics: [topic], ...options }))).map(({ value }) => value);
  assert.equal(await values({}), range(100));
  assert.equal(await values({ from: "earliest" }), range(100));
  assert.equal(await values({ from: { timestamp: 1090 } }), range(100).slice(90));
  assert.equal(await values({ from: { timestamp: 99_999 } }), []);
  assert.equal(await values({ from: "latest" }), []);
  assert.equal(
    await values({ topics: undefined, assign: [{ topic, partition: 0, offset: 95 }] }),
    range(100).slice(95),
  );
  assert.equal(
    await values({ topics: undefined, from: "latest", assign: [{ topic, partition: 0, offset: 99 }] }),
    [99],
  );
  assert.equal(
    await values({ topics: undefined, from: { timestamp: 0 }, assign: [{ topic, partition: 0, offset: 99 }] }),
    [99],
  );
  // "latest" is the end when the consumer was made, not when its loop begins.
  const latest = log.consumer({ topics: [topic], from: "latest" });
  await producer.send(topic, { value: 100, timestamp: 1100 });
  assert.equal(
    (await first(1, latest)).map(({ value }) => value),
    [100],
  );
});

test("until end stops at what was there when reading began", async ({ open }) => {
  const log = await open();
  const { topic, producer } = await numbers(log, 1000, 2);
  const consumer = log.consumer({ topics: [topic], until: "end", readBytes: 1024 });
  const seen: number[] = [];
  for await (const { value, partition } of consumer) {
    seen.push(value!);
    await producer.send(topic, { value: -1, partition });
  }
  assert.equal(
    seen.sort((a, b) => a - b),
    range(1000),
  );
  // A new loop goes on behind, up to the end as it is now.
  assert.equal(
    (await all(consumer)).map(({ value }) => value),
    new Array(1000).fill(-1),
  );
  assert.equal(await all(consumer), []);
});

test("an empty topic ends at once with until end", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 5 });
  assert.equal(await all(log.consumer({ topics: [topic], until: "end" })), []);
  assert.equal(await all(log.consumer({ topics: [topic], until: "end" }).batches()), []);
});

test("live goes on with what comes, in every partition", async ({ open }) => {
  const log = await open();
  const { topic, producer } = await numbers(log, 10, 5);
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { value } of log.consumer({ topics: [topic] })) {
      seen.push(value!);
      if (seen.length === 110) break;
    }
  })();
  for (const i of range(100)) {
    await producer.send(topic, { value: 10 + i, partition: i % 5 });
    if (i % 10 === 0) await sleep(2);
  }
  await reading;
  assert.equal(
    seen.sort((a, b) => a - b),
    range(110),
  );
});

test("a topic by name, several topics, and single partitions of them", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10, 2);
  const other = await log.topic("u", { value: string() });
  await log.producer().send(other, { value: "u" });
  const mixed = await all(log.consumer({ topics: [topic, other], until: "end" }));
  assert.equal(mixed.map(({ value }) => value).sort(), [...range(10), "u"].sort());
  const fresh = await open();
  const named = await all(fresh.consumer({ topics: ["t", "u"], until: "end" }));
  assert.equal(named.map(({ value }) => String(value)).sort(), [...range(10).map(String), "u"].sort());
  const half = await all(log.consumer({ assign: [{ topic, partition: 1 }], until: "end" }));
  assert.equal(
    half.map(({ value }) => value),
    [1, 3, 5, 7, 9],
  );
  await failure(
    "ERR_TIDELOG_UNKNOWN_PARTITION",
    () => log.consumer({ assign: [{ topic, partition: 2 }] }),
    "0 to 1, not 2",
  );
});

test("break leaves the position behind the last record, and a new loop goes on there", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 1000);
  const consumer = log.consumer({ topics: [topic], until: "end", readBytes: 2048 });
  assert.is(await consumer.position(), 0);
  const seen: (number | null)[] = [];
  for (const take of [1, 2, 3, 50, 200]) {
    seen.push(...(await first(take, consumer)).map(({ value }) => value));
    assert.is(await consumer.position(), seen.length);
  }
  seen.push(...(await all(consumer)).map(({ value }) => value));
  assert.equal(seen, range(1000));
  assert.is(await consumer.position(), 1000);
});

test("a throw in the loop ends it the same way", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  const consumer = log.consumer({ topics: [topic], until: "end" });
  const loop = async () => {
    for await (const { value } of consumer) if (value === 4) throw new RangeError("mine");
  };
  await loop().then(
    () => assert.unreachable(),
    (error) => assert.instance(error, RangeError),
  );
  assert.equal(
    (await all(consumer)).map(({ value }) => value),
    [5, 6, 7, 8, 9],
  );
});

test("two loops at once are an error for the second, and no harm to the first", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  const consumer = log.consumer({ topics: [topic], until: "end" });
  const seen: (number | null)[] = [];
  for await (const { value } of consumer) {
    seen.push(value);
    await failure("ERR_TIDELOG_ALREADY_ITERATED", all(consumer));
    await failure("ERR_TIDELOG_ALREADY_ITERATED", all(consumer.batches()));
  }
  assert.equal(seen, range(10));
});

test("next() may be called again before it has answered", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 50);
  const loop = log.consumer({ topics: [topic], until: "end", readBytes: 1024 })[Symbol.asyncIterator]();
  const results = await Promise.all(range(52).map(() => loop.next()));
  assert.equal(
    results.slice(0, 50).map((result) => !result.done && result.value.value),
    range(50),
  );
  assert.equal(
    results.slice(50).map(({ done }) => done),
    [true, true],
  );
  assert.is((await loop.next()).done, true);
  assert.is((await loop.return!()).done, true);
});

test("lag and assignment tell what is read, and how far behind it is", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 30, 3);
  const consumer = log.consumer({ topics: [topic] });
  assert.equal(
    consumer.assignment,
    range(3).map((partition) => ({ topic: "t", partition })),
  );
  await first(12, consumer);
  const lag = await consumer.lag();
  assert.equal(
    lag.map(({ partition, highWatermark }) => [partition, highWatermark]),
    [
      [0, 10],
      [1, 10],
      [2, 10],
    ],
  );
  assert.is(
    lag.reduce((sum, { lag: behind }) => sum + behind, 0),
    18,
  );
  assert.ok(lag.every(({ position, highWatermark, lag: behind }) => highWatermark - position === behind));
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", consumer.position(), "3 partitions are meant");
});

test("a record larger than a read is still read", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer();
  const sizes = [10, 500_000, 10, 900_000];
  for (const size of sizes) await producer.send(topic, { value: Buffer.alloc(size, 3) });
  const records = await all(log.consumer({ topics: [topic], until: "end", readBytes: 1024 }));
  assert.equal(
    records.map(({ value }) => value!.length),
    sizes,
  );
});

/** Bytes of memory without the pages of mapped files, which are the system's cache and not ours to bound. */
function ownMemory(): number {
  const kib = /^RssAnon:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Number(kib) * 1024;
}

test("what a consumer holds does not grow with its partitions", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 64 });
  const producer = log.producer();
  const value = Buffer.alloc(1000);
  for (const partition of range(64)) {
    await sendInBatches(range(1000), (some) =>
      producer.sendBatch(
        topic,
        some.map(() => ({ value, partition })),
      ),
    );
  }
  const consumer = log.consumer({ topics: [topic] });
  const loop = consumer.batches()[Symbol.asyncIterator]();
  await loop.next();
  const before = ownMemory();
  for (const _ of range(60)) await loop.next();
  await sleep(50);
  const grown = (ownMemory() - before) / 2 ** 20;
  assert.ok(grown < 30, `60 MB of records are waiting, and memory grew by ${grown.toFixed(1)} MiB`);
});

test("a consumer that was read to its end and dropped leaves nothing behind", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const text = "x".repeat(1000);
  await log.producer().sendBatch(
    topic,
    range(200).map(() => ({ value: text })),
  );
  const { signal } = new AbortController();
  const read = async (times: number) => {
    for (const _ of range(times)) await all(log.consumer({ topics: [topic], until: "end", signal }));
  };
  await read(50);
  const before = process.memoryUsage().rss;
  await read(500);
  assert.is(getEventListeners(signal, "abort").length, 0);
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grown < 60, `memory grew by ${grown.toFixed(1)} MiB over 500 consumers with 0.2 MiB each`);
});

test("compressed topics read the same", async ({ open }) => {
  const log = await open();
  for (const compression of ["gzip", "snappy", "lz4", "zstd"] as const) {
    const topic = await log.topic(compression, { compression, value: json<{ i: number; text: string }>() });
    const values = range(2000).map((i) => ({ i, text: "again and again ".repeat(i % 9) }));
    await log.producer().sendBatch(
      topic,
      values.map((value) => ({ value })),
    );
    const { bytes } = (await topic.describe()).partitions[0]!;
    assert.ok(bytes < JSON.stringify(values).length / 2, `${compression} made ${bytes} bytes`);
    const read = await all(log.consumer({ topics: [topic], until: "end", readBytes: 8192 }));
    assert.equal(
      read.map(({ value }) => value),
      values,
    );
    const tail = log.consumer({ assign: [{ topic, partition: 0, offset: 1234 }], until: "end" });
    assert.is((await first(1, tail))[0]!.value!.i, 1234);
  }
});

test("from the earliest means the log start as it is when the first record is read", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  await log.producer().sendBatch(
    topic,
    range(10).map((i) => ({ value: `${i}` })),
  );
  const early = () => log.consumer({ topics: [topic], until: "end" });
  const [before, sought, explicit, onwards] = [early(), early(), early(), early()];
  await sought.seek({ to: "earliest" });
  await explicit.seek({ offset: 0 });
  await first(1, onwards);
  await topic.deleteRecords({ before: 4 });
  const offsets = async (consumer: ReturnType<typeof early>) => (await all(consumer)).map(({ offset }) => offset);
  assert.equal(await offsets(before), [4, 5, 6, 7, 8, 9]);
  assert.equal(await offsets(sought), [4, 5, 6, 7, 8, 9]);
  // A place that was named, or reached by reading, is another matter.
  await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", all(explicit));
  await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", all(onwards));
});

test("ends before the first record that is not older than a time, or behind the last one if all are", async ({
  open,
}) => {
  const log = await open();
  const { topic } = await numbers(log, 100, 3);
  const read = async (timestamp: number | Date) => {
    const records = await all(log.consumer({ topics: [topic], until: { timestamp } }));
    return records.map(({ value }) => value!).sort((a, b) => a - b);
  };
  assert.equal(await read(1040), range(40));
  assert.equal(await read(new Date(1001)), [0]);
  assert.equal(await read(0), []);
  assert.equal(await read(5000), range(100));
});

test("ends before an offset, which it waits for", async ({ open }) => {
  const log = await open();
  const { topic, producer } = await numbers(log, 10);
  const offsets = async (offset: number, from: "earliest" | "latest" = "earliest") =>
    (await all(log.consumer({ topics: [topic], from, until: { offset } }))).map((record) => record.offset);
  assert.equal(await offsets(4), range(4));
  assert.equal(await offsets(0), []);
  assert.equal(await offsets(4, "latest"), []);
  const waits = offsets(12);
  assert.is(await Promise.race([waits, sleep(50).then(() => "waits")]), "waits");
  for (const value of [10, 11, 12]) await producer.send(topic, { value });
  assert.equal(await waits, range(12));
});

test("a member and a processing end at an offset or a time as well", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  const member = log.consumer({ topics: [topic], group: "g", until: { offset: 4 } });
  assert.equal(
    (await all(member)).map(({ offset }) => offset),
    range(4),
  );
  await member.close();
  const report = await log.process({ id: "p", from: topic, until: { timestamp: new Date(1003) } }, () => {});
  assert.equal(report, { processed: 3, deadLettered: 0 });
});

test("one signal ends many consumers, and nobody is warned of a leak", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on("warning", warn);
  const abort = new AbortController();
  let seen = 0;
  const loops = range(30).map(async () => {
    for await (const _ of log.consumer({ topics: [topic], signal: abort.signal })) seen += 1;
  });
  const waits = range(30).map(() => log.raw.partition("t", 0).waitFor(10, { signal: abort.signal }));
  const handled = log.consumer({ topics: [topic], signal: abort.signal }).run(
    () => {
      throw new Error("again");
    },
    { concurrency: 30, retry: { attempts: 1000, delayMs: 20, backoff: "fixed" } },
  );
  const failures = [...loops, ...waits, handled].map((loop) => failure("ERR_TIDELOG_ABORTED", loop));
  while (seen < 300) await sleep(5);
  await sleep(50);
  assert.is(getEventListeners(abort.signal, "abort").length, 1);
  abort.abort();
  await Promise.all(failures);
  process.off("warning", warn);
  assert.equal(warnings, []);
  assert.is(getEventListeners(abort.signal, "abort").length, 0);
});

run();
