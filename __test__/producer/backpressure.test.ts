// A producer that outruns the disk waits: memory stays bounded, nobody is forgotten, and waiting can be given up.

import * as assert from "uvu/assert";
import { string } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("backpressure");

const MiB = 1 << 20;

test("trySend and ready keep memory within the buffer", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { maxBatchBytes: 4 * MiB });
  const producer = log.producer({ bufferBytes: 4 * MiB });
  const value = Buffer.alloc(10_000, 7);
  const before = process.memoryUsage().rss;
  let highest = 0;
  let waits = 0;
  for (const i of range(30_000)) {
    while (!producer.trySend(topic, { value })) {
      waits += 1;
      await producer.ready();
    }
    if (i % 500 === 0) highest = Math.max(highest, process.memoryUsage().rss);
  }
  await producer.flush();
  assert.ok(waits > 0, "it never had to wait");
  const grown = (highest - before) / MiB;
  // 300 MB went through. What may grow: the buffer, the engine's encoding of it, its threads' memory, the collector's debts.
  assert.ok(grown < 100, `memory grew by ${grown.toFixed(0)} MiB`);
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 30_000);
}, 60_000);

test("sends wait for room, in their order, and all get through", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer({ bufferBytes: 2048 });
  const text = "x".repeat(500);
  const sends = await Promise.all(range(500).map((i) => producer.send(topic, { value: `${i} ${text}` })));
  assert.equal(
    sends.map(({ offset }) => offset),
    range(500),
  );
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.equal(
    records.map(({ value }) => Number.parseInt(value!, 10)),
    range(500),
  );
});

test("a batch larger than the buffer goes piece by piece", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer({ bufferBytes: 100_000 });
  const value = Buffer.alloc(1000);
  const batch = await producer.sendBatch(
    topic,
    range(5000).map(() => ({ value })),
  );
  assert.equal([...batch.offsets()], range(5000));
});

test("whoever waits holds up those behind, whatever their topic", async ({ open }) => {
  const log = await open();
  const [one, other] = [await log.topic("one", { value: string() }), await log.topic("other", { value: string() })];
  const producer = log.producer({ bufferBytes: 1024 });
  const order: string[] = [];
  const note = (name: string) => () => order.push(name);
  const sends = [
    producer.send(one, { value: "x".repeat(2000) }).then(note("first")),
    producer.send(one, { value: "x".repeat(2000) }).then(note("second")),
    producer.send(other, { value: "small" }).then(note("third")),
  ];
  assert.is(producer.trySend(other, { value: "small" }), false);
  await Promise.all(sends);
  assert.equal(order, ["first", "second", "third"]);
});

test("waiting for room can be given up, and then nothing was sent", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer({ bufferBytes: 1024 });
  const large = producer.send(topic, { value: "x".repeat(5000) });
  const abort = new AbortController();
  const waits = [
    producer.send(topic, { value: "never" }, { signal: abort.signal }),
    producer.sendBatch(topic, [{ value: "never" }], { signal: abort.signal }),
    producer.ready({ signal: abort.signal }),
    producer.flush({ signal: abort.signal }),
  ];
  const behind = producer.send(topic, { value: "behind" });
  abort.abort(new Error("enough"));
  for (const wait of waits) {
    const error = await failure("ERR_TIDELOG_ABORTED", wait);
    assert.is(error.name, "AbortError");
    assert.is((error.cause as Error).message, "enough");
  }
  await failure("ERR_TIDELOG_ABORTED", producer.send(topic, { value: "never" }, { signal: abort.signal }));
  await Promise.all([large, behind]);
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.equal(
    records.map(({ value }) => value!.slice(0, 6)),
    ["xxxxxx", "behind"],
  );
});

test("a signal that fires later changes nothing for what went through", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const abort = new AbortController();
  const sent = log.producer().send(topic, { value: "v" }, { signal: abort.signal });
  abort.abort();
  assert.is((await sent).offset, 0);
});

test("trySend by name begins to open the topic, and tells when that fails", async ({ open }) => {
  const log = await open();
  await (await open()).topic("t");
  const producer = log.producer();
  const record = { value: Buffer.from("v") };
  assert.is(producer.trySend("t", record), false);
  await producer.ready();
  assert.is(producer.trySend("t", record), true);
  await producer.flush();
  assert.is(producer.trySend("none", record), false);
  await producer.ready();
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", () => producer.trySend("none", record));
});

run();
