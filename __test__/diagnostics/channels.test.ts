// What listeners on diagnostics_channel are told.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import {
  type CloseEvent,
  type CommitEvent,
  type DeadLetterEvent,
  type ErrorEvent,
  type FetchEvent,
  json,
  type OpenEvent,
  open as openLog,
  type ProcessEvent,
  type ProduceEvent,
  type RecoveryEvent,
  type RetentionEvent,
  type RetryEvent,
  string,
  type TransactionAbortEvent,
  type TransactionBeginEvent,
  type TransactionCommitEvent,
} from "../../ts/index.js";
import { root } from "../job/folder.js";
import { start } from "../support/child.js";
import { all, failure, first, heard, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("diagnostics");

test("opening and closing", async ({ folder, open }) => {
  const opened = await heard<OpenEvent>("tidelog:open", () => open());
  assert.equal(
    opened.map(({ path, readOnly }) => [path, readOnly]),
    [[folder, false]],
  );
  const log = await open();
  const closed = await heard<CloseEvent>("tidelog:close", () => log.close());
  assert.equal(closed, [{ path: folder, id: opened[0]!.id }]);
});

test("each group of records, stored or not", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string(), maxBatchBytes: 1000 });
  const producer = log.producer();
  const events = await heard<ProduceEvent>("tidelog:produce", async () => {
    await Promise.all([producer.send(topic, { value: "a" }), producer.send(topic, { value: "b" })]);
    await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.send(topic, { value: "x".repeat(2000) }));
  });
  assert.equal(
    events.map(({ topic: name, records, error }) => [name, records, error?.code]),
    [
      ["t", 2, undefined],
      ["t", 1, "ERR_TIDELOG_RECORD_TOO_LARGE"],
    ],
  );
  assert.ok(events.every(({ bytes, durationMs }) => bytes > 0 && durationMs >= 0));
});

test("failures of producing and reading", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string(), maxBatchBytes: 1000 });
  const events = await heard<ErrorEvent>("tidelog:error", async () => {
    await failure("ERR_TIDELOG_RECORD_TOO_LARGE", log.producer().send(topic, { value: "x".repeat(2000) }));
    await failure(
      "ERR_TIDELOG_OFFSET_OUT_OF_RANGE",
      all(log.consumer({ assign: [{ topic, partition: 0, offset: 5 }] })),
    );
  });
  assert.equal(
    events.map(({ operation, error }) => [operation, error.code]),
    [
      ["produce", "ERR_TIDELOG_RECORD_TOO_LARGE"],
      ["read", "ERR_TIDELOG_OFFSET_OUT_OF_RANGE"],
    ],
  );
});

test("each failure of a handler while it happens, and each record that goes to a dead letter topic", async ({
  folder,
  open,
}) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<number>() });
  await log.topic("dead", { durability: "fsync" });
  await log.producer().sendBatch(
    topic,
    range(3).map((value) => ({ value })),
  );
  const thrown = new Error("no");
  const fail = ({ value }: { value: number | null }) => {
    if (value === 1) throw thrown;
  };
  const options = { deadLetter: "dead", retry: { attempts: 3, delayMs: 1 } };
  const place = { path: folder, topic: "t", partition: 0, offset: 1, error: thrown };
  for (const [name, id, work] of [
    ["run", null, () => log.consumer({ group: "run", topics: [topic], until: "end" }).run(fail, options)],
    ["process", "process", () => log.process({ id: "process", from: topic, until: "end", ...options }, fail)],
  ] as const) {
    let letters: DeadLetterEvent[] = [];
    const retries = await heard<RetryEvent>("tidelog:retry", async () => {
      letters = await heard<DeadLetterEvent>("tidelog:deadletter", work);
    });
    const by = { group: name, id };
    assert.equal(retries, [
      { ...place, ...by, attempt: 1, delayMs: 1 },
      { ...place, ...by, attempt: 2, delayMs: 2 },
    ]);
    assert.equal(letters, [{ ...place, ...by, attempts: 3, deadLetter: "dead" }]);
  }
  assert.equal((await log.metrics()).handlers, { failures: 6, retries: 4, deadLettered: 2 });
  const ended = await heard<ErrorEvent>("tidelog:error", async () => {
    const { deadLetter: _, ...without } = options;
    const running = log.consumer({ group: "other", topics: [topic], until: "end" }).run(fail, without);
    await failure("ERR_TIDELOG_HANDLER_FAILED", running);
    await failure(
      "ERR_TIDELOG_HANDLER_FAILED",
      log.process({ id: "other process", from: topic, until: "end", ...without }, fail),
    );
  });
  assert.equal(
    ended.map(({ operation, topic, partition, error }) => [operation, topic, partition, error.code]),
    Array(2).fill(["handle", "t", 0, "ERR_TIDELOG_HANDLER_FAILED"]),
  );
});

