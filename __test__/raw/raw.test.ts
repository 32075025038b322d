// Encoded record batches in and out: copied from log to log they stay byte for byte, and nothing wrong gets in.

import * as assert from "uvu/assert";
import { BufferTooSmallError, type Log, string } from "../../ts/index.js";
import { batchOf, NOBODY } from "../support/batch.js";
import { all, failure, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("raw partitions");

async function filled(log: Log, count: number) {
  const topic = await log.topic("t", { value: string(), compression: "lz4" });
  const producer = log.producer();
  const records = range(count).map((i) => ({ value: `v${i}`, timestamp: 1000 + i }));
  await sendInBatches(records, (some) => producer.sendBatch(topic, some));
  return { topic, producer, partition: log.raw.partition("t", 0) };
}

/** Splits bytes into batches by the length in their headers. */
function split(bytes: Buffer): Buffer[] {
  const batches: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) {
    batches.push(Buffer.from(bytes.subarray(at, at + 12 + bytes.readInt32BE(at + 8))));
  }
  return batches;
}

test("batches go from one topic to another as they are", async ({ open }) => {
  const log = await open();
  const { partition: from } = await filled(log, 1000);
  const copy = await log.topic("copy", { value: string() });
  const to = log.raw.partition(copy, 0);
  const buffer = Buffer.alloc(8192);
  let offset = 0;
  while (offset < from.highWatermark) {
    const { bytes, next } = await from.readInto(buffer, { offset });
    assert.is(bytes.buffer, buffer.buffer);
    for (const batch of split(bytes)) {
      const appended = await to.append(batch);
      assert.is(appended.baseOffset, Number(batch.readBigInt64BE(0)));
      assert.is(appended.lastOffset, appended.baseOffset + batch.readInt32BE(23));
      assert.is(appended.timestamp, -1);
    }
    offset = next;
  }
  assert.equal([to.logStartOffset, to.highWatermark, to.logEndOffset], [0, 1000, 1000]);
  assert.equal([to.topic, to.partition], ["copy", 0]);
  const records = await all(log.consumer({ topics: [copy], until: "end" }));
  assert.equal(
    records.map(({ value, timestamp }) => [value, timestamp]),
    range(1000).map((i) => [`v${i}`, 1000 + i]),
  );
});

test("appends that are not awaited go in the order of the calls", async ({ open }) => {
  const log = await open();
  const { partition: from } = await filled(log, 500);
  const to = log.raw.partition(await log.topic("copy", { durability: "buffered" }), 0);
  const { bytes } = await from.readInto(Buffer.alloc(1 << 20), { offset: 0 });
  const batches = split(bytes);
  // Those of a producer would be taken for retries.
  const calls = range(60).map((i) => batchOf(batches[i % batches.length]!, NOBODY, -1));
  const appended = await Promise.all(calls.map((batch) => to.append(batch)));
  let next = 0;
  for (const [i, { baseOffset, lastOffset }] of appended.entries()) {
    assert.is(baseOffset, next, `append ${i}`);
    next = lastOffset + 1;
  }
});

test("a read gives whole batches, from the one that holds the offset", async ({ open }) => {
  const log = await open();
  const { partition } = await filled(log, 300);
  const buffer = Buffer.alloc(1 << 20);
  const everything = await partition.readInto(buffer, { offset: 0 });
  assert.is(everything.next, 300);
  assert.is(split(everything.bytes).length, 3);
  const middle = await partition.readInto(Buffer.alloc(1 << 20), { offset: 150 });
  assert.is(Number(middle.bytes.readBigInt64BE(0)), 100);
  const one = await partition.readInto(Buffer.alloc(1 << 20), { offset: 0, maxBytes: 1 });
  assert.equal([split(one.bytes).length, one.next], [1, 100]);
  const end = await partition.readInto(buffer, { offset: 300 });
  assert.equal([end.bytes.length, end.next], [0, 300]);
  await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", partition.readInto(buffer, { offset: 301 }));
});

test("a buffer that is too small is told what it takes", async ({ open }) => {
  const log = await open();
  const { partition } = await filled(log, 100);
  const error = (await failure(
    "ERR_TIDELOG_BUFFER_TOO_SMALL",
    partition.readInto(Buffer.alloc(100), { offset: 0 }),
  )) as BufferTooSmallError;
  assert.instance(error, BufferTooSmallError);
  const { bytes } = await partition.readInto(Buffer.alloc(error.needed), { offset: 0 });
  assert.is(bytes.length, error.needed);
  await failure("ERR_TIDELOG_BUFFER_TOO_SMALL", partition.readInto(Buffer.alloc(error.needed - 1), { offset: 0 }));
});

