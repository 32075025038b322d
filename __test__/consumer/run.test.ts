// `consumer.run`: several records at once, those of a key in order; failures are tried again, buried, or end it.

import * as assert from "uvu/assert";
import { type ConsumerRunOptions, header, json, type Log, string } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("consumer.run");

/** Records of 20 keys, whose values count up. */
async function keyed(log: Log, count: number, partitions = 2) {
  const topic = await log.topic("t", { partitions, key: string(), value: json<number>() });
  const records = range(count).map((value) => ({ key: `k${value % 20}`, value }));
  await sendInBatches(records, (some) => log.producer().sendBatch(topic, some));
  return topic;
}

const quick = { delayMs: 1 };

/** What the group has done, over all partitions. */
async function committed(log: Log): Promise<number> {
  return (await log.group("g").describe()).offsets.reduce((sum, { offset }) => sum + offset, 0);
}

test("as many at once as it may, one of a key at a time and in order, all of them once", async ({ open }) => {
  const log = await open();
  const topic = await keyed(log, 2000);
  await using consumer = log.consumer({ topics: [topic], group: "g", until: "end", readBytes: 4096 });
  const under = new Set<string>();
  const last = new Map<string, number>();
  let most = 0;
  const report = await consumer.run(
    async ({ key, value }) => {
      assert.not(under.has(key!), `two of ${key} at once`);
      under.add(key!);
      most = Math.max(most, under.size);
      assert.ok((last.get(key!) ?? -1) < value!, `${value} behind ${last.get(key!)}`);
      last.set(key!, value!);
      if (Math.random() < 0.3) await sleep(Math.random() * 3);
      under.delete(key!);
    },
    { concurrency: 8 },
  );
  assert.equal(report, { handled: 2000, deadLettered: 0 });
  assert.is(most, 8);
  assert.is(await committed(log), 2000);
});

/** 100 records in one partition, each with its offset as value. */
async function hundred(log: Log) {
  const topic = await log.topic("t", { value: json<number>() });
  await log.producer().sendBatch(
    topic,
    range(100).map((value) => ({ value })),
  );
  return topic;
}

for (const delivery of ["manual", "at-least-once"] as const) {
  test(`consumer.commit() in a handler commits what is done and its own record, nothing beyond: ${delivery}`, async ({
    open,
  }) => {
    const log = await open();
    const topic = await hundred(log);
    const consumer = log.consumer({ group: "g", topics: [topic], delivery });
    await consumer.run(async ({ offset }) => {
      if (offset !== 2) return;
      await consumer.commit();
      await consumer.close();
    });
    await using next = log.consumer({ group: "g", topics: [topic], until: "end" });
    assert.equal(
      (await first(1, next)).map(({ offset }) => offset),
      [3],
    );
  });
}

test("a commit in a run goes no further than the first record that is not done", async ({ open }) => {
  const log = await open();
  const topic = await hundred(log);
  const consumer = log.consumer({ group: "g", topics: [topic], delivery: "manual" });
  let returned = 0;
  let go!: () => void;
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  let reached!: () => void;
  const atTen = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const running = consumer.run(
    async ({ offset }) => {
      if (offset === 3) await held;
      if (offset === 10) {
        await consumer.commit();
        reached();
      }
      returned += 1;
    },
    { concurrency: 4 },
  );
  await atTen;
  assert.is(await committed(log), 3);
  await consumer.commit();
  assert.is(await committed(log), 3, "of a call from outside of handlers none counts as done");
  go();
  while (returned < 100) await sleep(1);
  await consumer.commit();
  await consumer.close();
  await running;
  assert.is(await committed(log), 100);
});

