// Flipped bits in files: found before anything is served, named, and kept to where they are.

import { readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { CorruptionError, type Log, open as openLog, string } from "../../ts/index.js";
import { all, failure, range, sendInBatches } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("damaged files");

const SEGMENT = "00000000000000000000.log";

async function filled(log: Log, count: number) {
  const topic = await log.topic("t", { partitions: 2, value: string() });
  const producer = log.producer();
  const records = range(count).map((i) => ({ value: `value ${i}`, partition: 0 }));
  await sendInBatches(records, (some) => producer.sendBatch(topic, some));
  await producer.send(topic, { value: "other", partition: 1 });
}

async function flip(file: string, position: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[position]! ^= 1;
  await writeFile(file, bytes);
}

/** Where the batches of a segment begin. */
function batchesOf(bytes: Buffer): number[] {
  const positions: number[] = [];
  for (let at = 0; at + 12 < bytes.length && bytes.readInt32BE(at + 8) > 0; at += 12 + bytes.readInt32BE(at + 8)) {
    positions.push(at);
  }
  return positions;
}

test("a flipped bit in a record is an error that names the place, and everything before it is read", async ({
  folder,
}) => {
  const log = await openLog(folder);
  await filled(log, 1000);
  await log.close();
  const file = join(folder, "t-0", SEGMENT);
  const positions = batchesOf(await readFile(file));
  assert.is(positions.length, 10);
  await flip(file, positions[4]! + 100);
  await using again = await openLog(folder);
  const topic = await again.openTopic("t", { value: string() });
  const consumer = again.consumer({ assign: [{ topic, partition: 0 }], until: "end", readBytes: 1024 });
  const seen: number[] = [];
  const error = (await failure(
    "ERR_TIDELOG_CORRUPTION",
    async () => {
      for await (const { offset } of consumer) seen.push(offset);
    },
    "t-0",
  )) as CorruptionError;
  assert.instance(error, CorruptionError);
  assert.is(error.path, file);
  assert.match(error.message, `offset 400`);
  assert.match(error.message, `${positions[4]}`);
  assert.equal(seen, range(400));
  assert.is(await consumer.position(), 400);
  // What lies behind is still there for those who say so, and other partitions do not notice.
  await consumer.seek({ offset: 500 });
  assert.equal(
    (await all(consumer)).map(({ offset }) => offset),
    range(500).map((i) => 500 + i),
  );
  await failure("ERR_TIDELOG_CORRUPTION", topic.get({ partition: 0, offset: 450 }));
  assert.is((await topic.get({ partition: 0, offset: 399 }))?.value, "value 399");
  const other = await all(again.consumer({ assign: [{ topic, partition: 1 }], until: "end" }));
  assert.equal(
    other.map(({ value }) => value),
    ["other"],
  );
  const raw = again.raw.partition(topic, 0);
  await failure("ERR_TIDELOG_CORRUPTION", raw.readInto(Buffer.alloc(1 << 20), { offset: 400 }));
});

test("a bit flipped while the store is open is found as well", async ({ folder, open }) => {
  const log = await open();
  await filled(log, 1000);
  await log.sync();
  const file = join(folder, "t-0", SEGMENT);
  const { open: openFile } = await import("node:fs/promises");
  const position = batchesOf(await readFile(file))[7]! + 90;
  const handle = await openFile(file, "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, position);
  byte[0]! ^= 0x40;
  await handle.write(byte, 0, 1, position);
  await handle.close();
  const topic = await log.openTopic("t", { value: string() });
  const seen: number[] = [];
  await failure("ERR_TIDELOG_CORRUPTION", async () => {
    for await (const { offset } of log.consumer({ assign: [{ topic, partition: 0 }], until: "end", readBytes: 1024 })) {
      seen.push(offset);
    }
  });
  assert.equal(seen, range(700));
});

test("damaged or missing indexes change nothing", async ({ folder }) => {
  const log = await openLog(folder);
  await filled(log, 5000);
  await log.close();
  const partition = join(folder, "t-0");
  for (const name of await readdir(partition)) {
    if (name.endsWith(".timeindex")) await truncate(join(partition, name), 0);
    else if (name.endsWith(".index") && (await stat(join(partition, name))).size > 0)
      await flip(join(partition, name), 3);
  }
  await using again = await openLog(folder);
  const topic = await again.openTopic("t", { value: string() });
  const records = await all(again.consumer({ assign: [{ topic, partition: 0 }], until: "end" }));
  assert.equal(
    records.map(({ value }) => value),
    range(5000).map((i) => `value ${i}`),
  );
  for (const offset of [0, 1234, 4999]) {
    assert.is((await topic.get({ partition: 0, offset }))?.value, `value ${offset}`);
    const { timestamp } = records[offset]!;
    const found = await again.raw.partition(topic, 0).offsetForTime(timestamp);
    assert.is(
      found!.offset,
      records.findIndex((record) => record.timestamp >= timestamp),
    );
  }
});

run();
