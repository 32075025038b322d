// Many records at once: every record gets its offset, whatever the size, the partitions and who else is sending.

import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { json, string } from "../../ts/index.js";
import { batchResult, resolveOffsets } from "../../ts/producer/result.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("sendBatch");

test("tells the offset of each record, over many partitions and pieces", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 5, key: string(), value: json<number>() });
  const producer = log.producer();
  // Large enough for several crossings, and beside two others that send to the same partitions.
  const batches = await Promise.all(
    [producer, producer, log.producer()].map((by, n) =>
      by.sendBatch(
        topic,
        range(20_000).map((i) => ({ key: `k${i}`, value: n * 20_000 + i })),
      ),
    ),
  );
  const values = new Map<string, number>();
  for (const record of await all(log.consumer({ topics: [topic], until: "end" }))) {
    values.set(`${record.partition}:${record.offset}`, record.value!);
  }
  assert.is(values.size, 60_000);
  for (const [n, batch] of batches.entries()) {
    assert.is(batch.count, 20_000);
    assert.is(batch.appended, 20_000);
    assert.is(
      batch.runs.reduce((sum, { count }) => sum + count, 0),
      20_000,
    );
    const offsets = batch.offsets();
    for (const i of range(20_000)) {
      assert.is(offsets[i], batch.offset(i));
      assert.is(values.get(`${batch.partition(i)}:${batch.offset(i)}`), n * 20_000 + i);
    }
    assert.equal([batch.offset(20_000), batch.partition(20_000), batch.partition(-1)], [-1, -1, -1]);
  }
});

test("nothing at all is a batch too", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const result = await log.producer().sendBatch(topic, []);
  assert.equal([result.count, result.appended, result.runs, [...result.offsets()]], [0, 0, [], []]);
});

test("keeps its place between sends before and after", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<number>() });
  const producer = log.producer();
  const sends = [
    producer.send(topic, { value: 0 }),
    producer.sendBatch(topic, [{ value: 1 }, { value: 2 }]),
    producer.send(topic, { value: 3 }),
    producer.sendBatch(topic, [{ value: 4 }]),
  ];
  await Promise.all(sends);
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.equal(
    records.map(({ value }) => value),
    range(5),
  );
});

test("a bad record is named by its index, and of a small batch nothing is sent", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const records = range(100).map((i) => ({ value: i === 42 ? (5 as never) : "v" }));
  const error = await failure(
    "ERR_TIDELOG_SERIALIZATION",
    log.producer().sendBatch(topic, records),
    "record 42 of the batch",
  );
  assert.equal([error.appended?.count, error.appended?.appended, error.appended?.offset(0)], [100, 0, -1]);
  assert.is((await topic.describe()).partitions[0]!.logEndOffset, 0);
});

test("of a large batch with a bad record, what was appended is told", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 3, value: string() });
  const records = range(20_000).map((i) => ({ value: i === 15_000 ? (5 as never) : `v${i}`, partition: i % 3 }));
  const error = await failure(
    "ERR_TIDELOG_SERIALIZATION",
    log.producer().sendBatch(topic, records),
    "record 15000 of the batch",
  );
  const appended = error.appended!;
  const records2 = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.is(appended.appended, records2.length);
  assert.ok(records2.length > 0 && records2.length < 15_000);
  for (const { partition, offset, value } of records2) {
    const index = Number(value!.slice(1));
    assert.equal([appended.partition(index), appended.offset(index)], [partition, offset]);
  }
  assert.is(appended.offset(15_000), -1);
});

test("a record that is too large fails the batch, as a definite failure", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { maxBatchBytes: 1000 });
  const error = await failure(
    "ERR_TIDELOG_RECORD_TOO_LARGE",
    log.producer().sendBatch(topic, [{ value: Buffer.alloc(10) }, { value: Buffer.alloc(2000) }]),
  );
  assert.is(error.indefinite, false);
  assert.is(error.appended!.appended, (await topic.describe()).partitions[0]!.logEndOffset);
});

test("offsets follow from runs, whatever they are", () => {
  const partitionsOf = fc.array(fc.nat(4), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(partitionsOf, fc.array(fc.nat(4), { maxLength: 60 }), fc.nat(60), (partitions, cuts, missing) => {
      // Each partition's records are cut into runs at random, with foreign records between, and its end may be missing.
      const runs: number[] = [];
      const expected = new Float64Array(partitions.length).fill(-1);
      for (const partition of new Set(partitions)) {
        const indices = range(partitions.length).filter((i) => partitions[i] === partition);
        const kept = indices.slice(0, Math.max(0, indices.length - (missing % 3)));
        let offset = partition * 1000;
        let first = 0;
        while (first < kept.length) {
          const length = Math.min(1 + (cuts[first] ?? 2), kept.length - first);
          runs.push(partition, offset, length, -1);
          for (let k = 0; k < length; k++) expected[kept[first + k]!] = offset + k;
          first += length;
          offset += length + 10;
        }
      }
      const out = new Float64Array(partitions.length);
      const part = {
        count: partitions.length,
        partitions: Uint32Array.from(partitions),
        partition: partitions[0]!,
        runs,
      };
      resolveOffsets(part, out, 0);
      assert.equal([...out], [...expected]);
      const result = batchResult(partitions.length, [part]);
      assert.equal([...result.offsets()], [...expected]);
      if (new Set(partitions).size === 1) {
        resolveOffsets({ ...part, partitions: null }, out.fill(0), 0);
        assert.equal([...out], [...expected]);
      }
    }),
  );
});

run();