test("a record that is committed in a run while others before it are in hand is committed with them", async ({
  open,
}) => {
  const log = await open();
  const topic = await hundred(log);
  const consumer = log.consumer({ group: "g", topics: [topic], delivery: "manual" });
  let go!: () => void;
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  let asked = 0;
  const running = consumer.run(
    async (record) => {
      if (record.offset === 1) await held;
      if (record.offset >= 50) return;
      await record.commit();
      asked += 1;
    },
    { concurrency: 4 },
  );
  while (asked < 49) await sleep(1);
  assert.is(await committed(log), 1);
  go();
  while ((await committed(log)) < 50) await sleep(1);
  await consumer.close();
  await running;
  assert.is(await committed(log), 50, "nobody has asked for more");
});

test("a handler that seeks has a run go on there, also one that reads until the end", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<number>() });
  await log.producer().sendBatch(
    topic,
    range(10).map((value) => ({ value })),
  );
  const consumer = log.consumer({ topics: [topic], until: "end" });
  const handled: number[] = [];
  let again = 0;
  await consumer.run(async ({ offset }) => {
    handled.push(offset);
    if (offset === 4 && again++ === 0) await consumer.seek({ offset: 2 });
    if (offset === 9 && again++ < 3) await consumer.seek({ offset: 8 });
  });
  assert.equal(handled, [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 7, 8, 9, 8, 9]);
});

for (const concurrency of [1, 4]) {
  test(`a pause holds for what a run of ${concurrency} has taken in, of one partition or all`, async ({ open }) => {
    const log = await open();
    const topic = await log.topic("t", { partitions: 2, key: string(), value: json<number>() });
    const records = range(400).map((value) => ({ key: `k${value % 20}`, value, partition: value % 2 }));
    await log.producer().sendBatch(topic, records);
    const consumer = log.consumer({ group: "g", topics: [topic], until: "end" });
    const seen = [0, 0];
    let paused: number | undefined;
    let running: Promise<unknown> | undefined;
    const othersDone = new Promise<void>((resolve, reject) => {
      running = consumer.run(
        async ({ partition, offset }) => {
          if (paused === partition) reject(new Error(`offset ${offset} of ${partition}, which is paused`));
          seen[partition]! += 1;
          if (paused === undefined && seen[0]! + seen[1]! === 5) {
            consumer.pause({ partition });
            paused = partition;
          }
          await sleep(0);
          // It is not held up by what is held of the one that is paused.
          if (paused !== undefined && seen[1 - paused] === 200) resolve();
        },
        { concurrency },
      );
    });
    await othersDone;
    const before = seen[paused!]!;
    consumer.pause();
    paused = undefined;
    consumer.resume();
    assert.equal(await running, { handled: 400, deadLettered: 0 });
    assert.ok(before < 6);
    assert.equal(seen, [200, 200]);
    assert.is(await committed(log), 400);
    await consumer.close();
  });
}

test("a run that is closed while it is paused leaves what it holds to the next one", async ({ open }) => {
  const log = await open();
  const topic = await hundred(log);
  const consumer = log.consumer({ group: "g", topics: [topic] });
  await consumer.run(async ({ offset }) => {
    if (offset !== 2) return;
    consumer.pause();
    setImmediate(() => void consumer.close());
  });
  await using next = log.consumer({ group: "g", topics: [topic], until: "end" });
  assert.equal(
    (await first(1, next)).map(({ offset }) => offset),
    [3],
  );
});

test("one at a time, records of a partition come in order, whatever their keys", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { key: string(), value: json<number>() });
  await log.producer().sendBatch(
    topic,
    range(100).map((value) => ({ key: `k${value % 3}`, value })),
  );
  const seen: number[] = [];
  await log.consumer({ topics: [topic], until: "end" }).run(async ({ value }) => {
    seen.push(value!);
    await sleep(0);
  });
  assert.equal(seen, range(100));
});

test("records of one key do not hold up those of others behind them", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { key: string(), value: json<number>() });
  await sendInBatches(
    range(2000).map((value) => ({ key: "hot", value })),
    (some) => log.producer().sendBatch(topic, some),
  );
  await log.producer().send(topic, { key: "cold", value: 2000 });
  const consumer = log.consumer({ topics: [topic], group: "g", until: "end" });
  let go!: () => void;
  const cold = new Promise<void>((resolve) => {
    go = resolve;
  });
  const hot: number[] = [];
  // The first hot one waits for the cold one, which comes far behind.
  const report = await consumer.run(
    async ({ key, value }) => {
      if (key === "cold") return go();
      if (value === 0) await cold;
      hot.push(value!);
    },
    { concurrency: 2 },
  );
  assert.is(report.handled, 2001);
  assert.equal(hot, range(2000));
  await consumer.close();
});

