// Unknown options are refused by name everywhere, those of later versions included; bad values are named with what
// was expected.

import * as assert from "uvu/assert";
import { open } from "../../ts/index.js";
import { failure } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("options");

test("unknown names are refused, and the known ones listed", async ({ open: openLog, folder }) => {
  const log = await openLog();
  const topic = await log.topic("t");
  const producer = log.producer();
  const consumer = log.consumer({ topics: [topic] });
  const partition = log.raw.partition(topic, 0);
  const transactional = await log.transactionalProducer("t");
  const tx = transactional.begin();
  const grouped = log.consumer({ topics: [topic], group: "g" });
  const odd = { misspelled: 1 } as never;
  const calls: [() => unknown, string][] = [
    [() => open(folder, odd), "durability, readOnly"],
    [() => log.topic("t", odd), "key, value, partitions"],
    [() => log.openTopic("t", odd), "key, value"],
    [() => log.producer(odd), "name, bufferBytes, partitioner"],
    [
      () => log.consumer(odd),
      "assign, topics, group, delivery, strategy, instanceId, sessionTimeoutMs, maxPollIntervalMs, onRebalance, from, filter, until, onOutOfRange, readBytes, signal",
    ],
    [() => log.consumer({ assign: [{ topic, partition: 0, ...(odd as object) }] }), "topic, partition, offset"],
    [() => log.consumer({ topics: [topic], from: odd }), "timestamp"],
    [() => log.backup("b", odd), "signal, onProgress"],
    [() => log.close(odd), "timeoutMs"],
    [() => topic.alter(odd), "partitions, durability"],
    [() => topic.alter({ retention: odd }), "ms, bytes"],
    [() => topic.alter({ compaction: odd }), "minDirtyRatio, minLagMs, maxLagMs, deleteRetentionMs"],
    [() => open(folder, { compaction: odd }), "intervalMs, bytesPerSecond, memoryBytes"],
    [() => topic.deleteRecords(odd), "partition, before"],
    [() => topic.get(odd), "partition, offset"],
    [() => producer.send(topic, { value: null }, odd), "expectOffset, sequence, signal"],
    [() => producer.sendBatch(topic, [], odd), "signal"],
    [() => producer.ready(odd), "signal"],
    [() => producer.flush(odd), "signal"],
    [() => producer.close(odd), "timeoutMs"],
    [() => consumer.seek(odd), "offset, timestamp, to"],
    [() => consumer.pause(odd), "topic, partition"],
    [() => consumer.resume(odd), "topic, partition"],
    [() => consumer.position(odd), "topic, partition"],
    [() => partition.readInto(Buffer.alloc(1), odd), "offset, maxBytes"],
    [() => partition.waitFor(0, odd), "signal"],
    [() => log.transactionalProducer("t", odd), "timeoutMs, maxBytes, partitioner"],
    [() => log.transaction("t", () => {}, odd), "timeoutMs, maxBytes, partitioner, signal"],
    [() => transactional.begin(odd), "signal"],
    [() => transactional.close(odd), "timeoutMs"],
    [() => tx.take(grouped, odd), "max, signal"],
    [() => tx.sendOffsets("g", [odd]), "topic, partition, offset, metadata"],
    [() => log.process({ id: "p", from: topic, ...(odd as object) }, () => {}), "id, from, group"],
    [() => log.process({ id: "p", from: topic, retry: odd }, () => {}), "attempts, backoff, delayMs, maxDelayMs"],
    [() => consumer.run(() => {}, odd), "concurrency, retry, deadLetter, signal"],
    [() => consumer.close(odd), "timeoutMs"],
    [() => log.consumer({ topics: [topic], group: "g", onRebalance: odd }), "assigned, revoked, lost"],
    [() => log.group("g").reset(odd), "to, topic, partition"],
    [() => log.group("g").reset({ to: odd }), "offset, timestamp"],
  ];
  for (const [call, known] of calls) {
    const error = await failure("ERR_TIDELOG_INVALID_ARGUMENT", async () => call(), 'unknown option "misspelled"');
    assert.ok(error.message.includes(known), error.message);
  }
});

test("what this version does not have is an unknown option, not one without effect", async ({ open: openLog }) => {
  const log = await openLog();
  const topic = await log.topic("t");
  for (const name of ["transaction", "concurrency"]) {
    const options = { topics: [topic], [name]: "x" } as never;
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", () => log.consumer(options), `unknown option "${name}"`);
  }
});

