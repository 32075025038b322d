// Single records by offset: alone, by the thousand, out of what was removed or never was.

import * as assert from "uvu/assert";
import { json, string } from "../../ts/index.js";
import { failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("point reads");

for (const compression of ["none", "lz4"] as const) {
  test(`every record of a topic (${compression}) is found at its offset, in any order`, async ({ open }) => {
    const log = await open();
    const topic = await log.topic("t", { partitions: 3, compression, key: string(), value: json<{ i: number }>() });
    const records = range(3000).map((i) => ({ key: `k${i}`, value: { i }, headers: [["h", `${i}`]] as const }));
    const sent = await log.producer().sendBatch(topic, records);
    const places = records.map((_, i) => ({ partition: sent.partition(i), offset: sent.offset(i), i }));
    places.sort((a, b) => ((a.i * 7919) % 3001) - ((b.i * 7919) % 3001));
    const found = await topic.getMany(places.map(({ partition, offset }) => ({ partition, offset })));
    for (const [n, { partition, offset, i }] of places.entries()) {
      const record = found[n]!;
      assert.equal([record.partition, record.offset, record.key, record.value], [partition, offset, `k${i}`, { i }]);
      assert.is(String(record.headers[0]![1]), `${i}`);
    }
  });
}

test("what is not there is null", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  assert.is(await topic.get({ offset: 0 }), null);
  await log.producer().send(topic, { value: "v" });
  assert.equal(
    (await topic.getMany([{ offset: 0 }, { offset: 1 }, { offset: 2 ** 53 - 1 }])).map((record) => record?.value),
    ["v", undefined, undefined],
  );
  assert.equal(await topic.getMany([]), []);
});

test("bytes of single records are their own, not part of something large", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  await log.producer().sendBatch(
    topic,
    range(1000).map(() => ({ value: Buffer.alloc(1000) })),
  );
  const record = await topic.get({ offset: 500 });
  assert.ok(record!.value!.buffer.byteLength < 4096);
});

test("one that fails does not fail the others", async ({ open }) => {
  const log = await open();
  const raw = await log.topic("t", { partitions: 2 });
  const topic = await log.openTopic("t", { value: json<number>() });
  await log.producer().sendBatch(
    raw,
    ["1", "{"].map((text) => ({ value: Buffer.from(text), partition: 0 })),
  );
  const [good, bad, odd] = await Promise.allSettled([
    topic.get({ partition: 0, offset: 0 }),
    topic.get({ partition: 0, offset: 1 }),
    topic.get({ partition: 5, offset: 1 }),
  ]);
  assert.is(good.status === "fulfilled" && good.value?.value, 1);
  await failure("ERR_TIDELOG_SERIALIZATION", async () => Promise.reject((bad as PromiseRejectedResult).reason));
  await failure("ERR_TIDELOG_UNKNOWN_PARTITION", async () => Promise.reject((odd as PromiseRejectedResult).reason));
});

test("the partition may be left out where there is one, and only there", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 2 });
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", topic.get({ offset: 0 }), "partition must be given, the topic has 2");
});

run();
