// time limit: 600 s
// Kafka's own DumpLogSegments reads a closed store: every batch and record, and every index entry. It needs Java, and
// Maven to fetch it: runs where its jars were fetched before (`scripts/kafka/jars.mjs`), or with TIDELOG_KAFKA_TOOLS=1.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
// The scripts are plain JavaScript.
// @ts-expect-error: no types
import { classPath, jarsArePresent, missing } from "../../scripts/kafka/jars.mjs";
// @ts-expect-error: no types
import { run as runProgram } from "../../scripts/lib/command.mjs";
import type { Compression, Log, ProducerRecord } from "../../ts/index.js";
import { tidelog } from "../cli/tool.js";
import { range } from "../support/expect.js";
import { type Context, suite } from "../support/suite.js";
import { ENDS, EXPECTED, LOG_DIR } from "./fixture.js";

const { test, skip, run } = suite("DumpLogSegments");

const COMPRESSIONS: Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];
const COUNT = 600;
const TIME = 1_700_000_000_000;
/** Java starts, Maven may have to fetch some 30 MB. */
const LIMIT_MS = 300_000;

/** What the tool prints of a record. */
interface Dumped {
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  headers: string;
}

/** Records with and without keys, values and headers, whose times now and then go back. */
function record(i: number): ProducerRecord<Uint8Array, Uint8Array> {
  const bytes = (text: string) => Buffer.from(text);
  return {
    key: i % 5 === 0 ? null : bytes(i % 7 === 0 ? "" : `key-${i}`),
    value: i % 11 === 0 ? null : bytes(`value ${i} ${"x".repeat(i % 60)}`),
    headers:
      i % 3 === 0
        ? [
            ["trace", `t-${i}`],
            ["trace", bytes("again")],
            ["none", null],
          ]
        : [],
    timestamp: TIME + i * 1000 - (i % 13 === 0 ? 90_000 : 0),
    partition: i % 2,
  };
}

function dumped(i: number, offset: number, timestamp: number): Dumped {
  const { key, value, headers } = record(i);
  const text = (bytes: Uint8Array | null | undefined) => (bytes == null ? null : Buffer.from(bytes).toString());
  const names = (headers ?? []).map(([name]) => name).join(",");
  return { offset, timestamp, key: text(key), value: text(value), headers: names };
}

/** A topic of two partitions in small segments, sent in batches of all sizes; gives each partition's records. */
async function fill(log: Log, name: string, compression: Compression, timestamps: "create" | "append") {
  const segment = { bytes: 4096 };
  const topic = await log.topic(name, { partitions: 2, compression, timestamps, segment, indexIntervalBytes: 256 });
  const producer = log.producer();
  const sent: Dumped[][] = [[], []];
  for (let i = 0; i < COUNT; ) {
    const some = range(1 + (i % 17))
      .map((n) => i + n)
      .filter((n) => n < COUNT);
    const results = await Promise.all(some.map((n) => producer.send(topic, record(n))));
    for (const [n, { partition, offset, timestamp }] of results.entries()) {
      sent[partition]!.push(dumped(some[n]!, offset, timestamp));
    }
    i += some.length;
  }
  return sent;
}

/** The segment files of a partition, in order, which all must have their indexes beside them. */
async function segments(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  const logs = names.filter((name) => /^\d{20}\.log$/.test(name)).sort();
  for (const name of logs) {
    for (const suffix of [".index", ".timeindex"])
      assert.ok(names.includes(name.replace(".log", suffix)), name + suffix);
  }
  return logs.map((name) => join(folder, name));
}

/** Runs the tool on files and gives what it prints; anything that it complains of fails, gaps if there should be none. */
async function dump(files: readonly string[], options: readonly string[], gaps = false): Promise<string> {
  const jars = await classPath("tools");
  const args = ["-cp", jars, "org.apache.kafka.tools.DumpLogSegments", ...options, "--files", files.join(",")];
  const { code, output }: { code: number; output: string } = await runProgram("java", args, { capture: true });
  assert.is(code, 0, output);
  const complaints = output.split("\n").filter((line, i, lines) => isComplaint(line, lines[i - 1] ?? "", gaps));
  assert.equal(complaints, []);
  return output;
}

/**
 * The tool of 4.3.1 begins to count records at -1 in each file, and says of every segment but a log's first, also of
 * a broker's own, that "-1 is followed by" its first offset.
 */
function isComplaint(line: string, before: string, gaps: boolean): boolean {
  if (gaps && / is followed by /.test(line)) return false;
  const base = /^Non-consecutive offsets in .*[\\/](\d{20})\.log$/.exec(before)?.[1];
  if (base !== undefined) return line !== `  -1 is followed by ${Number(base)}`;
  return /is followed by|mismatch|invalid bytes|isvalid: false|not found|out of order|exception|corrupt/i.test(line);
}

