// Batches with producer ids: each is appended once, in the order of its sequences, by the newest of its id.

import * as assert from "uvu/assert";
import { type Log, OutOfOrderSequenceError, string } from "../../ts/index.js";
import { batchOf } from "../support/batch.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("raw batches with producer ids");

/** A batch of one record, as a Kafka producer makes it. */
async function template(log: Log): Promise<Buffer> {
  const topic = await log.topic("template", { value: string() });
  await log.producer().send(topic, { value: "v" });
  const { bytes } = await log.raw.partition(topic, 0).readInto(Buffer.alloc(4096), { offset: 0 });
  return Buffer.from(bytes);
}

test("a batch again gives the place of the first; a gap, and what is older, are refused", async ({ open }) => {
  const log = await open();
  const record = await template(log);
  const topic = await log.topic("t");
  const partition = log.raw.partition(topic, 0);
  const id = await log.raw.initProducerId();
  for (const sequence of range(8)) {
    const appended = await partition.append(batchOf(record, id, sequence));
    assert.equal(appended, { baseOffset: sequence, lastOffset: sequence, timestamp: -1, duplicate: false });
  }
  for (const sequence of range(5).map((i) => i + 3)) {
    const { baseOffset, duplicate } = await partition.append(batchOf(record, id, sequence));
    assert.equal([baseOffset, duplicate], [sequence, true]);
  }
  await failure("ERR_TIDELOG_DUPLICATE_SEQUENCE", partition.append(batchOf(record, id, 0)));
  const gap = await failure("ERR_TIDELOG_OUT_OF_ORDER_SEQUENCE", partition.append(batchOf(record, id, 9)));
  assert.equal([(gap as OutOfOrderSequenceError).expected, (gap as OutOfOrderSequenceError).given], [8, 9]);
  assert.instance(gap, OutOfOrderSequenceError);
  assert.is(partition.logEndOffset, 8);
  assert.is((await all(log.consumer({ topics: [topic], until: "end" }))).length, 8);
});

test("an id that was never given, and an epoch that is no longer the newest, are refused", async ({ open }) => {
  const log = await open();
  const record = await template(log);
  const partition = log.raw.partition(await log.topic("t"), 0);
  const { producerId } = await log.raw.initProducerId();
  const unknown = { producerId: producerId + 1000n, epoch: 0 };
  await failure("ERR_TIDELOG_UNKNOWN_PRODUCER", partition.append(batchOf(record, unknown, 0)));
  const older = await log.raw.initProducerId("id");
  await partition.append(batchOf(record, older, 0));
  const newer = await log.raw.initProducerId("id");
  await partition.append(batchOf(record, newer, 0));
  await failure("ERR_TIDELOG_PRODUCER_FENCED", partition.append(batchOf(record, older, 1)));
  assert.is(partition.logEndOffset, 2);
});

run();
