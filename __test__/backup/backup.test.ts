// `log.backup` and `tidelog backup` as their users see them: what the report says, what is refused, how a copy is restored and
// checked, and that work goes on from a copy exactly where the copy is.

import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, open as openFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as assert from "uvu/assert";
import { json, type Log, open } from "../../ts/index.js";
import { tidelog } from "../cli/tool.js";
import { withFolder } from "../job/folder.js";
import { outputOf, runNode } from "../job/program.js";
import { start } from "../support/child.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, skip, run } = suite("backups");

const value = json<number>();
/** Of tests that start programs. */
const LIMIT_MS = 60_000;

async function fill(log: Log, name: string, from: number, to: number): Promise<void> {
  const topic = await log.topic(name, { partitions: 2, segment: { bytes: 16_384 }, value });
  for (let i = from; i < to; i += 100) {
    await log.producer().sendBatch(
      topic,
      range(100).map((n) => ({ value: i + n, partition: n % 2 })),
    );
  }
}

async function values(log: Log, name: string): Promise<number[]> {
  const topic = await log.openTopic(name, { value });
  return (await all(log.consumer({ topics: [topic], until: "end" })))
    .map((record) => record.value!)
    .sort((a, b) => a - b);
}

test(
  "a backup is a store as of its moment, and shares what is never written again",
  async ({ folder }) => {
    const [path, copy] = [join(folder, "data"), join(folder, "copies", "monday")];
    await using log = await open(path, { durability: "buffered" });
    await fill(log, "t", 0, 5000);
    const told: [number, number][] = [];
    const before = Date.now();
    const report = await log.backup(pathToFileURL(copy), { onProgress: (done, total) => told.push([done, total]) });
    const { timestamp, bytesLinked, bytesCopied, durationMs, ...rest } = report;
    assert.equal(rest, { path: copy, topics: 1, partitions: 2 });
    assert.ok(timestamp >= before && timestamp <= Date.now());
    assert.ok(bytesLinked > bytesCopied && bytesCopied > 0 && durationMs > 0);
    assert.ok(told.every(([done, total]) => done <= total));
    await fill(log, "t", 5000, 6000);
    await log.deleteTopic("t");

    const checked = await tidelog("backup", "--verify", copy);
    assert.is(checked.code, 0, checked.out);
    assert.match(checked.out, /all hold\n$/);
    await using restored = await open(copy);
    assert.is(restored.recovery.clean, true);
    assert.is(restored.id, log.id);
    assert.equal(await values(restored, "t"), range(5000));
    const open_ = await tidelog("backup", "--verify", copy);
    assert.is(open_.code, 1, "it is in use");
  },
  LIMIT_MS,
);

test("what is no folder for it is refused, and nothing is changed", async ({ folder }) => {
  const path = join(folder, "data");
  await using log = await open(path, { durability: "buffered" });
  await fill(log, "t", 0, 100);
  const invalid = (call: () => Promise<unknown>, text: string) => failure("ERR_TIDELOG_INVALID_ARGUMENT", call, text);
  await invalid(() => log.backup(undefined as unknown as string), "folder must be");
  await invalid(() => log.backup(""), "folder must be");
  await invalid(() => log.backup(join(folder, "x"), { compress: true } as object), "compress");
  await invalid(() => log.backup(join(folder, "x"), { onProgress: 1 as unknown as () => void }), "onProgress");
  await invalid(() => log.backup(join(folder, "x"), { signal: 1 as unknown as AbortSignal }), "signal");
  await invalid(() => log.backup(path), "store itself");
  await invalid(() => log.backup(join(path, "backup")), "store itself");
  await mkdir(join(folder, "full"));
  await writeFile(join(folder, "full", "letter"), "dear");
  await invalid(() => log.backup(join(folder, "full")), "letter");
  assert.is(readFileSync(join(folder, "full", "letter"), "utf8"), "dear");
  await writeFile(join(folder, "file"), "");
  await failure("ERR_TIDELOG_IO", () => log.backup(join(folder, "file")), "file");
  await log.backup(join(folder, "copy"));
  await invalid(() => log.backup(join(folder, "copy")), "holds a store");
  await using reader = await open(path, { readOnly: true });
  await failure("ERR_TIDELOG_READ_ONLY", reader.backup(join(folder, "x")));
  assert.equal((await readdir(folder)).sort(), ["copy", "data", "file", "full"]);
});

test("an abort leaves nothing", async ({ folder }) => {
  await using log = await open(join(folder, "data"), { durability: "buffered" });
  await fill(log, "t", 0, 1000);
  const reason = new Error("enough");
  const early = await failure(
    "ERR_TIDELOG_ABORTED",
    log.backup(join(folder, "x"), { signal: AbortSignal.abort(reason) }),
  );
  assert.is(early.cause, reason);
  const control = new AbortController();
  const stopped = log.backup(join(folder, "x"), { signal: control.signal });
  control.abort(reason);
  const late = await failure("ERR_TIDELOG_ABORTED", stopped);
  assert.is(late.cause, reason);
  assert.not(existsSync(join(folder, "x")));
  await log.backup(join(folder, "x"));
});

