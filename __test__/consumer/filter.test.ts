// Consumers with a filter: they give what it is true of, count the rest as read, and say where it is wrong.

import { setImmediate } from "node:timers/promises";
import * as assert from "uvu/assert";
import { header, InvalidFilterError, json, type Log, string, type Transaction } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("filters");

/** Numbers as values, in turn over the partitions, with what filters look at. */
async function numbers(log: Log, count: number, partitions = 1, from = 0) {
  const topic = await log.topic("t", { partitions, key: string(), value: json<number>() });
  const records = range(count).map((i) => ({
    key: i % 5 === 0 ? null : `k${from + i}`,
    value: from + i,
    partition: i % partitions,
    timestamp: 1000 + from + i,
    headers: [
      ["region", i % 3 === 0 ? "eu" : "us"],
      ["n", `${from + i}`],
      ...(i % 7 === 0 ? [["n", null] as [string, null]] : []),
      ...(i % 4 === 0 ? [["content-type", "text/plain"] as [string, string]] : []),
    ] as [string, string | null][],
  }));
  await sendInBatches(records, (some) => log.producer().sendBatch(topic, some));
  return topic;
}

const values = (records: readonly { value: number | null }[]) => records.map(({ value }) => value!);
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

test("they give the records of which a filter is true, as the same predicate in JavaScript", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 1500, 3);
  const everything = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.is(everything.length, 1500);
  type Read = (typeof everything)[number];
  const text = (record: Read, name: string) => header(record, name)?.toString() ?? null;
  const pairs: [string, (record: Read) => boolean][] = [
    ["headers.region = 'eu' AND key LIKE 'k1%'", (r) => text(r, "region") === "eu" && /^k1/.test(r.key ?? "")],
    ["key IS NULL OR offset < 3", (r) => r.key === null || r.offset < 3],
    ["NOT headers.n > 700", (r) => text(r, "n") !== null && !(Number(text(r, "n")) > 700)],
    ["headers.\"content-type\" IN ('text/plain', 'x')", (r) => text(r, "content-type") === "text/plain"],
    ["timestamp BETWEEN 1100 AND 1200", (r) => r.timestamp >= 1100 && r.timestamp <= 1200],
    ["partition = 1 AND topic = 't'", (r) => r.partition === 1],
    ["headers.n / 100 * 100 = headers.n", (r) => text(r, "n") !== null && Number(text(r, "n")) % 100 === 0],
  ];
  for (const [filter, predicate] of pairs) {
    const expected = sorted(values(everything.filter(predicate)));
    assert.ok(expected.length > 0 && expected.length < 1500, filter);
    for (const readBytes of [1024, undefined]) {
      const options = { topics: [topic], until: "end", filter, readBytes } as const;
      assert.equal(sorted(values(await all(log.consumer(options)))), expected, filter);
      const batched: number[] = [];
      for await (const batch of log.consumer(options).batches()) {
        assert.ok(batch.length > 0);
        for (const record of batch) {
          assert.ok(record.offset < batch.nextOffset);
          assert.equal(record.headers[0]![0], "region");
          batched.push(record.value!);
        }
        assert.equal(values(batch.toArray()), batched.slice(-batch.length));
      }
      assert.equal(sorted(batched), expected, filter);
    }
  }
});

test("positions move on over what is passed over, before, between and behind what is given", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 1000);
  const consumer = log.consumer({ topics: [topic], until: "end", filter: "headers.n IN (300, 500)", readBytes: 1024 });
  assert.equal(values(await first(1, consumer)), [300]);
  assert.is(await consumer.position(), 301);
  assert.equal(values(await all(consumer)), [500]);
  assert.is(await consumer.position(), 1000);
  assert.equal(await consumer.lag(), [{ topic: "t", partition: 0, position: 1000, highWatermark: 1000, lag: 0 }]);
  await consumer.seek({ offset: 400 });
  assert.equal(values(await all(consumer)), [500]);
  await consumer.seek({ offset: 501 });
  assert.equal(await all(consumer), []);
  assert.is(await consumer.position(), 1000);
});

