// `log.process`: every record counts once in what comes out, whatever fails in between, until it is told to stop.

import { randomBytes } from "node:crypto";
import * as assert from "uvu/assert";
import {
  HandlerError,
  type HeaderInput,
  header,
  json,
  type Log,
  type ProcessEvent,
  string,
  type Transaction,
} from "../../ts/index.js";
import { all, failure, first, heard, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("log.process");

async function numbers(log: Log, count: number, partitions = 1) {
  const from = await log.topic("in", { partitions, value: json<number>() });
  const records = range(count).map((i) => ({ value: i, partition: i % partitions }));
  await sendInBatches(records, (some) => log.producer().sendBatch(from, some));
  const out = await log.topic("out", { durability: "fsync", value: json<number>() });
  return { from, out };
}

const outOf = async (log: Log) => {
  const out = await log.openTopic("out", { value: json<number>() });
  return (await all(log.consumer({ topics: [out], until: "end" }))).map(({ value }) => value!);
};

const quick = { delayMs: 1 };

test("handles all there is, in batches, and goes on where it was", async ({ open }) => {
  let log = await open();
  let { from, out } = await numbers(log, 1000, 3);
  const batches = new Set<Transaction>();
  const process = () =>
    log.process({ id: "p", from, until: "end", batch: 30 }, (record, tx) => {
      batches.add(tx);
      tx.send(out, { value: record.value! * 2 });
    });
  assert.equal(await process(), { processed: 1000, deadLettered: 0 });
  assert.ok(batches.size >= 34 && batches.size <= 40, `${batches.size} batches`);
  assert.equal(await process(), { processed: 0, deadLettered: 0 });
  await log.close();
  log = await open();
  ({ from, out } = await numbers(log, 5, 3));
  assert.equal(await process(), { processed: 5, deadLettered: 0 });
  const expected = [...range(1000), ...range(5)].map((i) => i * 2).sort((a, b) => a - b);
  assert.equal(
    (await outOf(log)).sort((a, b) => a - b),
    expected,
  );
  assert.equal(await log.groups(), ["p"]);
});

test("runs on until it is aborted, giving up the batch in hand, and rejects with AbortError", async ({ open }) => {
  const log = await open();
  const { from, out } = await numbers(log, 10);
  const abort = new AbortController();
  let seen = 0;
  const processing = log.process({ id: "p", from, group: "g", batch: 4, signal: abort.signal }, async (record, tx) => {
    tx.send(out, { value: record.value! });
    seen += 1;
    if (record.value === 12) {
      abort.abort("enough");
      assert.ok(tx.signal.aborted);
      await sleep(20);
    }
  });
  while (seen < 10) await sleep(5);
  for (const value of [10, 11]) await log.producer().send(from, { value });
  while ((await outOf(log)).length < 12) await sleep(5);
  assert.equal(await outOf(log), range(12));
  await log.producer().send(from, { value: 12 });
  const error = await failure("ERR_TIDELOG_ABORTED", processing);
  assert.equal([error.name, error.cause], ["AbortError", "enough"]);
  assert.equal(await outOf(log), range(12));
  const [next] = await first(1, log.consumer({ topics: [from], group: "g" }));
  assert.is(next!.value, 12);
  await failure(
    "ERR_TIDELOG_ABORTED",
    log.process({ id: "p", from, signal: abort.signal }, () => {}),
  );
});

test("a handler that fails has its whole batch tried again, and nothing of it is stored twice", async ({ open }) => {
  const log = await open();
  const { from, out } = await numbers(log, 20);
  const calls: number[] = [];
  const report = await log.process({ id: "p", from, until: "end", batch: 5, retry: quick }, (record, tx) => {
    calls.push(record.value!);
    tx.send(out, { value: record.value! });
    const tries = calls.filter((value) => value === record.value).length;
    if (record.value === 7 && tries < 3) throw new Error("not yet");
  });
  assert.equal(report, { processed: 20, deadLettered: 0 });
  assert.equal(await outOf(log), range(20));
  assert.equal(calls, [...range(5), 5, 6, 7, 5, 6, 7, ...range(15).map((i) => i + 5)]);
});

test("one that keeps failing ends it with its error, and is what comes first afterwards", async ({ open }) => {
  const log = await open();
  const { from, out } = await numbers(log, 20);
  let tries = 0;
  const broken = new Error("broken");
  const processing = log.process(
    { id: "p", from, until: "end", batch: 5, retry: { attempts: 3, backoff: "fixed", delayMs: 1 } },
    (record, tx) => {
      tx.send(out, { value: record.value! });
      if (record.value === 7) {
        tries += 1;
        throw broken;
      }
    },
  );
  const error = await failure(
    "ERR_TIDELOG_HANDLER_FAILED",
    processing,
    "log.process: the handler failed 3 times for in-0, offset 7: Error: broken",
  );
  assert.instance(error, HandlerError);
  const { topic, partition, offset, attempts, cause } = error as HandlerError;
  assert.equal({ topic, partition, offset, attempts }, { topic: "in", partition: 0, offset: 7, attempts: 3 });
  assert.is(cause, broken);
  assert.is(tries, 3);
  assert.equal(await outOf(log), range(5));
  const [next] = await first(1, log.consumer({ topics: [from], group: "p" }));
  assert.is(next!.value, 5);
});

for (const how of ["commit", "abort", Symbol.asyncDispose] as const) {
  test(`a handler that calls tx.${String(how)} ends the processing with the error, and none of its batch is skipped`, async ({
    open,
  }) => {
    const log = await open();
    const { from, out } = await numbers(log, 5);
    await log.topic("dead", { durability: "fsync" });
    let calls = 0;
    let swallows = false;
    const process = () =>
      log.process({ id: "p", from, until: "end", batch: 3, deadLetter: "dead" }, async (record, tx) => {
        calls += 1;
        tx.send(out, { value: record.value! });
        if (record.value !== 3) return;
        const ended = tx[how]();
        if (!swallows) await ended;
      });
    await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", process(), "log.process");
    // Not tried again: it would fail in the same way each time.
    assert.is(calls, 4);
    swallows = true;
    await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", process(), "log.process");
    assert.equal(await outOf(log), [0, 1, 2]);
    assert.is((await log.group("p").describe()).offsets[0]!.offset, 3);
    assert.equal(await log.process({ id: "p", from, until: "end" }, () => {}), { processed: 2, deadLettered: 0 });
  });
}

test("a transaction that a handler has kept can't end a later batch, nor send in it", async ({ open }) => {
  const log = await open();
  const { from, out } = await numbers(log, 6);
  let kept: Transaction | undefined;
  const report = await log.process({ id: "p", from, until: "end", batch: 2 }, async (record, tx) => {
    if (kept !== undefined && kept !== tx) {
      await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", kept.commit());
      await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", kept.abort());
      assert.throws(
        () => kept!.send(out, { value: -1 }),
        (error: { code: string }) => error.code === "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
      );
    }
    kept ??= tx;
    tx.send(out, { value: record.value! });
  });
  assert.equal(report, { processed: 6, deadLettered: 0 });
  assert.equal(await outOf(log), range(6));
});

test("pauses grow between the attempts", async ({ open }) => {
  const log = await open();
  const { from } = await numbers(log, 1);
  const times: number[] = [];
  const retry = { attempts: 4, delayMs: 30, maxDelayMs: 60 };
  const processing = log.process({ id: "p", from, until: "end", retry }, () => {
    times.push(performance.now());
    throw new Error("no");
  });
  await processing.catch(() => {});
  const pauses = times.slice(1).map((time, i) => time - times[i]!);
  assert.is(pauses.length, 3);
  for (const [i, least] of [29, 59, 59].entries()) assert.ok(pauses[i]! >= least, `${pauses}`);
});

test("with a dead letter topic one that keeps failing goes there, as it was, and the others go on", async ({
  open,
}) => {
  const log = await open();
  const from = await log.topic("in", { key: string(), value: json<number>() });
  const out = await log.topic("out", { durability: "fsync", value: json<number>() });
  const dead = await log.topic("dead", { durability: "fsync", key: string(), value: string() });
  await log.producer().sendBatch(
    from,
    range(10).map((value) => ({
      key: `k${value}`,
      value,
      timestamp: 100 + value,
      headers: [["trace", `${value}`]] as const,
    })),
  );
  const report = await log.process(
    { id: "p", from, until: "end", batch: 4, deadLetter: dead, retry: { attempts: 2, ...quick } },
    (record, tx) => {
      tx.send(out, { value: record.value! });
      if (record.value! % 5 === 3) throw new TypeError(`can't do ${record.value}`);
    },
  );
  assert.equal(report, { processed: 8, deadLettered: 2 });
  assert.equal(await outOf(log), [0, 1, 2, 4, 5, 6, 7, 9]);
  const letters = await all(log.consumer({ topics: [dead], until: "end" }));
  assert.equal(
    letters.map(({ key, value, timestamp, headers }) => [key, value, timestamp, headers.map(([n, v]) => [n, `${v}`])]),
    [3, 8].map((i) => [
      `k${i}`,
      `${i}`,
      100 + i,
      [
        ["trace", `${i}`],
        ["dead.topic", "in"],
        ["dead.partition", "0"],
        ["dead.offset", `${i}`],
        ["dead.group", "p"],
        ["dead.process", "p"],
        ["dead.attempts", "2"],
        ["dead.error", `TypeError: can't do ${i}`],
      ],
    ]),
  );
});

test("a handler that throws nothing, or what is no error, fails as any other", async ({ open }) => {
  const log = await open();
  const { from } = await numbers(log, 1);
  const dead = await log.topic("dead", { durability: "fsync", value: json<number>() });
  const texts = [
    "undefined",
    "null",
    "7",
    "text",
    "[Object: null prototype] {}",
    "what was thrown can't be shown as text",
  ];
  const hides = {
    get [Symbol.toStringTag]() {
      throw new Error("hidden");
    },
  };
  for (const [i, thrown] of [undefined, null, 7, "text", Object.create(null), hides].entries()) {
    const id = `p${i}`;
    const fail = () => Promise.reject(thrown);
    const events = await heard<ProcessEvent>("tidelog:process", async () => {
      const error = await failure(
        "ERR_TIDELOG_HANDLER_FAILED",
        log.process({ id, from, until: "end", retry: { attempts: 1 } }, fail),
        `failed once for in-0, offset 0: ${texts[i]}`,
      );
      assert.is(error.cause, thrown);
    });
    assert.equal(
      events.map(({ error }) => error instanceof HandlerError),
      [true],
    );
    const buried = log.process({ id, from, until: "end", retry: { attempts: 1 }, deadLetter: dead }, fail);
    assert.equal(await buried, { processed: 0, deadLettered: 1 });
  }
  const letters = await all(log.consumer({ topics: [dead], until: "end" }));
  assert.equal(
    letters.map((letter) => String(header(letter, "dead.error"))),
    texts,
  );
});

test("a record that would be too large with its letter's headers goes there with less", async ({ open }) => {
  const log = await open();
  const cases: [string, number, { maxBatchBytes?: number; compression?: "lz4" }, string | undefined, boolean][] = [
    ["fits", 1000, {}, undefined, true],
    ["its own headers don't fit", 1_048_576 - 1200, {}, "headers", true],
    ["its own headers don't fit, nor the whole message", 1_048_576 - 700, {}, "headers", true],
    ["no headers fit", 1_048_500, {}, "headers,value", false],
    ["the other topic takes less", 20_000, { maxBatchBytes: 10_000 }, "headers,value", false],
    ["the other topic takes next to nothing", 20_000, { maxBatchBytes: 128 }, undefined, false],
    ["the other topic compresses what does not shrink", 1_048_400, { compression: "lz4" }, "headers,value", false],
  ];
  const message = "m".repeat(2000);
  for (const [i, [what, size, config, omitted, whole]] of cases.entries()) {
    const from = await log.topic(`in${i}`);
    const value = randomBytes(size);
    const headers: HeaderInput[] = size > 1_048_400 ? [] : [["own", "x".repeat(Math.min(500, 1_048_400 - size))]];
    await log.producer().send(from, { key: Buffer.from("k"), value, headers });
    for (const by of ["process", "run"]) {
      const name = `dead${i}-${by}`;
      const dead = await log.topic(name, { durability: "fsync", ...config });
      const fail = () => {
        throw new Error(message);
      };
      const options = { retry: { attempts: 1 }, deadLetter: name };
      if (by === "process") await log.process({ id: name, from, until: "end", ...options }, fail);
      else await log.consumer({ group: name, topics: [from], until: "end" }).run(fail, options);
      const [letter] = await all(log.consumer({ topics: [dead], until: "end" }));
      assert.equal(String(header(letter!, "dead.topic")), `in${i}`, what);
      assert.equal(String(header(letter!, "dead.offset")), "0", what);
      assert.is(header(letter!, "dead.omitted")?.toString(), omitted, `${what}, ${by}`);
      assert.is(letter!.value?.equals(value) ?? false, whole, `${what}, ${by}`);
    }
  }
});

test("a dead letter topic that would not do is refused before anything is read", async ({ open }) => {
  const log = await open();
  const { from } = await numbers(log, 1);
  await log.topic("compacted", { cleanup: "compact" });
  await log.topic("buffered", { durability: "buffered" });
  const sources = [from, "buffered"] as const;
  for (const [deadLetter, text] of [
    [from, "is a topic that is read here"],
    ["in", "is a topic that is read here"],
    ["buffered", "is a topic that is read here"],
    ["compacted", "is compacted"],
  ] as const) {
    const fail = () => assert.unreachable();
    await failure(
      "ERR_TIDELOG_INVALID_ARGUMENT",
      log.process({ id: "p", from: sources, until: "end", deadLetter }, fail),
      text,
    );
    const consumer = log.consumer({ group: "g", topics: sources, until: "end" });
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", consumer.run(fail, { deadLetter }), text);
  }
  // A run sends its letters; a processing commits them.
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    log.process({ id: "p", from, deadLetter: "buffered" }, () => {}),
    "fsync",
  );
  const consumer = log.consumer({ group: "g", topics: [from], until: "end" });
  assert.equal(await consumer.run(() => {}, { deadLetter: "buffered" }), { handled: 1, deadLettered: 0 });
});

