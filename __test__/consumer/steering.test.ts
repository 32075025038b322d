// Seeking, pausing, aborting and closing, before, during and after a loop.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import * as assert from "uvu/assert";
import { json, type Log, OffsetOutOfRangeError, string } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite, within } from "../support/suite.js";

const { test, run } = suite("steering a consumer");

async function numbers(log: Log, count: number, partitions = 1) {
  const topic = await log.topic("t", { partitions, value: json<number>() });
  const producer = log.producer();
  const records = range(count).map((i) => ({ value: i, partition: i % partitions, timestamp: 1000 + i }));
  await sendInBatches(records, (some) => producer.sendBatch(topic, some));
  return { topic, producer };
}

test("seek goes to an offset, a time, the beginning or the end", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 100);
  const consumer = log.consumer({ topics: [topic], until: "end" });
  const rest = async () => (await all(consumer)).map(({ value }) => value);
  await consumer.seek({ offset: 97 });
  assert.equal(await rest(), [97, 98, 99]);
  await consumer.seek({ timestamp: 1098 });
  assert.is(await consumer.position(), 98);
  assert.equal(await rest(), [98, 99]);
  await consumer.seek({ to: "earliest" });
  assert.equal(await rest(), range(100));
  await consumer.seek({ timestamp: 5000 });
  assert.equal(await rest(), []);
  await consumer.seek({ to: "earliest" });
  await consumer.seek({ to: "latest" });
  assert.equal(await rest(), []);
});

test("seek in the middle of a loop takes effect with the next record", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 5000);
  const consumer = log.consumer({ topics: [topic], until: "end", readBytes: 2048 });
  const seen: number[] = [];
  for await (const { value } of consumer) {
    seen.push(value!);
    if (value === 10) await consumer.seek({ offset: 4000 });
    if (value === 4010) await consumer.seek({ offset: 20 });
    if (value === 25) await consumer.seek({ to: "latest" });
  }
  assert.equal(seen, [...range(11), ...range(11).map((i) => 4000 + i), ...range(6).map((i) => 20 + i)]);
});

test("seek wakes a loop that waits for more", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  const consumer = log.consumer({ topics: [topic], from: "latest" });
  const reading = first(1, consumer);
  await sleep(20);
  await consumer.seek({ offset: 3 });
  assert.is((await reading)[0]!.value, 3);
});

test("seek can be for one partition, or for one topic's", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10, 2);
  const other = await log.topic("u", { value: json<number>() });
  await log.producer().send(other, { value: 0 });
  const consumer = log.consumer({ topics: [topic, other], until: "end" });
  await consumer.seek({ to: "latest" });
  await consumer.seek({ partition: 1, topic, offset: 4 });
  assert.equal(
    (await all(consumer)).map(({ value }) => value),
    [9],
  );
  await consumer.seek({ topic: "u", to: "earliest" });
  assert.equal(
    (await all(consumer)).map(({ topic: name }) => name),
    ["u"],
  );
});

test("paused partitions give nothing and lose nothing", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 2000, 2);
  const consumer = log.consumer({ topics: [topic], readBytes: 1024 });
  const seen: number[] = [];
  for await (const { value, partition } of consumer) {
    if (seen.length === 10) consumer.pause({ partition: 1 });
    else if (seen.length > 10 && seen.length < 900) assert.is(partition, 0);
    if (seen.length === 900) consumer.resume();
    seen.push(value!);
    if (seen.length === 2000) break;
  }
  assert.equal(
    seen.filter((i) => i % 2 === 0),
    range(1000).map((i) => i * 2),
  );
  assert.equal(
    seen.filter((i) => i % 2 === 1),
    range(1000).map((i) => i * 2 + 1),
  );
});

test("a pause or seek that throws away what was read ahead does not hold up the others", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 3000, 3);
  for (const steer of ["pause", "seek"] as const) {
    const consumer = log.consumer({ topics: [topic], until: "end", readBytes: 1024 });
    const loop = consumer[Symbol.asyncIterator]();
    const first = await loop.next();
    // Long enough for the read of the next partition to be done and wait.
    await sleep(30);
    const next = (first.value.partition + 1) % 3;
    if (steer === "pause") consumer.pause({ partition: next });
    else await consumer.seek({ partition: next, to: "latest" });
    let others = 1;
    while (others < 2000) {
      const { value } = await loop.next();
      assert.is.not(value.partition, next);
      others += 1;
    }
    if (steer === "pause") consumer.resume();
    while (!(await loop.next()).done) others += 1;
    assert.is(others, steer === "pause" ? 3000 : 2000);
  }
});

