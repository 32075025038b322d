// time limit: 240 s
// A consumer under random orders, held to a model that is nothing but a list of records and a position for each
// partition: whatever is sent, deleted, sought, paused and resumed, in loops of records or of batches, the next record
// of a partition is always the one at its position.

import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { type Consumer, type ConsumerRecord, json, type Log, type Producer, type Topic } from "../../ts/index.js";
import { range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("a consumer against a model");

const PARTITIONS = 3;
type Value = [partition: number, offset: number];

/** What should be. */
class Model {
  readonly ends = new Array<number>(PARTITIONS).fill(0);
  readonly starts = new Array<number>(PARTITIONS).fill(0);
  readonly positions = new Array<number>(PARTITIONS).fill(0);
  readonly paused = new Array<boolean>(PARTITIONS).fill(false);

  /** Records that a loop would give before it had to wait. */
  get readable(): number {
    return range(PARTITIONS).reduce((sum, p) => sum + (this.paused[p] ? 0 : this.ends[p]! - this.positions[p]!), 0);
  }

  get lost(): boolean {
    return range(PARTITIONS).some((p) => this.positions[p]! < this.starts[p]!);
  }

  take(partition: number, offset: number, value: Value | null): void {
    assert.not(this.paused[partition], `partition ${partition} is paused`);
    assert.is(offset, this.positions[partition]);
    assert.equal(value, [partition, offset]);
    this.positions[partition] = offset + 1;
  }
}

interface Real {
  log: Log;
  topic: Topic<Uint8Array, Value, Buffer, Value>;
  producer: Producer;
  consumer: Consumer<ConsumerRecord<Buffer, Value>>;
  loop: AsyncIterator<ConsumerRecord<Buffer, Value>> | undefined;
}

type Step = (model: Model, real: Real) => Promise<void>;

const partition = fc.nat(PARTITIONS - 1);

const send = fc.tuple(partition, fc.integer({ min: 1, max: 60 })).map(
  ([p, count]): Step =>
    async (model, { topic, producer }) => {
      const records = range(count).map((i) => ({ value: [p, model.ends[p]! + i] as Value, partition: p }));
      await producer.sendBatch(topic, records);
      model.ends[p]! += count;
    },
);

const read = fc.integer({ min: 1, max: 40 }).map(
  (count): Step =>
    async (model, real) => {
      real.loop ??= real.consumer[Symbol.asyncIterator]();
      for (let i = Math.min(count, model.readable); i > 0; i--) {
        const { value } = await real.loop.next();
        model.take(value.partition, value.offset, value.value);
      }
    },
);

const readBatches = fc.integer({ min: 1, max: 3 }).map(
  (count): Step =>
    async (model, real) => {
      await leave(real);
      if (model.readable === 0) return;
      let seen = 0;
      for await (const batch of real.consumer.batches()) {
        for (const { offset, value } of batch) model.take(batch.partition, offset, value);
        if (++seen === count || model.readable === 0) break;
      }
    },
);

const leaveLoop = fc.constant<Step>(async (_, real) => leave(real));

const seek = fc.tuple(partition, fc.double({ min: 0, max: 1, noNaN: true })).map(
  ([p, at]): Step =>
    async (model, { consumer }) => {
      const offset = model.starts[p]! + Math.round(at * (model.ends[p]! - model.starts[p]!));
      await consumer.seek({ partition: p, offset });
      model.positions[p] = offset;
    },
);

const seekAll = fc.constantFrom("earliest", "latest").map(
  (to): Step =>
    async (model, { consumer }) => {
      await consumer.seek({ to: to as "earliest" | "latest" });
      for (const p of range(PARTITIONS)) model.positions[p] = (to === "latest" ? model.ends : model.starts)[p]!;
    },
);

const pause = fc.tuple(partition, fc.boolean()).map(
  ([p, paused]): Step =>
    async (model, { consumer }) => {
      if (paused) consumer.pause({ partition: p });
      else consumer.resume({ partition: p });
      model.paused[p] = paused;
    },
);

const remove = partition.map(
  (p): Step =>
    async (model, { topic }) => {
      // Only what has been read: the model has no opinion about records that vanish ahead of a reader.
      const before = Math.max(model.starts[p]!, model.positions[p]!);
      await topic.deleteRecords({ partition: p, before });
      model.starts[p] = before;
    },
);

const check = fc.constant<Step>(async (model, { consumer }) => {
  const lag = await consumer.lag();
  assert.equal(
    lag.map(({ position }) => position),
    model.positions,
  );
  assert.equal(
    lag.map(({ highWatermark }) => highWatermark),
    model.ends,
  );
});

async function leave(real: Real): Promise<void> {
  await real.loop?.return?.();
  real.loop = undefined;
}

for (const readBytes of [1024, 1 << 20]) {
  test(`the next record of a partition is the one at its position (${readBytes} bytes a read)`, async ({ open }) => {
    const log = await open();
    let runs = 0;
    const step = fc.oneof(send, send, read, read, readBatches, leaveLoop, seek, seekAll, pause, remove, check);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const topic = await log.topic(`t${runs++}`, { partitions: PARTITIONS, value: json<Value>() });
        const producer = log.producer();
        const consumer = log.consumer({ topics: [topic], readBytes });
        const model = new Model();
        const real: Real = { log, topic, producer, consumer, loop: undefined };
        for (const one of steps) {
          if (model.lost) break;
          await one(model, real);
        }
        await consumer.close();
        await producer.close();
        await log.deleteTopic(topic.name);
      }),
      { numRuns: 60 },
    );
  }, 100_000);
}

run();
