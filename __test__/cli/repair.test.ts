// `tidelog repair`: says what would be lost, asks before it gives that up, and keeps everything else.

import { spawn, spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open, string } from "tidelog";
import * as assert from "uvu/assert";
import { suite } from "../support/suite.js";
import { flip, tidelog } from "./tool.js";

const { test, skip, run } = suite("repair");
const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Ten batches of one record each; the fourth is damaged. Gives its segment. */
async function damaged(store: string): Promise<string> {
  await using log = await open(store);
  const topic = await log.topic("orders", { value: string() });
  await using producer = log.producer();
  for (let i = 0; i < 10; i++) await producer.send(topic, { value: `value ${i}` });
  await log.close();
  const segment = join(store, "orders-0", "00000000000000000000.log");
  const bytes = await readFile(segment);
  let at = 0;
  for (let i = 0; i < 3; i++) at += 12 + bytes.readInt32BE(at + 8);
  await flip(segment, at + 65);
  return segment;
}

/** What the store holds, and that it goes on behind it. */
async function values(store: string): Promise<unknown[]> {
  await using log = await open(store);
  const topic = await log.openTopic("orders", { value: string() });
  const found: unknown[] = [];
  for await (const { offset, value } of log.consumer({ topics: [topic], from: "earliest", until: "end" })) {
    assert.is(value, `value ${offset}`);
    found.push(offset);
  }
  await using producer = log.producer();
  assert.is((await producer.send(topic, { value: "value 10" })).offset, 10);
  return found;
}

async function contents(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && entry.name !== ".lock") files.set(path, (await readFile(path)).toString("base64"));
  }
  return files;
}

test("with --yes it gives up the damaged batch alone, and keeps its bytes", async ({ folder }) => {
  const segment = await damaged(folder);
  assert.is((await tidelog("verify", folder)).code, 1);
  const { code, out, err } = await tidelog("repair", folder, "--yes");
  assert.is(code, 0, err);
  assert.match(out, /orders-0: offsets 3 to 3 would be lost: .*\.log at byte \d+, /);
  assert.match(out, /\nRepaired\.\norders-0: offsets 3 to 3 lost: [^\n]*\n {2}damaged bytes kept in [^\n]*\.damaged\n/);
  assert.equal(await values(folder), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
  const after = await tidelog("verify", folder);
  assert.is(after.code, 0, after.out);
  const kept = (await readdir(join(segment, ".."))).filter((name) => name.endsWith(".damaged"));
  assert.is(kept.length, 1);
});

test("where nobody can be asked it refuses, and changes nothing", async ({ folder }) => {
  await damaged(folder);
  const before = await contents(folder);
  const refused = await tidelog("repair", folder);
  assert.is(refused.code, 2);
  assert.match(refused.err, /^tidelog repair: there is nobody to ask, .*--yes/);
  const dry = await tidelog("repair", folder, "--dry-run", "--json");
  assert.is(dry.code, 1, dry.err);
  const { lost, empty } = JSON.parse(dry.out);
  assert.is(empty, false);
  assert.equal([lost.length, lost[0].first, lost[0].next], [1, 3, 4]);
  assert.equal(await contents(folder), before);
});

test("of a sound store it says so, and changes nothing", async ({ folder }) => {
  await (await open(folder)).close();
  const before = await contents(folder);
  const { code, out, err } = await tidelog("repair", folder);
  assert.is(code, 0, err);
  assert.match(out, /: nothing is damaged\n$/);
  assert.equal(await contents(folder), before);
});

test("a store that is open for writing is refused", async ({ folder }) => {
  await using _log = await open(folder);
  const { code, err } = await tidelog("repair", folder, "--yes");
  assert.is(code, 3);
  assert.match(err, /ERR_TIDELOG_STORE_LOCKED/);
});

/** Runs it on a terminal of its own, which answers the question. */
async function asked(folder: string, answer: string): Promise<{ code: number | null; out: string }> {
  const command = `'${process.execPath}' '${MAIN}' repair '${folder}'`;
  const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  let out = "";
  let answered = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    if (answered || !out.includes("[y/N]")) return;
    answered = true;
    child.stdin.write(`${answer}\n`);
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  return { code, out };
}

if (process.platform === "linux" && spawnSync("script", ["--version"]).status === 0) {
  test("on a terminal it asks, and does only what was agreed to", async ({ folder }) => {
    await damaged(folder);
    const before = await contents(folder);
    const no = await asked(folder, "");
    assert.is(no.code, 1, no.out);
    assert.match(no.out, /offsets 3 to 3 would be lost[\s\S]*give this up\? \[y\/N\]/);
    assert.equal(await contents(folder), before);
    const yes = await asked(folder, "y");
    assert.is(yes.code, 0, yes.out);
    assert.match(yes.out, /Repaired\./);
    assert.equal(await values(folder), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
  });
} else {
  skip("on a terminal it asks", "there is no `script` to make a terminal with");
}

run();