test("a damaged, cut or unknown batch is refused, and nothing is appended", async ({ open }) => {
  const log = await open();
  const { partition } = await filled(log, 100);
  const { bytes } = await partition.readInto(Buffer.alloc(1 << 20), { offset: 0 });
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = value;
    return copy;
  };
  const bad = [
    Buffer.alloc(0),
    Buffer.alloc(200),
    bytes.subarray(0, 60),
    bytes.subarray(0, bytes.length - 1),
    Buffer.concat([bytes, Buffer.from([0])]),
    changed(16, 1),
    changed(21, bytes[21]! ^ 0x20),
    changed(bytes.length - 1, bytes[bytes.length - 1]! ^ 1),
  ];
  for (const [i, batch] of bad.entries()) {
    await failure("ERR_TIDELOG_INVALID_BATCH", partition.append(batch)).catch((error) => {
      throw new Error(`batch ${i}: ${error.message}`);
    });
  }
  assert.is(partition.logEndOffset, 100);
});

// What KafkaJS 2.2.4 sends when one message of a batch has a time and another has none; a broker stores it so.
test("a newest time that is not that of the records is set right, as a broker does", async ({ open }) => {
  const sent = Buffer.from(
    "00000000000000000000004200000000028a0bd5d5000000000001000001a22e15d8a0000001a22e15d8a0ffffffffffffffff" +
      "000000000000000000020e000000010231001000ea4e0201023200",
    "hex",
  );
  const log = await open();
  await log.topic("t", { maxFutureMs: 1e12 });
  const partition = log.raw.partition("t", 0);
  await partition.append(sent);
  const { bytes } = await partition.readInto(Buffer.alloc(1 << 10), { offset: 0 });
  assert.is(bytes.readBigInt64BE(35) - bytes.readBigInt64BE(27), 5_045n, "the later of the two");
  const stored = [];
  for await (const { value, timestamp } of log.consumer({ topics: ["t"], until: "end" })) {
    stored.push([String(value), timestamp - Number(bytes.readBigInt64BE(27))]);
  }
  assert.equal(stored, [
    ["1", 0],
    ["2", 5_045],
  ]);
});

test("a header name that is not UTF-8 is stored as it is, and read with replacement characters", async ({ open }) => {
  const sent = Buffer.from(
    "00000000000000000000003f0000000002231fbd1000000000000000000174876e800000000174876e8000ffffffffffffffff" +
      "ffffffffffff000000011a000000026b02760204fffe0231",
    "hex",
  );
  const log = await open();
  await log.topic("t");
  await log.raw.partition("t", 0).append(sent);
  for await (const { headers } of log.consumer({ topics: ["t"], until: "end" })) {
    assert.equal(headers, [["\ufffd\ufffd", Buffer.from("1")]]);
  }
});

test("a batch over the topic's limit is refused", async ({ open }) => {
  const log = await open();
  const { partition } = await filled(log, 100);
  const { bytes } = await partition.readInto(Buffer.alloc(1 << 20), { offset: 0 });
  await log.topic("small", { maxBatchBytes: 128 });
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", log.raw.partition("small", 0).append(bytes), "128");
});

test("waitFor is a long poll that can be given up", async ({ open }) => {
  const log = await open();
  const { topic, producer, partition } = await filled(log, 10);
  await partition.waitFor(9);
  const waiting = partition.waitFor(10);
  assert.is(await Promise.race([waiting, sleep(30).then(() => "waiting")]), "waiting");
  await producer.send(topic, { value: "v" });
  await waiting;
  const abort = new AbortController();
  const given = partition.waitFor(100, { signal: abort.signal });
  abort.abort("enough");
  assert.is((await failure("ERR_TIDELOG_ABORTED", given)).cause, "enough");
  await failure("ERR_TIDELOG_ABORTED", partition.waitFor(100, { signal: abort.signal }));
  const closed = partition.waitFor(100);
  closed.catch(() => {});
  await log.close();
  await failure("ERR_TIDELOG_CLOSED", closed);
});

test("offsetForTime finds the first record that is not older", async ({ open }) => {
  const log = await open();
  const { partition } = await filled(log, 500);
  for (const [ms, offset] of [
    [0, 0],
    [1000, 0],
    [1001, 1],
    [1250, 250],
    [1499, 499],
  ] as const) {
    assert.equal(await partition.offsetForTime(ms), { offset, timestamp: 1000 + offset });
  }
  assert.is(await partition.offsetForTime(1500), null);
});

test("the topic must be open in this log", async ({ open }) => {
  const log = await open();
  await (await open()).topic("t");
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", () => log.raw.partition("t", 0), "log.openTopic");
  await log.openTopic("t");
  assert.is(log.raw.partition("t", 0).highWatermark, 0);
  await failure("ERR_TIDELOG_UNKNOWN_PARTITION", () => log.raw.partition("t", 1));
});

run();