test("each read of a consumer, with what it found", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  await log.producer().sendBatch(
    topic,
    range(10).map((i) => ({ value: `${i}` })),
  );
  const events = await heard<FetchEvent>("tidelog:fetch", async () => {
    await all(log.consumer({ assign: [{ topic, partition: 0, offset: 4 }], until: "end" }));
    await failure(
      "ERR_TIDELOG_OFFSET_OUT_OF_RANGE",
      all(log.consumer({ assign: [{ topic, partition: 0, offset: 99 }] })),
    );
  });
  assert.equal(
    events.map(({ path, topic, partition, offset, records, error }) => [
      path,
      topic,
      partition,
      offset,
      records,
      error?.code,
    ]),
    [
      [folder, "t", 0, 4, 6, undefined],
      [folder, "t", 0, 99, 0, "ERR_TIDELOG_OFFSET_OUT_OF_RANGE"],
    ],
  );
  assert.ok(events[0]!.bytes > 0 && events.every(({ durationMs }) => durationMs >= 0));
});

test("commits of a group, with their offsets", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  await log.producer().sendBatch(topic, [{ value: "a" }, { value: "b" }, { value: "c" }]);
  const consumer = log.consumer({ topics: [topic], group: "g", delivery: "manual", until: "end" });
  const events = await heard<CommitEvent>("tidelog:commit", async () => {
    for (const record of await first(2, consumer)) await record.commit();
    await consumer.close();
  });
  assert.equal(
    events.map(({ durationMs, ...event }) => {
      assert.ok(durationMs >= 0);
      return event;
    }),
    [1, 2].map((offset) => ({ path: folder, group: "g", offsets: [{ topic: "t", partition: 0, offset }] })),
  );
});

test("transactions from their beginning to their end", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("t", { durability: "fsync", value: string() });
  await using producer = await log.transactionalProducer("id");
  const heardOf: unknown[] = [];
  const listeners = (["begin", "commit", "abort"] as const).map((what) => {
    const listen = (event: unknown) => heardOf.push([what, event]);
    subscribe(`tidelog:transaction:${what}`, listen);
    return () => unsubscribe(`tidelog:transaction:${what}`, listen);
  });
  const errors = await heard<ErrorEvent>("tidelog:error", async () => {
    try {
      const empty = producer.begin();
      await empty.commit();
      const first = producer.begin();
      first.send(topic, { value: "a" });
      await first.commit();
      await first.commit();
      const second = producer.begin();
      second.send(topic, { value: "b" });
      await second.abort();
      await second.abort();
      await using fenced = producer.begin();
      fenced.send(topic, { value: "c" });
      await log.transactionalProducer("id");
      await failure("ERR_TIDELOG_PRODUCER_FENCED", fenced.commit());
    } finally {
      for (const stop of listeners) stop();
    }
  });
  type Told = [
    ["begin", TransactionBeginEvent],
    ["commit", TransactionCommitEvent],
    ["begin", TransactionBeginEvent],
    ["abort", TransactionAbortEvent],
    ["begin", TransactionBeginEvent],
    ["commit", TransactionCommitEvent],
    ["abort", TransactionAbortEvent],
  ];
  const told = heardOf as Told;
  assert.equal(
    told.map(([what]) => what),
    ["begin", "commit", "begin", "abort", "begin", "commit", "abort"],
  );
  for (const [, { path, id }] of told) assert.equal([path, id], [folder, "id"]);
  const numbers = told.map(([, { number }]) => number);
  assert.is(new Set(numbers).size, 3);
  assert.equal(
    [0, 1, 2, 2].map((i) => numbers[i * 2]),
    [1, 3, 5, 6].map((i) => numbers[i]),
  );
  assert.ok(told[1][1].durationMs > 0 && told[1][1].error === undefined);
  assert.is(told[3][1].reason.code, "ERR_TIDELOG_INVALID_TRANSACTION_STATE");
  assert.is(told[5][1].error?.code, "ERR_TIDELOG_PRODUCER_FENCED");
  assert.is(told[6][1].reason.code, "ERR_TIDELOG_PRODUCER_FENCED");
  assert.equal(
    errors.map(({ path, operation, error }) => [path, operation, error.code]),
    [[folder, "transaction", "ERR_TIDELOG_PRODUCER_FENCED"]],
  );
});

