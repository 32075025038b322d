// Opening and closing: what is made, what is found again, what is refused and untouched, and what comes after.

import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as assert from "uvu/assert";
import { open, StoreLockedError, string } from "../../ts/index.js";
import { start } from "../support/child.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("open and close");

test("makes a store where there is none, and finds everything again", async ({ folder }) => {
  const path = join(folder, "new");
  {
    await using log = await open(path);
    assert.is(log.path, path);
    assert.is(log.readOnly, false);
    assert.is(log.recovery.damaged.length, 0);
    const topic = await log.topic("t", { partitions: 3, value: string() });
    const producer = log.producer();
    await producer.sendBatch(
      topic,
      range(100).map((i) => ({ value: `v${i}`, partition: i % 3 })),
    );
  }
  await using log = await open(pathToFileURL(path));
  assert.is(log.recovery.clean, true);
  const topic = await log.openTopic("t", { value: string() });
  assert.is(topic.partitions, 3);
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.equal(
    records.map(({ value }) => value).sort(),
    range(100)
      .map((i) => `v${i}`)
      .sort(),
  );
});

test("makes nothing with create: false", async ({ folder }) => {
  const path = join(folder, "none");
  await failure("ERR_TIDELOG_NOT_A_STORE", open(path, { create: false }), path);
  await failure("ERR_TIDELOG_NOT_A_STORE", open(path, { readOnly: true }), path);
  assert.not(existsSync(path));
});

test("refuses a folder with other things in it, and touches none of them", async ({ folder }) => {
  await writeFile(join(folder, "precious.txt"), "mine");
  await failure("ERR_TIDELOG_NOT_A_STORE", open(folder), folder);
  assert.equal(await readdir(folder), ["precious.txt"]);
  assert.is(await readFile(join(folder, "precious.txt"), "utf8"), "mine");
});

test("refuses a file in the place of the folder", async ({ folder }) => {
  const path = join(folder, "file");
  await writeFile(path, "mine");
  const error = await open(path).then(
    () => assert.unreachable(),
    (reason) => reason,
  );
  assert.match(error.code, /ERR_TIDELOG_(NOT_A_STORE|IO)/);
  assert.is(readFileSync(path, "utf8"), "mine");
});

test("refuses a store of a newer version, and touches nothing", async ({ folder }) => {
  await (await open(folder)).close();
  const file = join(folder, "meta.properties");
  const newer = (await readFile(file, "utf8")).replace(/^(tidelog.format.version)=.*$/m, "$1=9999");
  assert.match(newer, "9999");
  await writeFile(file, newer);
  await failure("ERR_TIDELOG_UNSUPPORTED_VERSION", open(folder), "9999");
  assert.is(await readFile(file, "utf8"), newer);
});

test("a signal that has aborted, or aborts right after the call, ends an opening with nothing to recover", async ({
  folder,
}) => {
  const path = join(folder, "new");
  const early = await failure("ERR_TIDELOG_ABORTED", open(path, { signal: AbortSignal.abort("early") }));
  assert.equal([early.name, early.cause], ["AbortError", "early"]);
  assert.not(existsSync(path));
  for (const round of range(3)) {
    const abort = new AbortController();
    const opening = open(path, { signal: abort.signal });
    abort.abort(round);
    assert.is((await failure("ERR_TIDELOG_ABORTED", opening)).cause, round);
  }
  // Nothing holds it.
  const holder = start("hold", path);
  assert.is(await holder.line(), "open");
  holder.kill();
  await holder.ended;
});

test("a second process is told who holds the store", async ({ folder }) => {
  const holder = start("hold", folder);
  assert.is(await holder.line(), "open");
  const error = await failure("ERR_TIDELOG_STORE_LOCKED", open(folder), String(holder.process.pid));
  assert.instance(error, StoreLockedError);
  assert.is((error as StoreLockedError).pid, holder.process.pid);
  assert.is(error.retriable, true);
  holder.kill();
  await holder.ended;
  // A lock does not outlive its process, however that ended.
  await (await open(folder)).close();
});