test("a run whose handler rejects with nothing rejects", async ({ open }) => {
  const log = await open();
  const topic = await hundred(log);
  for (const thrown of [undefined, null, 0, "", Object.create(null)]) {
    const consumer = log.consumer({ group: "g", topics: [topic] });
    const outcome = consumer
      .run(() => Promise.reject(thrown), { retry: { attempts: 1 } })
      .then(
        () => "resolved",
        (error) => ({ error }),
      );
    assert.is.not(await outcome, "resolved");
    await consumer.close();
  }
});

test("close() from a timer that a finished handler began waits for the handlers that run", async ({ open }) => {
  const log = await open();
  const topic = await hundred(log);
  const consumer = log.consumer({ group: "g", topics: [topic] });
  const events: string[] = [];
  let closed: Promise<void> | undefined;
  let begun!: () => void;
  const second = new Promise<void>((resolve) => {
    begun = resolve;
  });
  await consumer.run(
    async ({ offset }) => {
      if (offset === 0) {
        // Begun here, so that it is still inside of this call when the call has returned.
        setTimeout(async () => {
          await second;
          closed = consumer.close().then(() => void events.push("closed"));
        }, 0);
      } else if (offset === 1) {
        begun();
        await sleep(50);
        events.push("handled");
      }
    },
    { concurrency: 2 },
  );
  await closed;
  assert.equal(events, ["handled", "closed"]);
});

test("one at a time it keeps the order of partitions; without a key nobody waits for another", async ({ open }) => {
  const log = await open();
  const topic = await keyed(log, 100, 1);
  const seen: number[] = [];
  await log.consumer({ topics: [topic], until: "end" }).run(({ value }) => void seen.push(value!));
  assert.equal(seen, range(100));
  const loose = await log.topic("loose", { value: json<number>() });
  await log.producer().sendBatch(
    loose,
    range(4).map((value) => ({ value })),
  );
  const order: number[] = [];
  await log.consumer({ topics: [loose], until: "end" }).run(
    async ({ value }) => {
      if (value === 0) await sleep(50);
      order.push(value!);
    },
    { concurrency: 4 },
  );
  assert.equal(order, [1, 2, 3, 0]);
});

test("one that fails is tried again while others go on, and those of its key wait", async ({ open }) => {
  const log = await open();
  const topic = await keyed(log, 60, 1);
  const calls: [number, number][] = [];
  const report = await log.consumer({ topics: [topic], group: "g", until: "end" }).run(
    ({ value }, { attempt }) => {
      calls.push([value!, attempt]);
      if (value === 3 && attempt < 4) throw new Error("not yet");
    },
    { concurrency: 4, retry: { delayMs: 20, backoff: "fixed" } },
  );
  assert.equal(report, { handled: 60, deadLettered: 0 });
  const of = (key: number) => calls.filter(([value]) => value % 20 === key);
  assert.equal(of(3), [
    [3, 1],
    [3, 2],
    [3, 3],
    [3, 4],
    [23, 1],
    [43, 1],
  ]);
  assert.ok(calls.findIndex(([value]) => value === 59) < calls.findIndex(([value]) => value === 23));
});