test("what was fetched just before a pause is fetched again, and given once", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 300, 1);
  // The pause comes so many turns of the microtask queue after the fetch: before, while and after the loop is given it.
  for (const turns of range(40)) {
    const consumer = log.consumer({ topics: [topic], readBytes: 1024, until: "end" });
    let left = turns;
    const steer = () => {
      if (left-- > 0) return queueMicrotask(steer);
      consumer.pause();
      consumer.resume();
    };
    const onFetched = () => steer();
    subscribe("tidelog:fetch", onFetched);
    const seen = (await all(consumer)).map(({ value }) => value!);
    unsubscribe("tidelog:fetch", onFetched);
    assert.equal(seen, range(300), `${turns} turns`);
  }
});

test("a loop with everything paused waits, until it is resumed", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  const consumer = log.consumer({ topics: [topic], until: "end" });
  consumer.pause();
  const reading = all(consumer);
  assert.is(await Promise.race([reading, sleep(50).then(() => "waiting")]), "waiting");
  consumer.resume({ topic });
  assert.is((await reading).length, 10);
});

test("pausing at the end, and resuming after more has come", async ({ open }) => {
  const log = await open();
  const { topic, producer } = await numbers(log, 3);
  const consumer = log.consumer({ topics: [topic] });
  const reading = first(5, consumer);
  await sleep(20);
  consumer.pause();
  await producer.sendBatch(topic, [{ value: 3 }, { value: 4 }]);
  await sleep(20);
  assert.is(await consumer.position(), 3);
  consumer.resume();
  assert.equal(
    (await reading).map(({ value }) => value),
    range(5),
  );
});

test("a signal ends the loop with AbortError, waiting or not", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 1000);
  for (const from of ["earliest", "latest"] as const) {
    const abort = new AbortController();
    const consumer = log.consumer({ topics: [topic], from, signal: abort.signal });
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const record of consumer) {
        if (seen.push(record) === 10) abort.abort("enough");
      }
    })();
    if (from === "latest") setTimeout(() => abort.abort("enough"), 20);
    const error = await failure("ERR_TIDELOG_ABORTED", reading);
    assert.equal([error.name, error.cause], ["AbortError", "enough"]);
    assert.is(seen.length, from === "latest" ? 0 : 10);
    await failure("ERR_TIDELOG_ABORTED", all(consumer));
  }
  const aborted = log.consumer({ topics: [topic], signal: AbortSignal.abort() });
  await failure("ERR_TIDELOG_ABORTED", all(aborted));
});

test("close ends a loop that waits, from outside and from inside", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  const waiting = log.consumer({ topics: [topic] });
  const reading = all(waiting);
  await sleep(20);
  await within(1000, "close", waiting.close());
  assert.is((await reading).length, 10);
  await failure("ERR_TIDELOG_CLOSED", all(waiting), "the consumer is closed");
  const inside = log.consumer({ topics: [topic] });
  let seen = 0;
  for await (const _ of inside) if (++seen === 5) await inside.close();
  assert.is(seen, 5);
  await inside.close();
});

test("closing the log ends loops that wait", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10, 3);
  let count = 0;
  const reading = range(2).map(async () => {
    for await (const _ of log.consumer({ topics: [topic] })) count += 1;
  });
  while (count < 20) await sleep(5);
  await within(2000, "close", log.close());
  await Promise.all(reading);
  assert.is(count, 20);
});

test("an offset that is not held is an error that says what is", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 10);
  await topic.deleteRecords({ before: 4 });
  for (const offset of [2, 11]) {
    const consumer = log.consumer({ assign: [{ topic, partition: 0, offset }] });
    const error = (await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", all(consumer), "t-0")) as OffsetOutOfRangeError;
    assert.instance(error, OffsetOutOfRangeError);
    assert.equal([error.offset, error.logStartOffset, error.highWatermark], [offset, 4, 10]);
    await consumer.seek({ to: "earliest" });
    assert.is((await first(1, consumer))[0]!.offset, 4);
  }
});