test("the log can be closed in a handler, which ends it with the batch undone", async ({ open }) => {
  let log = await open();
  const { from, out } = await numbers(log, 10);
  const report = await log.process({ id: "p", from, batch: 4 }, async (record, tx) => {
    tx.send(out, { value: record.value! });
    if (record.value === 5) await log.close();
  });
  assert.equal(report, { processed: 4, deadLettered: 0 });
  log = await open();
  assert.equal(await outOf(log), range(4));
});

test("transactions in a handler are its own, and one of the processing's id ends it", async ({ open }) => {
  const log = await open();
  const { from, out } = await numbers(log, 3);
  await log.process({ id: "p", from, until: "end" }, async (record) => {
    await log.transaction("other", (tx) => tx.send(out, { value: record.value! }));
  });
  assert.equal(await outOf(log), range(3));
  const taken = log.process({ id: "q", from, until: "end" }, async (_, tx) => {
    tx.send(out, { value: -1 });
    await log.transaction("q", (own) => own.send(out, { value: 9 }));
  });
  await failure("ERR_TIDELOG_PRODUCER_FENCED", taken);
  assert.equal(new Set(await outOf(log)), new Set([...range(3), 9]));
});

test("what can't be deserialized goes there at once, or ends it", async ({ open }) => {
  const log = await open();
  const raw = await log.topic("in", { value: string() });
  const out = await log.topic("out", { durability: "fsync", value: json<number>() });
  await log.topic("dead", { durability: "fsync" });
  for (const value of ["1", "{", "2", "3"]) await log.producer().send(raw, { value });
  const from = await log.openTopic("in", { value: json<number>() });
  const handler = (record: { value: number | null }, tx: Transaction) => tx.send(out, { value: record.value! });
  const processing = log.process({ id: "p", from, until: "end", retry: quick }, handler);
  await failure("ERR_TIDELOG_SERIALIZATION", processing, "offset 1");
  assert.equal(await outOf(log), [1]);
  const report = await log.process({ id: "p", from, until: "end", deadLetter: "dead" }, handler);
  assert.equal(report, { processed: 2, deadLettered: 1 });
  assert.equal(await outOf(log), [1, 2, 3]);
  const [letter] = await all(log.consumer({ topics: ["dead"], until: "end" }));
  assert.is(String(letter!.value), "{");
});