test("a copy from topic to topic goes on from a backup without a record doubled or left out", async ({ folder }) => {
  {
    await using log = await open(join(folder, "data"));
    const from = await log.topic("in", { value });
    const out = await log.topic("out", { value });
    await log.producer().sendBatch(
      from,
      range(2000).map((value) => ({ value })),
    );
    let backup: Promise<unknown> | undefined;
    await log.process({ id: "copy", from, until: "end", batch: 50 }, (record, tx) => {
      tx.send(out, { value: record.value! });
      if (record.value === 900) backup = log.backup(join(folder, "copy"));
    });
    await backup;
    assert.equal(await values(log, "out"), range(2000));
  }
  await using restored = await open(join(folder, "copy"));
  const done = (await values(restored, "out")).length;
  assert.ok(done >= 900 && done <= 2000, `${done}`);
  const from = await restored.topic("in", { value });
  const out = await restored.topic("out", { value });
  await restored.process({ id: "copy", from, until: "end", batch: 50 }, (record, tx) => {
    tx.send(out, { value: record.value! });
  });
  assert.equal(await values(restored, "out"), range(2000));
});

test(
  "a backup of a closed store from the command line, and of one that a program has open",
  async ({ folder }) => {
    const path = join(folder, "data");
    {
      await using log = await open(path, { durability: "buffered" });
      await fill(log, "t", 0, 3000);
    }
    const made = await tidelog("backup", path, join(folder, "one"));
    assert.is(made.code, 0, made.err);
    assert.match(made.out, /one: 1 topics, 2 partitions as of .* shared, .* copied\n$/);
    const told = await tidelog("backup", path, join(folder, "two"), "--json");
    assert.is(JSON.parse(told.out).partitions, 2);
    {
      await using copy = await open(join(folder, "one"));
      assert.equal(await values(copy, "t"), range(3000));
    }
    const holder = start("hold", path);
    assert.is(await holder.line(), "open");
    const refused = await tidelog("backup", path, join(folder, "three"));
    assert.is(refused.code, 3);
    assert.match(refused.err, String(holder.process.pid));
    assert.not(existsSync(join(folder, "three")));
    holder.kill();
    await holder.ended;
    const unfinished = await tidelog("backup", "--verify", folder);
    assert.is(unfinished.code, 3);
  },
  LIMIT_MS,
);

test(
  "a backup that is damaged, or ends too early, is told",
  async ({ folder }) => {
    const copy = join(folder, "copy");
    {
      await using log = await open(join(folder, "data"), { durability: "buffered" });
      await fill(log, "t", 0, 3000);
      await log.backup(copy);
      await log.backup(join(folder, "short"));
    }
    const partition = join(copy, "t-0");
    const [first = ""] = (await readdir(partition)).filter((name) => name.endsWith(".log"));
    const file = await openFile(join(partition, first), "r+");
    await file.write(Buffer.from([0xff, 0xff]), 0, 2, 200);
    await file.close();
    const damaged = await tidelog("backup", "--verify", copy);
    assert.is(damaged.code, 1);
    assert.match(damaged.out, /DAMAGED: .*t-0/);
    const end = (await readdir(join(folder, "short", "t-1")))
      .filter((name) => name.endsWith(".log"))
      .sort()
      .at(-1)!;
    await rm(join(folder, "short", "t-1", end));
    const short = await tidelog("backup", "--verify", join(folder, "short"));
    assert.is(short.code, 1);
    assert.match(short.out, /DAMAGED: .*t-1.*the segment is missing, or its end; offsets \d+ to 1499/);
  },
  LIMIT_MS,
);

const OTHER = "/dev/shm";
const TITLE = "a backup on another file system is copied, and nothing is left in the store";
if (existsSync(OTHER) && statSync(OTHER).dev !== statSync(tmpdir()).dev) {
  test(TITLE, async ({ folder }) => {
    const copy = await mkdtemp(join(OTHER, "tidelog-"));
    try {
      await using log = await open(join(folder, "data"), { durability: "buffered" });
      await fill(log, "t", 0, 3000);
      const { bytesLinked, bytesCopied } = await log.backup(copy);
      assert.is(bytesLinked, 0);
      assert.ok(bytesCopied > 0);
      assert.equal(
        (await readdir(join(folder, "data"))).filter((name) => name.endsWith(".backup")),
        [],
      );
      await using restored = await open(copy);
      assert.equal(await values(restored, "t"), range(3000));
    } finally {
      await rm(copy, { recursive: true });
    }
  });
} else {
  skip(TITLE, "needs /dev/shm on another file system than the temporary folder");
}

test("the examples of docs/backup.md run", () =>
  withFolder(async (folder) => {
    const page = readFileSync(fileURLToPath(new URL("../../docs/backup.md", import.meta.url)), "utf8");
    const programs = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = ""]) => code);
    assert.is(programs.length, 2);
    await mkdir(join(folder, "backups"));
    for (const [i, code] of programs.entries()) await writeFile(join(folder, `${i}.mjs`), code);
    assert.match(await outputOf(runNode(["0.mjs"], { cwd: folder })), /^monday: \d+ bytes shared, \d+ copied\n$/);
    assert.is(await outputOf(runNode(["1.mjs"], { cwd: folder })), "restored o-1\n");
  }));

run();
