// The logs that a real broker left are imported with the command line tool, and read through the public API: exactly
// what Kafka's own read_committed consumer was given, and the offsets go on where Kafka's ended.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type Log, open } from "../../ts/index.js";
import { tidelog } from "../cli/tool.js";
import { all } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { comparable, ENDS, EXPECTED, LOG_DIR } from "./fixture.js";

const { test, run } = suite("import");

const TOPICS = [...new Set(ENDS.map(({ topic }) => topic))];

/** What `tidelog import --json` prints. */
interface Report {
  topics: { name: string; missing: number[]; partitions: Record<string, number>[] }[];
  skipped: { name: string }[];
  stopped: boolean;
}

async function imported(...args: string[]): Promise<Report> {
  const { code, out, err } = await tidelog("import", "--json", ...args);
  assert.is(code, 0, err);
  return JSON.parse(out);
}

/** Calls `work` with an import of the whole fixture. */
async function withImport(folder: string, work: (log: Log, report: Report) => Promise<void>): Promise<void> {
  const report = await imported(LOG_DIR, folder);
  const log = await open(folder);
  try {
    await work(log, report);
  } finally {
    await log.close();
  }
}

test("every record is there with its offset, time, key, value and headers, and no other", async ({ folder }) => {
  await withImport(folder, async (log, report) => {
    assert.equal(await log.topics(), TOPICS);
    const read = (await all(log.consumer({ topics: TOPICS, until: "end" }))).map(comparable);
    const place = (record: { topic: string; partition: number }) => `${record.topic}-${record.partition}`;
    for (const ends of ENDS) {
      const of = <T extends { topic: string; partition: number }>(records: T[]) =>
        records.filter((record) => place(record) === place(ends));
      assert.equal(of(read), of(EXPECTED), place(ends));
    }
    assert.is(read.length, EXPECTED.length);
    assert.equal(
      report.skipped.map(({ name }) => name),
      ["__transaction_state-0"],
    );
  });
});

test("logs begin and go on where Kafka's did", async ({ folder }) => {
  await withImport(folder, async (log) => {
    const producer = log.producer();
    for (const { topic, partition, start, end } of ENDS) {
      const handle = await log.openTopic(topic);
      const { logStartOffset, logEndOffset, highWatermark, damage } = (await handle.describe()).partitions[partition]!;
      assert.equal([logStartOffset, highWatermark, logEndOffset, damage], [start, end, end, null]);
      const sent = await producer.send(handle, { partition, key: Buffer.from("k"), value: Buffer.from("next") });
      assert.is(sent.offset, end);
    }
  });
});

test("records of transactions that were aborted or never finished are not served", async ({ folder }) => {
  await withImport(folder, async (log, report) => {
    const values = (await all(log.consumer({ topics: ["events"], until: "end" }))).map(({ value }) => String(value));
    assert.ok(values.some((value) => value.startsWith("committed")));
    assert.equal(
      values.filter((value) => /^(aborted|never finished)/.test(value)),
      [],
    );
    const events = report.topics.find(({ name }) => name === "events")!;
    const { abortedOffsets, unfinishedOffsets, controlOffsets } = events.partitions[1]!;
    assert.equal([abortedOffsets, unfinishedOffsets], [16, 3]);
    assert.ok(controlOffsets! > 0);
  });
});

test("searches by time find what Kafka's find", async ({ folder }) => {
  await withImport(folder, async (log) => {
    for (const topic of TOPICS) await log.openTopic(topic);
    for (const { topic, partition } of ENDS) {
      const records = EXPECTED.filter((record) => record.topic === topic && record.partition === partition);
      const raw = log.raw.partition(topic, partition);
      for (const ms of records.flatMap(({ timestamp }) => [timestamp - 1, timestamp, timestamp + 1])) {
        const first = records.find(({ timestamp }) => timestamp >= ms);
        const expected = first === undefined ? null : { offset: first.offset, timestamp: first.timestamp };
        assert.equal(await raw.offsetForTime(ms), expected, `${topic}-${partition} at ${ms}`);
      }
    }
  });
});

test("a partition's folder goes into the topic that is named", async ({ folder }) => {
  const report = await imported("--topic", "archive", join(LOG_DIR, "trimmed-0"), folder);
  assert.equal(
    report.topics.map(({ name }) => name),
    ["archive"],
  );
  const log = await open(folder);
  try {
    const offsets = (await all(log.consumer({ topics: ["archive"], until: "end" }))).map(({ offset }) => offset);
    assert.equal([offsets[0], offsets.at(-1)], [30, 59]);
  } finally {
    await log.close();
  }
});

test("a damaged log is refused with its file and byte, and nothing is stored", async ({ folder }) => {
  const source = join(folder, "kafka");
  cpSync(LOG_DIR, source, { recursive: true });
  const file = join(source, "events-0", "00000000000000000035.log");
  const bytes = readFileSync(file);
  bytes[70]! ^= 1;
  writeFileSync(file, bytes);
  const store = join(folder, "store");
  const { code, err } = await tidelog("import", source, store);
  assert.is.not(code, 0);
  assert.match(err, "00000000000000000035.log");
  assert.match(err, "byte 0");
  assert.match(err, "ERR_TIDELOG_CORRUPTION");
  const log = await open(store);
  assert.equal(await log.topics(), []);
  await log.close();
});

test("a topic that has records is left as it is", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("events");
  await log.producer().send(topic, { value: Buffer.from("mine") });
  await log.close();
  const { code, err } = await tidelog("import", LOG_DIR, folder);
  assert.is.not(code, 0);
  assert.match(err, "ERR_TIDELOG_TOPIC_EXISTS");
  const again = await open();
  assert.equal(await again.topics(), ["events"]);
  assert.is((await all(again.consumer({ topics: ["events"], until: "end" }))).length, 1);
});

run();