test("bad values are named, with what was expected and what was given", async ({ open: openLog, folder }) => {
  const log = await openLog();
  const topic = await log.topic("t");
  const consumer = log.consumer({ topics: [topic] });
  const partition = log.raw.partition(topic, 0);
  const calls: [() => unknown, string][] = [
    [() => open(5 as never), "path must be"],
    [() => open(""), "path must be"],
    [() => open(folder, 5 as never), "options must be an object, not 5"],
    [
      () => open(folder, { durability: "fast" as never }),
      'durability must be one of "fsync", "buffered", not \'fast\'',
    ],
    [() => open(folder, { readOnly: 1 as never }), "readOnly must be true or false, not 1"],
    [() => open(folder, { readOnly: true, create: true }), "readOnly can't create"],
    [() => open(folder, { openSegments: 0 }), "openSegments must be an integer from 1"],
    [() => log.topic(5 as never), "name must be a string, not 5"],
    [() => log.deleteTopic(undefined as never), "name must be a string"],
    [() => log.topic("u", { partitions: 0 }), "partitions must be an integer from 1 to 100000, not 0"],
    [() => log.topic("u", { partitions: 1.5 }), "not 1.5"],
    [() => log.topic("u", { compression: "brotli" as never }), "compression must be one of"],
    [() => log.topic("u", { retention: 5 as never }), "retention must be an object"],
    [() => log.topic("u", { retention: { ms: 0 } }), "retention.ms must be an integer from 1"],
    [() => log.topic("u", { segment: { bytes: 1023 } }), "segment.bytes must be an integer from 1024"],
    [() => log.topic("u", { maxBatchBytes: 127 }), "maxBatchBytes must be an integer from 128"],
    [() => log.topic("u", { maxBatchBytes: (64 << 20) + 1 }), "maxBatchBytes must be"],
    [() => log.producer({ bufferBytes: 1023 }), "bufferBytes must be an integer from 1024"],
    [() => log.producer({ partitioner: 5 as never }), "partitioner must be a function"],
    [() => log.producer().sendBatch(topic, new Set() as never), "records must be an array"],
    [() => log.consumer(undefined as never), "options must be an object"],
    [() => log.consumer({}), "either assign, a list of partitions, or topics"],
    [() => log.consumer({ topics: [topic], assign: [] } as never), "either assign"],
    [() => log.consumer({ topics: [] }), "topics must be an array that is not empty"],
    [() => log.consumer({ assign: [{ topic, partition: -1 }] }), "assign[0]: partition must be an integer from 0"],
    [() => log.consumer({ assign: [{ topic, partition: 0, offset: -1 }] }), "offset must be an integer from 0"],
    [() => log.consumer({ assign: [{ topic, partition: 0, offset: 2 ** 53 }] }), "up to 2^53 - 1"],
    [() => log.consumer({ topics: [5 as never] }), "a topic must be given by its handle or its name, not 5"],
    [() => log.consumer({ topics: [topic, topic] }), "t-0 is given twice"],
    [() => log.consumer({ topics: [topic], from: "start" as never }), 'from must be "earliest", "latest" or'],
    [
      () => log.consumer({ topics: [topic], until: "now" as never }),
      'until must be "live", "end", { timestamp } or { offset }',
    ],
    [() => log.consumer({ topics: [topic], onOutOfRange: "skip" as never }), "onOutOfRange must be one of"],
    [() => log.consumer({ topics: [topic], readBytes: 1 }), "readBytes must be an integer from 1024"],
    [() => log.consumer({ topics: [topic], signal: {} as never }), "signal must be an AbortSignal"],
    [() => consumer.seek({} as never), "give one of offset, timestamp or to"],
    [() => consumer.seek({ offset: 1, to: "latest" } as never), "give one of"],
    [() => log.consumer({ topics: [topic], until: { offset: 1, timestamp: 1 } as never }), "until must be"],
    [() => log.consumer({ topics: [topic], from: "beginning" as never }), 'write "earliest" instead of "beginning"'],
    [() => consumer.seek({ to: "end" as never }), 'write "latest" instead of "end"'],
    [() => consumer.seek({ to: "middle" as never }), "to must be one of"],
    [() => consumer.seek({ offset: 1, partition: 7 }), "does not read partition 7"],
    [() => consumer.pause({ topic: "other" }), "does not read other"],
    [() => topic.get({ offset: -1 }), "offset must be an integer from 0"],
    [() => topic.get(undefined as never), "takes a place such as { partition, offset }, not undefined"],
    [() => topic.getMany(5 as never), "getMany takes an array"],
    [() => topic.deleteRecords({ before: -1 }), "before must be an integer"],
    [() => partition.append("x" as never), "batch must be a Uint8Array"],
    [() => partition.readInto([] as never, { offset: 0 }), "buffer must be a Uint8Array"],
    [() => partition.waitFor(-1), "offset must be an integer"],
    [() => partition.offsetForTime(0.5), "time must be a Date or an integer of ms"],
  ];
  for (const [call, text] of calls) await failure("ERR_TIDELOG_INVALID_ARGUMENT", async () => call(), text);
  assert.equal(await log.topics(), ["t"]);
});

test("a topic of another log is refused", async ({ open: openLog }) => {
  const [one, other] = [await openLog(), await openLog()];
  const topic = await one.topic("t");
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    other.producer().send(topic, { value: null }),
    "belongs to another log",
  );
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", () => other.consumer({ topics: [topic] }), "belongs to another log");
});

run();