test("onOutOfRange says where to go on instead", async ({ open }) => {
  const log = await open();
  const { topic, producer } = await numbers(log, 10);
  await topic.deleteRecords({ before: 4 });
  const at = (offset: number, onOutOfRange: "earliest" | "latest") =>
    log.consumer({ assign: [{ topic, partition: 0, offset }], onOutOfRange });
  assert.is((await first(1, at(2, "earliest")))[0]!.offset, 4);
  assert.is((await first(1, at(99, "earliest")))[0]!.offset, 4);
  const latest = [first(1, at(2, "latest")), first(1, at(99, "latest"))];
  await sleep(30);
  await producer.send(topic, { value: 10 });
  assert.equal(
    (await Promise.all(latest)).map(([record]) => record!.offset),
    [10, 10],
  );
});

test("records deleted under a reader are an error, or passed over, as it was told", async ({ open }) => {
  const log = await open();
  const { topic } = await numbers(log, 5000);
  const readers = (["error", "earliest"] as const).map((onOutOfRange) =>
    log.consumer({ topics: [topic], until: "end", onOutOfRange, readBytes: 1024 }),
  );
  await Promise.all(readers.map((reader) => first(10, reader)));
  await topic.deleteRecords({ before: 4000 });
  await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", all(readers[0]!));
  assert.equal(
    (await all(readers[1]!)).map(({ offset }) => offset),
    range(1000).map((i) => 4000 + i),
  );
});

test("await using closes", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  let reading: Promise<unknown>;
  {
    await using consumer = log.consumer({ topics: [topic] });
    reading = all(consumer);
    await sleep(5);
  }
  assert.equal(await reading, []);
});

test("an offset beyond the end is an error also until the end, or what onOutOfRange says", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<number>() });
  await log.producer().sendBatch(
    topic,
    range(10).map((value) => ({ value })),
  );
  const make = (onOutOfRange: "error" | "earliest" | "latest", offset: number, until: "live" | "end" = "end") =>
    log.consumer({ assign: [{ topic, partition: 0, offset }], until, onOutOfRange });
  for (const until of ["live", "end"] as const) {
    await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", all(make("error", 99, until)));
    await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", all(make("error", 11, until)));
  }
  await failure(
    "ERR_TIDELOG_OFFSET_OUT_OF_RANGE",
    make("error", 99).run(() => {}),
  );
  assert.is((await all(make("error", 10))).length, 0);
  assert.is((await all(make("earliest", 99))).length, 10);
  assert.is((await all(make("latest", 99))).length, 0);
  const sought = make("error", 0);
  await sought.seek({ offset: 1000 });
  await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", all(sought));
  // In the middle of a loop as well.
  const loop = make("error", 0);
  const read = async () => {
    for await (const { offset } of loop) if (offset === 3) await loop.seek({ offset: 1000 });
  };
  await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", read());
});

test("what was paused as a whole, or of a topic, stays so for partitions that come later", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<number>(), partitions: 2 });
  for (const choice of [{}, { topic }]) {
    const a = log.consumer({ group: "g", topics: [topic] });
    const b = log.consumer({ group: "g", topics: [topic] });
    // Before its first loop a member has nothing yet.
    a.pause(choice);
    const seen: number[] = [];
    const loops = [
      a.run(({ value }) => void seen.push(value!)),
      b.run(({ value }) => void (value === -1 && assert.unreachable())),
    ];
    const isShared = async (count: number) => {
      const { state, members } = await log.group("g").describe();
      return state === "stable" && members.length === count && members.every(({ assignment }) => assignment.length > 0);
    };
    while (!(await isShared(2))) await sleep(1);
    await b.close();
    while (a.assignment.length < 2) await sleep(1);
    await log.producer().sendBatch(
      topic,
      [0, 1].map((partition) => ({ partition, value: 1 })),
    );
    assert.equal(seen, []);
    a.resume({ topic, partition: 1 });
    while (seen.length < 1) await sleep(1);
    assert.is(seen.length, 1);
    a.resume();
    while (seen.length < 2) await sleep(1);
    await a.close();
    await Promise.all(loops);
  }
});

test("a pause names what the consumer reads, and may come before topics are open", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<number>() });
  await log.producer().send(topic, { value: 1 });
  await log.close();
  const again = await open();
  const consumer = again.consumer({ topics: ["t"], until: "end" });
  consumer.pause({ topic: "t" });
  assert.throws(() => consumer.pause({ topic: "u" }), /does not read u/);
  assert.throws(() => consumer.pause({ topic: 5 as never }), /must be a topic or its name/);
  const got = first(1, consumer);
  await consumer.lag();
  assert.throws(() => consumer.pause({ partition: 7 }), /does not read partition 7/);
  consumer.resume();
  assert.is((await got).length, 1);
});

run();