for (const delivery of ["at-least-once", "at-most-once", "manual"] as const) {
  test(`a group of which nothing is kept ends, and commits the ends, ${delivery}`, async ({ open }) => {
    const log = await open();
    const topic = await numbers(log, 900, 3);
    const options = { topics: [topic], group: "g", delivery, until: "end", readBytes: 1024 } as const;
    const consumer = log.consumer({ ...options, filter: "key = 'nobody'" });
    assert.equal(await all(consumer), []);
    if (delivery === "manual") {
      assert.equal(
        (await consumer.committed()).map(({ offset }) => offset),
        [null, null, null],
      );
      await consumer.commit();
    }
    assert.equal(
      (await consumer.committed()).map(({ offset }) => offset),
      [300, 300, 300],
    );
    await consumer.close();
    // The next one is not given what was passed over, whatever its filter.
    await log.producer().send(topic, { value: 7, partition: 1, timestamp: 1000 });
    assert.equal(values(await all(log.consumer(options))), [7]);
  });
}

test("what a loop leaves undone stays undone, whatever is passed over around it", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 1000);
  const options = { topics: [topic], group: "g", until: "end", readBytes: 1024 } as const;
  const reader = () => log.consumer({ ...options, filter: "headers.n = 250 OR headers.n = 750" });
  const once = reader();
  assert.equal(values(await first(1, once)), [250]);
  await once.close();
  const again = reader();
  assert.equal(values(await first(2, again)), [250, 750]);
  const offset = (await again.committed())[0]!.offset!;
  assert.ok(offset >= 251 && offset <= 750, `${offset}`);
  await again.close();
  const last = reader();
  assert.equal(values(await all(last)), [750]);
  assert.is((await last.committed())[0]!.offset, 1000);
  const batches = log.consumer({ ...options, group: "b", filter: "headers.n = 250" });
  for await (const batch of batches.batches()) assert.equal(values([...batch]), [250]);
  assert.is((await batches.committed())[0]!.offset, 1000);
});

test("a run commits nothing that was passed over behind a record that is not done", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 1000);
  await using consumer = log.consumer({
    topics: [topic],
    group: "g",
    filter: "headers.n IN (250, 251)",
    readBytes: 1024,
  });
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const ending = new AbortController();
  const handled: number[] = [];
  const running = consumer.run(
    async ({ value }) => {
      if (value === 250) await finished;
      handled.push(value!);
    },
    { concurrency: 2, signal: ending.signal },
  );
  while (handled.length === 0) await sleep(5);
  await numbers(log, 100, 1, 1000);
  while ((await consumer.position()) < 1100) await sleep(5);
  await sleep(150);
  assert.equal(handled, [251]);
  assert.ok(((await consumer.committed())[0]!.offset ?? 0) <= 250);
  finish();
  while ((await consumer.committed())[0]!.offset !== 1100) await sleep(5);
  assert.equal(handled, [251, 250]);
  ending.abort();
  await failure("ERR_TIDELOG_ABORTED", running);
});

test("a loop that waits commits what it passes over meanwhile, and is given what comes then", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 300);
  const consumer = log.consumer({ topics: [topic], group: "g", filter: "headers.n >= 1000" });
  const given = first(2, consumer);
  const committed = async (offset: number) => {
    while ((await consumer.committed())[0]!.offset !== offset) await sleep(5);
  };
  await committed(300);
  await numbers(log, 10, 1, 300);
  await committed(310);
  await numbers(log, 5, 1, 998);
  assert.equal(values(await given), [1000, 1001]);
});

test("much that nobody wants is read in pieces, and the event loop goes on between them", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const value = Buffer.alloc(64 << 10);
  for (const _ of range(50)) await log.producer().sendBatch(topic, Array(12).fill({ value }));
  const consumer = log.consumer({ topics: [topic], until: "end", filter: "key IS NOT NULL" });
  const positions = new Set<number>();
  let reading = true;
  const done = all(consumer).finally(() => {
    reading = false;
  });
  while (reading) {
    positions.add(await consumer.position());
    await setImmediate();
  }
  assert.equal(await done, []);
  positions.add(await consumer.position());
  // 37.5 MiB, of which 8 are looked through at a time.
  assert.ok(positions.size >= 4, `${[...positions]}`);
  assert.ok(positions.has(600));
});