test("batches of log.process, those that fail as well", async ({ folder, open }) => {
  const log = await open();
  const from = await log.topic("in", { value: json<number>() });
  await log.topic("dead", { durability: "fsync" });
  await log.producer().sendBatch(
    from,
    range(5).map((value) => ({ value })),
  );
  const events = await heard<ProcessEvent>("tidelog:process", async () => {
    const options = { id: "p", group: "g", from, until: "end", batch: 3, deadLetter: "dead" } as const;
    await log.process({ ...options, retry: { attempts: 1 } }, ({ value }) => {
      if (value === 4) throw new Error("four");
    });
  });
  assert.equal(
    events.map(({ path, id, group, records, deadLettered, error }) => [
      path,
      id,
      group,
      records,
      deadLettered,
      ((error as Error | undefined)?.cause as Error | undefined)?.message,
    ]),
    [
      [folder, "p", "g", 3, 0, undefined],
      [folder, "p", "g", 2, 0, "four"],
      [folder, "p", "g", 2, 1, undefined],
    ],
  );
  assert.ok(events.every(({ durationMs }) => durationMs >= 0));
});

test("what retention has deleted", async ({ folder, open }) => {
  const log = await open({ maintenanceIntervalMs: 10 });
  const events = await heard<RetentionEvent>("tidelog:retention", async () => {
    const topic = await log.topic("t", { segment: { bytes: 1 << 20 }, retention: { bytes: 2 << 20 } });
    const producer = log.producer();
    for (const _ of range(6)) await producer.send(topic, { value: Buffer.alloc(700_000) });
    const raw = log.raw.partition(topic, 0);
    while (raw.logStartOffset < 3) await sleep(5);
    await sleep(100);
  });
  assert.ok(events.length > 0);
  for (const { path, topic, partition, segments, bytes } of events) {
    assert.equal([path, topic, partition], [folder, "t", 0]);
    assert.ok(bytes >= segments * 700_000 && bytes < segments * 701_000, `${bytes} bytes of ${segments}`);
  }
  assert.is(
    events.reduce((sum, { segments }) => sum + segments, 0),
    events.at(-1)!.logStartOffset,
  );
});

test("how far a recovery is, and an opening that fails", async ({ folder }) => {
  const writer = start("write_until_killed", folder, "buffered");
  for (const _ of range(30)) await writer.line();
  const errors = await heard<ErrorEvent>("tidelog:error", () => failure("ERR_TIDELOG_STORE_LOCKED", openLog(folder)));
  assert.equal(
    errors.map(({ path, operation, error }) => [path, operation, error.code]),
    [[folder, "open", "ERR_TIDELOG_STORE_LOCKED"]],
  );
  writer.kill();
  await writer.ended;
  const seen: number[] = [];
  const events = await heard<RecoveryEvent>("tidelog:recovery", async () => {
    const log = await openLog(folder, { onRecovery: (done) => seen.push(done) });
    assert.is(log.recovery.clean, false);
    await log.close();
  });
  assert.ok(events.length > 0);
  assert.equal(
    events.map(({ done }) => done),
    seen,
  );
  for (const { path, done, total } of events) assert.ok(path === folder && done >= 0 && total > 0);
});

test("nobody who listens from the middle on is told of a time that was not measured", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t", { value: string() });
  const sending = log.producer().send(topic, { value: "a" });
  await Promise.resolve();
  await new Promise(process.nextTick);
  assert.equal(await heard<ProduceEvent>("tidelog:produce", () => sending), []);
});

test("every channel is documented with its event", async () => {
  const [source, docs] = await Promise.all(
    ["ts/diagnostics.ts", "docs/diagnostics.md"].map((file) => readFile(join(root, file), "utf8")),
  );
  const channels = [...source!.matchAll(/named<(\w+)>\("([\w:]+)"\)/g)];
  assert.is(channels.length, 14);
  for (const [, type, name] of channels) {
    const row = docs!.split("\n").find((line) => line.startsWith(`| \`tidelog:${name}\` | \`${type}\` |`));
    assert.ok(row, name);
  }
});

run();