test("one that keeps failing is buried, as is what can't be read, and counts as done", async ({ open }) => {
  const log = await open();
  const raw = await log.topic("t", { key: string(), value: string() });
  await log.topic("dead", { durability: "fsync" });
  for (const value of ["1", "{", "2", "3"]) {
    await log.producer().send(raw, { key: "k", value, headers: [["trace", value]] });
  }
  const topic = await log.openTopic("t", { key: string(), value: json<number>() });
  await using consumer = log.consumer({ topics: [topic], group: "g", until: "end" });
  const seen: number[] = [];
  const report = await consumer.run(
    ({ value }) => {
      seen.push(value!);
      if (value === 2) throw new TypeError("can't do 2");
    },
    { deadLetter: "dead", retry: { attempts: 3, ...quick } },
  );
  assert.equal(report, { handled: 2, deadLettered: 2 });
  assert.equal(seen, [1, 2, 2, 2, 3]);
  assert.is(await committed(log), 4);
  const letters = await all(log.consumer({ topics: ["dead"], until: "end" }));
  assert.equal(
    letters.map((letter) => {
      const kept = ["trace", "dead.offset", "dead.attempts"];
      return [letter.value, ...kept.map((name) => header(letter, name))].map(String);
    }),
    [
      ["{", "{", "1", "1"],
      ["2", "2", "2", "3"],
    ],
  );
  assert.ok(`${letters[1]!.headers.find(([name]) => name === "dead.error")![1]}`.includes("can't do 2"));
});

test("without a place for it, it ends the run, and what was not done is what comes next", async ({ open }) => {
  const log = await open();
  const topic = await keyed(log, 40, 1);
  const broken = new Error("broken");
  const consumer = log.consumer({ topics: [topic], group: "g", until: "end" });
  let finished = false;
  const running = consumer.run(
    async ({ value }) => {
      if (value === 5) {
        await sleep(50);
        finished = true;
      }
      if (value === 7) throw broken;
    },
    { concurrency: 20, retry: { attempts: 2, ...quick } },
  );
  const error = await failure("ERR_TIDELOG_HANDLER_FAILED", running, "offset 7: Error: broken");
  assert.is(error.cause, broken);
  assert.ok(finished, "others may finish");
  assert.is(await committed(log), 7);
  assert.is((await first(1, consumer))[0]!.value, 7);
  await consumer.close();
  const unreadable = await log.openTopic("t", { value: json() });
  await log.producer().send("t", { value: Buffer.from("{") });
  const other = log.consumer({ topics: [unreadable], group: "h", until: "end" });
  await failure(
    "ERR_TIDELOG_SERIALIZATION",
    other.run(() => {}),
    "offset 40",
  );
});

test("a signal aborts handlers, waits for them, and rejects; a consumer's own as well", async ({ open }) => {
  const log = await open();
  const topic = await keyed(log, 10, 1);
  for (const own of [false, true]) {
    const { signal, abort } = new (class extends AbortController {
      override abort = (reason: unknown) => super.abort(reason);
    })();
    const consumer = log.consumer({ topics: [topic], group: `g${own}`, ...(own ? { signal } : {}) });
    let returned = 0;
    const running = consumer.run(
      async ({ value }, handler) => {
        if (value === 3) setTimeout(() => abort("enough"), 10);
        if (value! < 3) return;
        await new Promise((resolve) => handler.signal.addEventListener("abort", resolve));
        await sleep(20);
        returned += 1;
      },
      { concurrency: 2, ...(own ? {} : { signal }) },
    );
    const error = await failure("ERR_TIDELOG_ABORTED", running);
    assert.is(error.cause, "enough");
    assert.is(returned, 2);
    await consumer.close();
  }
  const aborted = log.consumer({ topics: [topic] }).run(() => {}, { signal: AbortSignal.abort() });
  await failure("ERR_TIDELOG_ABORTED", aborted);
});