test("with lockTimeoutMs it waits for the one who holds the store, and no longer than that", async ({ folder }) => {
  const holder = start("hold", folder);
  assert.is(await holder.line(), "open");
  const held = await failure("ERR_TIDELOG_STORE_LOCKED", open(folder, { lockTimeoutMs: 50 }));
  assert.is((held as StoreLockedError).pid, holder.process.pid);
  const reason = new Error("enough");
  const control = new AbortController();
  const aborted = open(folder, { lockTimeoutMs: 600_000, signal: control.signal });
  setImmediate(() => control.abort(reason));
  assert.is((await failure("ERR_TIDELOG_ABORTED", aborted)).cause, reason);

  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  const waiting = open(folder, { lockTimeoutMs: "10 min" });
  // It has been refused, and tries again.
  await failure("ERR_TIDELOG_STORE_LOCKED", open(folder));
  holder.tell("close");
  await holder.ended;
  const log = await waiting;
  clearInterval(turning);
  assert.ok(turns > 0, "the event loop goes on");
  assert.is(log.recovery.clean, true);
  await log.close();
});

test("lockTimeoutMs is a time, and not for a reader, who takes no lock", async ({ folder }) => {
  for (const lockTimeoutMs of [-1, 0.5, Number.NaN, "soon", null]) {
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", open(folder, { lockTimeoutMs } as object), "lockTimeoutMs");
  }
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", open(folder, { lockTimeoutMs: 5, readOnly: true }), "lockTimeoutMs");
  assert.equal(await readdir(folder), []);
  const log = await open(folder, { lockTimeoutMs: 0 });
  await log.close();
});

test("the same folder opened twice in a process is one store", async ({ open: openLog }) => {
  const [one, other] = [await openLog(), await openLog()];
  const topic = await one.topic("t");
  assert.is(one.id, other.id);
  await one.producer().send(topic, { value: Buffer.from("v") });
  assert.equal(await other.topics(), ["t"]);
  await one.close();
  const records = await all(other.consumer({ topics: ["t"], until: "end" }));
  assert.is(String(records[0]?.value), "v");
});

test("everything made from a closed log rejects with ERR_TIDELOG_CLOSED", async ({ open: openLog }) => {
  const log = await openLog();
  const topic = await log.topic("t");
  const producer = log.producer();
  const consumer = log.consumer({ topics: [topic] });
  const partition = log.raw.partition(topic, 0);
  await log.close();
  const calls: (() => unknown)[] = [
    () => log.topic("t"),
    () => log.openTopic("t"),
    () => log.topics(),
    () => log.deleteTopic("t"),
    () => log.sync(),
    () => log.producer(),
    () => log.consumer({ topics: [topic] }),
    () => log.raw.partition(topic, 0),
    () => topic.describe(),
    () => topic.alter({ partitions: 2 }),
    () => topic.deleteRecords({ before: 0 }),
    () => topic.get({ offset: 0 }),
    () => topic.sync(),
    () => producer.send(topic, { value: null }),
    () => producer.sendBatch(topic, [{ value: null }]),
    () => producer.trySend(topic, { value: null }),
    () => producer.ready(),
    () => producer.flush(),
    () => all(consumer),
    () => consumer.seek({ offset: 0 }),
    () => consumer.lag(),
    () => consumer.pause(),
    () => partition.append(Buffer.alloc(100)),
    () => partition.readInto(Buffer.alloc(100), { offset: 0 }),
    () => partition.waitFor(0),
    () => partition.offsetForTime(0),
  ];
  for (const call of calls) await failure("ERR_TIDELOG_CLOSED", async () => call());
});

test("closing twice, or all at once, is closing once", async ({ open: openLog }) => {
  const log = await openLog();
  const producer = log.producer();
  await Promise.all([log.close(), log.close(), producer.close(), log[Symbol.asyncDispose]()]);
  await log.close();
});

test("closing sends what producers have taken in, and ends loops", async ({ folder }) => {
  const log = await open(folder);
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  const reading = all(log.consumer({ topics: [topic] }));
  const sends = range(100).map((i) => producer.send(topic, { value: `v${i}` }));
  for (const i of range(100)) assert.ok(producer.trySend(topic, { value: `w${i}` }));
  await log.close();
  assert.is((await Promise.all(sends)).length, 100);
  assert.ok((await reading).length <= 200);
  await using again = await open(folder);
  const reopened = await again.openTopic("t", { value: string() });
  assert.is((await all(again.consumer({ topics: [reopened], until: "end" }))).length, 200);
});

test("folders that do not exist yet are made below one that does", async ({ folder }) => {
  const path = join(folder, "a", "b", "c");
  await mkdir(join(folder, "a"));
  await (await open(path)).close();
  assert.ok(existsSync(path));
});

run();