test("a batch that is too large, or too slow, is tried in smaller ones", async ({ open }) => {
  const log = await open();
  const { from, out } = await numbers(log, 100);
  const large = await log.topic("large", { durability: "fsync", value: string() });
  const report = await log.process({ id: "a", from, until: "end", maxBytes: 20_000 }, (record, tx) => {
    tx.send(large, { value: "x".repeat(1000) });
    tx.send(out, { value: record.value! });
  });
  assert.equal(report, { processed: 100, deadLettered: 0 });
  assert.equal(await outOf(log), range(100));
  const slow = await log.process({ id: "b", from, until: "end", batch: 16, timeoutMs: 100 }, async (record, tx) => {
    if (record.value! < 20) await sleep(15);
    tx.send(out, { value: record.value! });
  });
  assert.equal(slow, { processed: 100, deadLettered: 0 });
  assert.equal(await outOf(log), [...range(100), ...range(100)]);
});

test("a twin that takes the id over ends the older one, and each record counts once", async ({ open }) => {
  const log = await open();
  const { out } = await numbers(log, 200);
  const end = new AbortController();
  const work = (on: Log, ms: number, signal?: AbortSignal) =>
    on.process({ id: "p", from: "in", batch: 10, signal }, async (record, tx) => {
      await sleep(ms);
      tx.send("out", { value: record.value });
    });
  const twin = await open();
  await Promise.all([twin.openTopic("in"), twin.openTopic("out")]);
  const older = work(log, 2);
  const told = failure("ERR_TIDELOG_PRODUCER_FENCED", older);
  const copied = log.raw.partition(out, 0);
  while (copied.highWatermark < 30) await sleep(5);
  // It is a member of the group as well, and gets the partition when the older one has gone.
  const younger = failure("ERR_TIDELOG_ABORTED", work(twin, 0, end.signal));
  await told;
  assert.ok(copied.highWatermark < 200);
  while (copied.highWatermark < 200) await sleep(5);
  end.abort();
  await younger;
  assert.equal(await outOf(log), range(200));
});