test("a transaction takes what is kept, and commits what was passed over with it", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 900, 3);
  const consumer = log.consumer({
    topics: [topic],
    group: "g",
    until: "end",
    filter: "headers.n IN (302, 598)",
    readBytes: 1024,
  });
  const positions = async () => (await consumer.committed()).map(({ offset }) => offset);
  // One that has found something does not look on for long.
  const takeAll = async (tx: Transaction, max: number) => {
    const taken: number[] = [];
    for (;;) {
      const records = await tx.take(consumer, { max });
      if (records.length === 0) break;
      taken.push(...values(records));
    }
    assert.equal(sorted(taken), [302, 598]);
  };
  const aborted = log.transaction("t", async (tx) => {
    await takeAll(tx, 500);
    throw new Error("no");
  });
  assert.is(await aborted.catch((error) => error.message), "no");
  assert.equal(await positions(), [null, null, null]);
  await log.transaction("t", (tx) => takeAll(tx, 1));
  assert.equal(await positions(), [300, 300, 300]);
});

test("processing handles what is kept and commits past the rest, also where that is all", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 900, 3);
  const committed = async (group: string) => {
    const { offsets } = await log.group(group).describe();
    return sorted(offsets.map(({ offset }) => offset));
  };
  const handled: number[] = [];
  const options = { from: topic, until: "end", batch: 10 } as const;
  const report = await log.process({ ...options, id: "some", filter: "headers.n / 90 * 90 = headers.n" }, (record) => {
    handled.push(record.value!);
  });
  const expected = range(900).filter((n) => n % 90 === 0 && n % 7 !== 0);
  assert.equal([report.processed, sorted(handled)], [expected.length, expected]);
  assert.equal(await committed("some"), [300, 300, 300]);
  const none = await log.process({ ...options, id: "none", filter: "FALSE" }, () => assert.unreachable());
  assert.equal(none, { processed: 0, deadLettered: 0 });
  assert.equal(await committed("none"), [300, 300, 300]);
  // One that goes on commits what it has passed over, though nothing comes that it wants.
  const aborter = new AbortController();
  const { signal } = aborter;
  const live = log.process({ from: topic, id: "live", filter: "FALSE", signal }, () => assert.unreachable());
  while (!(await log.groups()).includes("live") || (await committed("live"))[0] !== 300) await sleep(5);
  aborter.abort();
  await failure("ERR_TIDELOG_ABORTED", live);
});

test("a filter that is wrong says where, in JavaScript's counting, and nothing has begun", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10);
  const filter = "headers.name = '😀é' AND size > 1";
  const wrong = await failure("ERR_TIDELOG_INVALID_FILTER", () => log.consumer({ topics: [topic], filter }), "size");
  assert.instance(wrong, InvalidFilterError);
  assert.is((wrong as InvalidFilterError).position, filter.indexOf("size"));
  assert.not(wrong.retriable || wrong.indefinite);
  const lines = wrong.message.split("\n");
  assert.equal(lines.slice(1), [`  ${filter}`, `${" ".repeat(2 + [...filter.split("size")[0]!].length)}^`]);
  for (const [text, position] of [
    ["", 0],
    ["key =", 5],
    [`key = '${"a".repeat(5000)}'`, 4096],
    ["key = '\ud800' ?", 10],
  ] as const) {
    const error = await failure("ERR_TIDELOG_INVALID_FILTER", () => log.consumer({ topics: [topic], filter: text }));
    assert.is((error as InvalidFilterError).position, position, text);
  }
  for (const given of [5, null, {}]) {
    await failure(
      "ERR_TIDELOG_INVALID_ARGUMENT",
      () => log.consumer({ topics: [topic], filter: given as never }),
      "filter must be a string",
    );
  }
  await using producer = await log.transactionalProducer("p");
  await failure(
    "ERR_TIDELOG_INVALID_FILTER",
    log.process({ id: "p", from: topic, filter: "key" }, () => {}),
  );
  // It was refused before it took the id over.
  const tx = producer.begin();
  tx.send(await log.topic("out", { durability: "fsync" }), { value: Buffer.from("x") });
  await tx.commit();
});

run();
