// Tidelog through its public API, as a program would use it: packed batches with several under way, batches of
// lazy views, point reads that are gathered.

import type { Consumer, ConsumerRecord, Log, Producer, Topic } from "tidelog";
import type { Tally } from "../records.js";
import { type Contestant, eachOnItsOwn, type Getter, type Replay, type Session } from "./contestant.js";
import { packageVersion } from "./installed.js";

type Bytes = Topic<Uint8Array, Uint8Array, Buffer, Buffer>;

/** Batches under way at once: more than 16 would only wait in memory; one is what a program does that awaits each. */
const WINDOWS = [16, 1] as const;

export const tidelog: Contestant = {
  name: "tidelog",
  durableMode: "durability `fsync`: synced before the promise resolves; those who wait together share a sync",
  windows: WINDOWS,
  version: packageVersion,
  unavailable: () => undefined,
  open: async (folder, options) => {
    // Loaded here, so that the processes of other contestants don't.
    const { open } = await import("tidelog");
    const log = await open(folder, { durability: options.durable ? "fsync" : "buffered" });
    return new TidelogSession(log, await log.topic("bench"), options.window ?? WINDOWS[0]);
  },
};

class TidelogSession implements Session {
  readonly together = eachOnItsOwn(this);
  readonly #log: Log;
  readonly #topic: Bytes;
  readonly #producer: Producer;
  readonly #window: number;
  readonly #underWay: Promise<unknown>[] = [];
  /** Batches as records, made once for each array of payloads. */
  readonly #records = new Map<readonly Buffer[], { value: Buffer }[]>();

  constructor(log: Log, topic: Bytes, window: number) {
    this.#window = window;
    this.#log = log;
    this.#topic = topic;
    this.#producer = log.producer();
  }

  append(batch: readonly Buffer[]): void | Promise<void> {
    let records = this.#records.get(batch);
    if (records === undefined) {
      records = batch.map((value) => ({ value }));
      this.#records.set(batch, records);
    }
    this.#underWay.push(this.#producer.sendBatch(this.#topic, records));
    if (this.#underWay.length >= this.#window) return this.#underWay.shift() as Promise<void>;
  }

  async settled(): Promise<void> {
    await Promise.all(this.#underWay.splice(0));
  }

  async sync(): Promise<void> {
    await this.#topic.sync();
  }

  replays(): Record<string, Replay> {
    return {
      "batches, a Buffer of each record": { sums: "values", read: (tally) => this.#replayBuffers(tally) },
      "batches, offset of each lazy record": { sums: "offsets", read: (tally) => this.#replayLazily(tally) },
      "record by record, complete objects": { sums: "values", read: (tally) => this.#replayRecords(tally) },
    };
  }

  async #replayBuffers(tally: Tally): Promise<void> {
    const consumer = this.#consumer();
    for await (const batch of consumer.batches()) {
      for (const record of batch) tally.add(record.value!);
    }
    await consumer.close();
  }

  async #replayLazily(tally: Tally): Promise<void> {
    const consumer = this.#consumer();
    for await (const batch of consumer.batches()) {
      for (const record of batch) tally.addOffset(record.offset);
    }
    await consumer.close();
  }

  async #replayRecords(tally: Tally): Promise<void> {
    const consumer = this.#consumer();
    for await (const record of consumer) tally.add(record.value!);
    await consumer.close();
  }

  #consumer(): Consumer<ConsumerRecord<Buffer, Buffer>> {
    return this.#log.consumer({ assign: [{ topic: this.#topic, partition: 0 }], from: "earliest", until: "end" });
  }

  gets(): Record<string, Getter> {
    const topic = this.#topic;
    const read = async (numbers: readonly number[]): Promise<Uint8Array[]> => {
      const records = await Promise.all(numbers.map((offset) => topic.get({ offset })));
      return records.map((record, i) => {
        if (record?.value == null) throw new Error(`there is no record ${numbers[i]}`);
        return record.value;
      });
    };
    return {
      "1,000 in flight": { together: 1000, read },
      "256 in flight": { together: 256, read },
      "one awaited at a time": { together: 1, read },
    };
  }

  async appendDurably(record: Buffer): Promise<void> {
    await this.#producer.send(this.#topic, { value: record });
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}