test("closing the log ends it quietly, with the batch in hand undone", async ({ open }) => {
  let log = await open();
  const { from, out } = await numbers(log, 100);
  let seen = 0;
  const processing = log.process({ id: "p", from, batch: 10 }, async (record, tx) => {
    tx.send(out, { value: record.value! });
    seen += 1;
    await sleep(2);
  });
  while (seen < 25) await sleep(5);
  await log.close();
  const { processed } = await processing;
  log = await open();
  assert.equal(await outOf(log), range(processed));
  assert.is(processed % 10, 0);
});

test("neither a close nor a signal waits for a pause to be over", async ({ open }) => {
  const log = await open();
  const { from } = await numbers(log, 1);
  const retry = { delayMs: 60_000, maxDelayMs: 60_000 };
  const abort = new AbortController();
  let failures = 0;
  const fail = () => {
    failures += 1;
    throw new Error("no");
  };
  const aborted = log.process({ id: "a", from, retry, signal: abort.signal }, fail);
  const closed = log.process({ id: "b", from, retry }, fail);
  while (failures < 2) await sleep(5);
  await sleep(20);
  abort.abort("enough");
  await failure("ERR_TIDELOG_ABORTED", aborted);
  await log.close();
  assert.equal(await closed, { processed: 0, deadLettered: 0 });
});