/** The records that the tool prints. */
function parse(output: string): Dumped[] {
  const pattern =
    /^\| offset: (\d+) (?:CreateTime|LogAppendTime): (\d+) keySize: (-?\d+) valueSize: (-?\d+) sequence: -?\d+ headerKeys: \[(.*?)\](.*)$/gm;
  return [...output.matchAll(pattern)].map(([, offset, timestamp, keySize, valueSize, headers, rest]) => {
    const [keyLength, valueLength] = [Number(keySize), Number(valueSize)];
    const key = keyLength < 0 ? null : rest!.slice(" key: ".length).slice(0, keyLength);
    const value = valueLength < 0 ? null : rest!.slice(rest!.length - valueLength);
    return { offset: Number(offset), timestamp: Number(timestamp), key, value, headers: headers! };
  });
}

const reason: string | undefined = await (async () => {
  if (process.env["TIDELOG_KAFKA_TOOLS"] !== "1" && !jarsArePresent("tools")) {
    return "Kafka's tools were not fetched before; set TIDELOG_KAFKA_TOOLS=1 to have Maven fetch them";
  }
  const java = await missing("java", ["-version"]);
  return java ?? (jarsArePresent("tools") ? undefined : await missing("mvn", ["-v"]));
})();

/** Has the tool compare every index entry with the log, and do the check that a broker does when it starts. */
async function dumpIndexes(logs: readonly string[]): Promise<string> {
  const indexes = logs.flatMap((file) => [file.replace(/log$/, "index"), file.replace(/log$/, "timeindex")]);
  const entries = await dump(indexes, []);
  const sane = await dump(indexes, ["--index-sanity-check"]);
  const passed = sane.match(/(passed sanity check|is empty)\.$/gm) ?? [];
  assert.is(passed.length, indexes.length, sane);
  return entries;
}

const PRINT = ["--deep-iteration", "--print-data-log"];

async function readsAClosedStore({ folder, open }: Context): Promise<void> {
  const log = await open();
  const expected = new Map<string, Dumped[][]>();
  for (const compression of COMPRESSIONS) {
    expected.set(compression, await fill(log, compression, compression, "create"));
  }
  expected.set("appended", await fill(log, "appended", "lz4", "append"));
  await log.topic("empty");
  await log.close();

  const files = await segments(join(folder, "empty-0"));
  for (const [topic, partitions] of expected) {
    for (const [partition, records] of partitions.entries()) {
      const logs = await segments(join(folder, `${topic}-${partition}`));
      assert.ok(logs.length > 1, `${topic}-${partition} has ${logs.length} segments`);
      files.push(...logs);
      const output = await dump(logs, PRINT);
      assert.equal(parse(output), records, `${topic}-${partition}`);
      const [codec, time] = topic === "appended" ? ["lz4", "LogAppendTime"] : [topic, "CreateTime"];
      for (const batch of output.match(/^baseOffset: .*$/gm) ?? []) {
        assert.match(batch, new RegExp(` ${time}: .* compresscodec: ${codec} .*isvalid: true$`));
      }
    }
  }
  const entries = await dumpIndexes(files);
  assert.ok((entries.match(/^offset: \d+ position: \d+$/gm) ?? []).length > files.length);
  assert.ok((entries.match(/^timestamp: \d+ offset: \d+$/gm) ?? []).length > files.length);
}

/** Offsets of what the import left out are gaps, as after a compaction by Kafka itself. */
async function readsAnImport({ folder }: Context): Promise<void> {
  const { code, err } = await tidelog("import", LOG_DIR, folder);
  assert.is(code, 0, err);
  const files: string[] = [];
  const text = (base64: string | null) => (base64 === null ? null : Buffer.from(base64, "base64").toString());
  for (const { topic, partition } of ENDS) {
    const logs = await segments(join(folder, `${topic}-${partition}`));
    if (logs.length === 0) continue;
    files.push(...logs);
    const records = EXPECTED.filter((record) => record.topic === topic && record.partition === partition);
    const found = parse(await dump(logs, PRINT, true)).filter(({ offset }) => offset >= records[0]!.offset);
    assert.equal(
      found.map(({ headers: _, ...record }) => record),
      records.map(({ offset, timestamp, key, value }) => ({ offset, timestamp, key: text(key), value: text(value) })),
      `${topic}-${partition}`,
    );
  }
  await dumpIndexes(files);
}

const tests: [string, (context: Context) => Promise<void>][] = [
  ["a closed store, all compressions, record by record and index entry by index entry", readsAClosedStore],
  ["a store that Kafka's logs were imported into", readsAnImport],
];
if (reason !== undefined) console.log(`skipped: ${reason}`);
for (const [title, body] of tests) {
  if (reason === undefined) test(title, body, LIMIT_MS);
  else skip(title, reason);
}

run();