test("a close waits for handlers, or gives them up in time, and never for the one that calls it", async ({ open }) => {
  const log = await open();
  const topic = await keyed(log, 10, 1);
  const consumerOf = (group: string) => log.consumer({ topics: [topic], group });
  {
    const consumer = consumerOf("g");
    let began = 0;
    let ended = 0;
    const running = consumer.run(
      async () => {
        began += 1;
        await sleep(50);
        ended += 1;
      },
      { concurrency: 3 },
    );
    while (began < 3) await sleep(1);
    await consumer.close();
    assert.equal([began, ended], [3, 3]);
    assert.equal(await running, { handled: 3, deadLettered: 0 });
    assert.is(await committed(log), 3);
  }
  {
    const consumer = consumerOf("h");
    let told: unknown;
    const running = consumer.run(async (_, { signal }) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      told = signal.reason;
      await new Promise(() => {});
    });
    while ((await consumer.assignment).length === 0) await sleep(1);
    await sleep(20);
    const since = performance.now();
    await consumer.close({ timeoutMs: 100 });
    assert.ok(performance.now() - since < 5000);
    assert.equal(await running, { handled: 0, deadLettered: 0 });
    assert.match(String(told), "closed");
  }
  for (const closer of ["consumer", "log"] as const) {
    const consumer = consumerOf(`i-${closer}`);
    let closed = false;
    const report = await consumer.run(async () => {
      await (closer === "consumer" ? consumer : log).close();
      closed = true;
    });
    while (!closed) await sleep(1);
    assert.is(report.handled, 0);
  }
});

test("paused partitions rest while others are handled", async ({ open }) => {
  const log = await open();
  const topic = await keyed(log, 200);
  await using consumer = log.consumer({ topics: [topic], group: "g" });
  const seen = [0, 0];
  const running = consumer.run(({ partition }) => {
    seen[partition]! += 1;
    if (seen[partition] === 1 && partition === 0) consumer.pause({ partition: 0 });
  });
  const { partitions } = await topic.describe();
  while (seen[1]! < partitions[1]!.highWatermark) await sleep(5);
  await sleep(50);
  assert.ok(seen[0]! <= 17, `${seen}`);
  consumer.resume();
  while (seen[0]! < partitions[0]!.highWatermark) await sleep(5);
  await consumer.close();
  assert.is((await running).handled, 200);
});

test("at most once: committed before, tried once, none of what was committed is forgotten by a close", async ({
  open,
}) => {
  const log = await open();
  const topic = await keyed(log, 100, 1);
  const seen: number[] = [];
  const consumerOf = () =>
    log.consumer({ topics: [topic], group: "g", delivery: "at-most-once", until: "end", readBytes: 1024 });
  const consumer = consumerOf();
  await consumer.run(
    async ({ value }) => {
      seen.push(value!);
      if (value === 10) void consumer.close();
      await sleep(1);
    },
    { concurrency: 2 },
  );
  assert.ok(seen.length < 100);
  await using other = consumerOf();
  await other.run(({ value }) => void seen.push(value!), { concurrency: 2 });
  assert.equal(
    seen.sort((a, b) => a - b),
    range(100),
  );
  const retry = { retry: quick } as ConsumerRunOptions;
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    other.run(() => {}, retry),
    "retry",
  );
});

test("what it can't be told is refused, and one loop at a time", async ({ open }) => {
  const log = await open();
  const topic = await keyed(log, 10);
  const consumer = log.consumer({ topics: [topic] });
  const refused = (options: object, text: string) =>
    failure(
      "ERR_TIDELOG_INVALID_ARGUMENT",
      consumer.run(() => {}, options),
      text,
    );
  await refused({ concurrency: 0 }, "concurrency");
  await refused({ parallel: 2 }, "parallel");
  await refused({ retry: { attempts: 0 } }, "attempts");
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", consumer.run(5 as never), "function");
  await failure(
    "ERR_TIDELOG_UNKNOWN_TOPIC",
    consumer.run(() => {}, { deadLetter: "nowhere" }),
  );
  let handled = 0;
  const running = consumer.run(() => {
    handled += 1;
  });
  await failure(
    "ERR_TIDELOG_ALREADY_ITERATED",
    consumer.run(() => {}),
  );
  await failure("ERR_TIDELOG_ALREADY_ITERATED", all(consumer));
  while (handled < 10) await sleep(5);
  await consumer.close();
  assert.is((await running).handled, 10);
  await failure(
    "ERR_TIDELOG_CLOSED",
    consumer.run(() => {}),
  );
});

run();
