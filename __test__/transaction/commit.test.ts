// A transaction becomes visible all at once or not at all, and tells where its records are.

import * as assert from "uvu/assert";
import { json, type Log, string, type TransactionalProducer, TransactionTooLargeError } from "../../ts/index.js";
import { all, failure, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("transactions");

const fsync = { durability: "fsync" } as const;

async function topics(log: Log) {
  const accounts = await log.topic("accounts", { partitions: 3, key: string(), value: json<number>() });
  const audit = await log.topic("audit", { value: string() });
  return { accounts, audit };
}

const ends = async (log: Log) =>
  [0, 1, 2]
    .map((partition) => log.raw.partition("accounts", partition).highWatermark)
    .concat(log.raw.partition("audit", 0).highWatermark);

test("a commit tells where each record is, and makes all of them visible", async ({ open }) => {
  const log = await open(fsync);
  const { accounts, audit } = await topics(log);
  await log.producer().send(audit, { value: "before" });
  await using producer = await log.transactionalProducer("transfer");
  const tx = producer.begin();
  tx.send(audit, { value: "begin" });
  tx.sendBatch(
    accounts,
    range(10).map((i) => ({ key: `a${i}`, value: i, partition: i % 3 })),
  );
  tx.send("audit", { value: Buffer.from("end"), headers: [["h", "1"]], timestamp: 5 });
  await sleep(10);
  assert.is(tx.state, "open");
  assert.equal(await ends(log), [0, 0, 0, 1]);
  const result = await tx.commit();
  assert.is(tx.state, "committed");
  assert.equal(await ends(log), [4, 3, 3, 3]);
  const sent = result.of(accounts);
  assert.equal([sent.count, sent.appended], [10, 10]);
  for (const i of range(10)) {
    assert.equal([sent.partition(i), sent.offset(i)], [i % 3, Math.floor(i / 3)]);
    const record = await accounts.get({ partition: sent.partition(i), offset: sent.offset(i) });
    assert.equal([record!.key, record!.value], [`a${i}`, i]);
  }
  assert.equal([...result.of("audit").offsets()], [1, 2]);
  assert.is(result.of("nothing").count, 0);
  assert.is(
    result.runs.reduce((sum, { count }) => sum + count, 0),
    12,
  );
  assert.is(result.runs.filter(({ topic }) => topic === "audit").length, 1);
  const last = await audit.get({ offset: 2 });
  assert.equal([last!.value, last!.timestamp, last!.headers.length], ["end", 5, 1]);
});

test("a commit asked for again gives the same answer and does nothing", async ({ open }) => {
  const log = await open(fsync);
  const { audit } = await topics(log);
  await using producer = await log.transactionalProducer("t");
  const tx = producer.begin();
  tx.send(audit, { value: "once" });
  const [first, second] = await Promise.all([tx.commit(), tx.commit()]);
  assert.is(first, second);
  assert.is(await tx.commit(), first);
  assert.is(log.raw.partition(audit, 0).highWatermark, 1);
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", tx.abort(), "committed");
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", () => tx.send(audit, { value: "late" }));
  await tx[Symbol.asyncDispose]();
});

test("an abort, a disposal and a throw leave nothing, and free the id", async ({ open }) => {
  const log = await open(fsync);
  const { accounts, audit } = await topics(log);
  await using producer = await log.transactionalProducer("t");
  const tx = producer.begin();
  tx.sendBatch(
    accounts,
    range(5000).map((i) => ({ key: `${i}`, value: i })),
  );
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", () => producer.begin(), "has not ended");
  await tx.abort();
  await tx.abort();
  assert.is(tx.state, "aborted");
  assert.ok(tx.signal.aborted);
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", tx.commit(), "aborted");
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", () => tx.send(audit, { value: "late" }));
  {
    await using dropped = producer.begin();
    dropped.send(audit, { value: "dropped" });
  }
  const last = producer.begin();
  last.send(audit, { value: "kept" });
  await last.commit();
  assert.equal(await ends(log), [0, 0, 0, 1]);
});

test("readers never see a part of one", async ({ open }) => {
  const log = await open(fsync);
  const { accounts } = await topics(log);
  await using producer = await log.transactionalProducer("transfer");
  const reading = log.consumer({ topics: [accounts], group: "g", delivery: "manual" });
  await using reader = await log.transactionalProducer("reader");
  const transfers = 60;
  const write = async () => {
    for (const n of range(transfers)) {
      const tx = producer.begin();
      for (const partition of range(3)) tx.send(accounts, { partition, value: n });
      await tx.commit();
    }
  };
  const read = async () => {
    // What one take could see: as many of each partition, or a transaction was half there.
    const seen = [0, 0, 0];
    while (seen[2]! < transfers) {
      const tx = reader.begin();
      for (const { partition, value } of await tx.take(reading, { max: 100_000 })) {
        assert.is(value, seen[partition]!++);
      }
      await tx.commit();
      assert.equal(seen, [seen[0], seen[0], seen[0]]);
    }
  };
  await Promise.all([write(), read()]);
});

test("a record that can't be serialized throws at its send, and the others go on; half a batch does not", async ({
  open,
}) => {
  const log = await open(fsync);
  const { audit } = await topics(log);
  await using producer = await log.transactionalProducer("t");
  const tx = producer.begin();
  await failure("ERR_TIDELOG_SERIALIZATION", () => tx.send(audit, { value: 5 as never }));
  tx.send(audit, { value: "good" });
  await failure("ERR_TIDELOG_SERIALIZATION", () => tx.send(audit, { value: 6 as never }));
  await failure("ERR_TIDELOG_UNKNOWN_PARTITION", () => tx.send(audit, { value: "x", partition: 1 }));
  assert.is((await tx.commit()).of(audit).count, 1);
  const half = producer.begin();
  await failure(
    "ERR_TIDELOG_SERIALIZATION",
    () => half.sendBatch(audit, [{ value: "a" }, { value: 7 as never }]),
    "record 1",
  );
  await failure("ERR_TIDELOG_SERIALIZATION", half.commit());
  assert.is(half.state, "aborted");
  assert.is(log.raw.partition(audit, 0).highWatermark, 1);
});

test("a record whose serde ends the transaction meanwhile is refused, not left out without a word", async ({
  open,
}) => {
  const log = await open(fsync);
  await topics(log);
  await using producer = await log.transactionalProducer("t");
  for (const how of ["commit", "abort"] as const) {
    const tx = producer.begin();
    let ended: Promise<unknown> | undefined;
    const value = {
      serialize(text: string) {
        ended = tx[how]();
        return Buffer.from(text);
      },
      deserialize: (bytes: Uint8Array) => String(bytes),
    };
    const ends = await log.openTopic("audit", { value });
    await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", () => tx.send(ends, { value: "late" }));
    await ended;
  }
  assert.is(log.raw.partition("audit", 0).highWatermark, 0);
});

test("one with nothing in it commits", async ({ open }) => {
  const log = await open(fsync);
  await using producer = await log.transactionalProducer("t");
  assert.equal((await producer.begin().commit()).runs, []);
  const tx = producer.begin();
  assert.match(tx.number, /^\d+:\d+:\d+$/);
  assert.equal((await tx.commit()).runs, []);
});

test("a buffered topic is refused by its name, where it is given", async ({ open }) => {
  const log = await open(fsync);
  const { audit } = await topics(log);
  const loose = await log.topic("loose", { durability: "buffered", value: string() });
  await using producer = await log.transactionalProducer("t");
  const tx = producer.begin();
  tx.send(audit, { value: "a" });
  const send = () => tx.send(loose, { value: "b" });
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", send, /"loose".*"fsync"/);
  await tx.commit();
  assert.is(log.raw.partition(audit, 0).highWatermark, 1);
  await loose.alter({ durability: "fsync" });
  const next = producer.begin();
  next.send(loose, { value: "b" });
  await next.commit();
});

test("more than maxBytes is refused, with figures, and only the abort is left", async ({ open }) => {
  const log = await open(fsync);
  const { audit } = await topics(log);
  await using producer = await log.transactionalProducer("t", { maxBytes: 100_000 });
  const tx = producer.begin();
  const fill = async () => {
    for (const i of range(1000)) {
      tx.send(audit, { value: "x".repeat(1000) });
      if (i % 10 === 0) await sleep(0);
    }
  };
  const error = await failure("ERR_TIDELOG_TRANSACTION_TOO_LARGE", fill());
  assert.instance(error, TransactionTooLargeError);
  const { size, limit, indefinite } = error as TransactionTooLargeError;
  assert.ok(size > 100_000);
  assert.equal([limit, indefinite], [100_000, false]);
  await failure("ERR_TIDELOG_TRANSACTION_TOO_LARGE", tx.commit());
  const next = producer.begin();
  next.send(audit, { value: "fits" });
  await next.commit();
  assert.is(log.raw.partition(audit, 0).highWatermark, 1);
});

test("a record larger than its topic takes ends it", async ({ open }) => {
  const log = await open(fsync);
  const small = await log.topic("small", { maxBatchBytes: 1000, value: string() });
  await using producer = await log.transactionalProducer("t");
  const tx = producer.begin();
  tx.send(small, { value: "fits" });
  tx.send(small, { value: "x".repeat(5000) });
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", tx.commit());
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", () => tx.send(small, { value: "fits" }));
  assert.is(log.raw.partition(small, 0).highWatermark, 0);
});

test("what is not committed in time is aborted; waiting to begin costs nothing", async ({ open }) => {
  const log = await open(fsync);
  const { audit } = await topics(log);
  await using producer = await log.transactionalProducer("t", { timeoutMs: 400 });
  const patient = producer.begin();
  await sleep(600);
  patient.send(audit, { value: "in time" });
  await patient.commit();
  const tx = producer.begin();
  tx.send(audit, { value: "too late" });
  while (tx.state !== "aborted") await sleep(5);
  await failure("ERR_TIDELOG_TRANSACTION_TIMED_OUT", () => tx.send(audit, { value: "later" }), "400 ms");
  await failure("ERR_TIDELOG_TRANSACTION_TIMED_OUT", tx.commit());
  assert.is((tx.signal.reason as { code: string }).code, "ERR_TIDELOG_TRANSACTION_TIMED_OUT");
  const next = producer.begin();
  next.send(audit, { value: "next" });
  await next.commit();
  assert.is(log.raw.partition(audit, 0).highWatermark, 2);
});

test("a signal aborts what is open", async ({ open }) => {
  const log = await open(fsync);
  const { audit } = await topics(log);
  await using producer = await log.transactionalProducer("t");
  const abort = new AbortController();
  const tx = producer.begin({ signal: abort.signal });
  tx.send(audit, { value: "x" });
  abort.abort("enough");
  const error = await failure("ERR_TIDELOG_ABORTED", tx.commit());
  assert.is(error.cause, "enough");
  await failure("ERR_TIDELOG_ABORTED", () => producer.begin({ signal: abort.signal }));
  assert.is(log.raw.partition(audit, 0).highWatermark, 0);
});

test("closing aborts what is open and waits for what is being committed", async ({ open }) => {
  let log = await open(fsync);
  const { audit } = await topics(log);
  const make = (id: string) => log.transactionalProducer(id);
  const [idle, writing, committing] = (await Promise.all([make("a"), make("b"), make("c")])) as [
    TransactionalProducer,
    TransactionalProducer,
    TransactionalProducer,
  ];
  const left = writing.begin();
  left.send(audit, { value: "left open" });
  const tx = committing.begin();
  tx.send(audit, { value: "committed" });
  const commit = tx.commit();
  await log.close();
  await commit;
  await failure("ERR_TIDELOG_CLOSED", left.commit());
  await failure("ERR_TIDELOG_CLOSED", () => idle.begin());
  log = await open(fsync);
  const texts = await all(log.consumer({ topics: [await log.topic("audit", { value: string() })], until: "end" }));
  assert.equal(
    texts.map(({ value }) => value),
    ["committed"],
  );
});

test("the outcome can be asked for, by its number, in the next life", async ({ open }) => {
  let log = await open(fsync);
  const { audit } = await topics(log);
  const producer = await log.transactionalProducer("t");
  const numbers: string[] = [];
  for (const value of ["a", "b"]) {
    const tx = producer.begin();
    tx.send(audit, { value });
    numbers.push(tx.number);
    assert.is((await log.transactionOutcome("t", tx.number)).status, "open");
    await tx.commit();
  }
  const dropped = producer.begin();
  dropped.send(audit, { value: "c" });
  numbers.push(dropped.number);
  await dropped.abort();
  assert.is((await log.transactionOutcome("t", numbers[2]!)).status, "open");
  for (const _ of range(2)) {
    // Who had the id can't commit any more.
    await log.transactionalProducer("t");
    const [a, b, c] = await Promise.all(numbers.map((number) => log.transactionOutcome("t", number)));
    assert.equal([a!.status, c], ["committed", { status: "not-committed", runs: null }]);
    assert.equal(b, {
      status: "committed",
      runs: [{ topic: "audit", partition: 0, baseOffset: 1, count: 1, timestamp: -1 }],
    });
    await log.close();
    log = await open(fsync);
  }
  for (const number of ["", "1:2", "-1:0:1", "1:40000:1", "9223372036854775808:0:1", 5, null]) {
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.transactionOutcome("t", number as string), "tx.number");
  }
  await failure("ERR_TIDELOG_UNKNOWN_OUTCOME", log.transactionOutcome("never used", numbers[0]!));
});