test("several topics, and a place to begin", async ({ open }) => {
  const log = await open();
  const { from } = await numbers(log, 10);
  const other = await log.topic("other", { value: string() });
  await log.producer().send(other, { value: "a" });
  const seen: (number | string | null)[] = [];
  const start = log.process({ id: "p", from: [from, other], start: "latest", until: "end" }, ({ value }) => {
    seen.push(value);
  });
  assert.equal(await start, { processed: 0, deadLettered: 0 });
  await log.process({ id: "q", from: [from, other], until: "end" }, ({ value }) => {
    seen.push(value);
  });
  assert.equal(new Set(seen), new Set([...range(10), "a"]));
});

test("what it can't be told is refused", async ({ open }) => {
  const log = await open();
  const { from } = await numbers(log, 1);
  const refused = (options: object, text = "") =>
    failure(
      "ERR_TIDELOG_INVALID_ARGUMENT",
      log.process({ id: "p", from, until: "end", ...options }, () => {}),
      text,
    );
  await refused({ id: "" }, "id");
  await refused({ group: "" }, "group");
  await refused({ from: undefined }, "from");
  await refused({ from: [] });
  await refused({ batch: 0 }, "batch");
  await refused({ start: "end" }, "start");
  await refused({ until: "noon" }, "until");
  await refused({ retry: { attempts: 0 } }, "attempts");
  await refused({ retry: { tries: 1 } }, "tries");
  await refused({ retry: 5 }, "retry");
  await refused({ timeoutMs: 0 }, "timeoutMs");
  await refused({ concurrency: 5 }, "concurrency");
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    log.process(undefined as never, () => {}),
  );
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.process({ id: "p", from }, 5 as never), "function");
  await failure(
    "ERR_TIDELOG_UNKNOWN_TOPIC",
    log.process({ id: "p", from: "nowhere" }, () => {}),
  );
  await failure(
    "ERR_TIDELOG_UNKNOWN_TOPIC",
    log.process({ id: "p", from, deadLetter: "nowhere" }, () => {}),
  );
});

run();