test("offsets sent by hand are committed with it, or not at all", async ({ open }) => {
  const log = await open(fsync);
  const { accounts, audit } = await topics(log);
  await log.producer().sendBatch(
    accounts,
    range(30).map((value) => ({ value, partition: 1 })),
  );
  await using producer = await log.transactionalProducer("t");
  for (const end of ["abort", "commit"] as const) {
    const tx = producer.begin();
    tx.send(audit, { value: end });
    tx.sendOffsets("g", [{ topic: accounts, partition: 1, offset: 12, metadata: "twelve" }]);
    await tx[end]();
    const { offsets } = await log.group("g").describe();
    assert.equal(
      offsets.map(({ partition, offset, metadata }) => [partition, offset, metadata]),
      end === "abort" ? [] : [[1, 12, "twelve"]],
    );
  }
});

test("hostile arguments are refused before anything happens", async ({ open }) => {
  const log = await open(fsync);
  const { audit } = await topics(log);
  for (const id of ["", "a\0b", 5, null, "\udfff"]) {
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.transactionalProducer(id as string), "id");
  }
  for (const options of [{ timeoutMs: 0 }, { timeoutMs: 2 ** 31 }, { maxBytes: 5 }, { partitioner: 5 }, { x: 1 }, 5]) {
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.transactionalProducer("t", options as never));
  }
  await using producer = await log.transactionalProducer("t");
  const tx = producer.begin();
  const invalid = (call: () => unknown, text = "") => failure("ERR_TIDELOG_INVALID_ARGUMENT", call, text);
  await invalid(() => tx.send(5 as never, { value: "x" }));
  await invalid(() => tx.sendBatch(audit, 5 as never), "array");
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", () => tx.send("nowhere", { value: Buffer.from("x") }), "openTopic");
  await failure("ERR_TIDELOG_INVALID_RECORD", () => tx.send(audit, null as never));
  await invalid(() => tx.sendOffsets("", []), "group");
  await invalid(() => tx.sendOffsets("g", 5 as never), "array");
  await invalid(() => tx.sendOffsets("g", [{ topic: audit, partition: 0, offset: -1 }]), "offsets[0]");
  await invalid(() => tx.sendOffsets("g", [{ topic: audit, partition: 0, offset: 0, metadata: 5 as never }]));
  await failure("ERR_TIDELOG_UNKNOWN_PARTITION", () =>
    tx.sendOffsets("g", [{ topic: audit, partition: 7, offset: 0 }]),
  );
  await invalid(() => tx.take(5 as never), "consumer");
  await invalid(() => tx.take(log.consumer({ topics: [audit] })), "group");
  await invalid(() => tx.take(log.consumer({ topics: [audit], group: "g" }), { max: 0 }), "max");
  tx.send(audit, { value: "still of use" });
  await tx.commit();
});

run();
