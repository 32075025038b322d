// Tidelog: `log.transaction`, transactions that are begun and committed by hand, `log.process`, and plain sends to hold
// them against.

import type { Log, ProducerRecord, Topic } from "tidelog";
import { tidelog as store } from "../contestants/tidelog.js";
import type { Tally } from "../records.js";
import { plain, pricedMode, type Sizes } from "./cases.js";
import { numberOf } from "./numbered.js";
import type { Priced, Processing, Session, Way } from "./way.js";

type Bytes = Topic<Uint8Array, Uint8Array, Buffer, Buffer>;
type BytesRecord = ProducerRecord<Uint8Array, Uint8Array>;

const FILL = 1_000;

export const tidelog: readonly Way[] = [
  {
    contestant: store.name,
    modes: { transactions: "log.transaction", process: "log.process", price: "all" },
    unavailable: () => undefined,
    open: async (folder, sizes) => {
      const log = await opened(folder);
      const topic = await log.topic("single");
      const transact = (value: Buffer) => log.transaction("bench", (tx) => tx.send(topic, { value }));
      return new TidelogSession(log, topic, sizes, transact);
    },
  },
  {
    contestant: store.name,
    modes: { transactions: "begin and commit" },
    unavailable: () => undefined,
    open: async (folder, sizes) => {
      const log = await opened(folder);
      const topic = await log.topic("single");
      const producer = await log.transactionalProducer("bench");
      const transact = async (value: Buffer) => {
        const tx = producer.begin();
        tx.send(topic, { value });
        await tx.commit();
      };
      return new TidelogSession(log, topic, sizes, transact);
    },
  },
];

async function opened(folder: string): Promise<Log> {
  const { open } = await import("tidelog");
  return await open(folder, { durability: "fsync" });
}

class TidelogSession implements Session {
  readonly transact: (record: Buffer) => Promise<void>;
  readonly #log: Log;
  readonly #topic: Bytes;
  readonly #sizes: Sizes;

  constructor(log: Log, topic: Bytes, sizes: Sizes, transact: (record: Buffer) => Promise<void>) {
    this.#log = log;
    this.#topic = topic;
    this.#sizes = sizes;
    this.transact = transact;
  }

  async committed(tally: Tally): Promise<void> {
    await this.#read(this.#topic, (value) => tally.add(value));
  }

  async processing(records: readonly Buffer[], batch: number): Promise<Processing> {
    const { from, to } = this.#sizes.partitions;
    const inputs = await this.#log.topic(`in-${batch}`, { partitions: from });
    const outputs = await this.#log.topic(`out-${batch}`, { partitions: to });
    await using producer = this.#log.producer();
    for (let first = 0; first < records.length; first += FILL) {
      const some = records.slice(first, first + FILL);
      await producer.sendBatch(
        inputs,
        some.map((value, i) => ({ value, partition: (first + i) % from })),
      );
    }
    const name = `process-${batch}`;
    return {
      run: async () => {
        const { processed } = await this.#log.process(
          { id: name, from: inputs, group: name, batch, until: "end" },
          ({ value }, tx) => tx.send(outputs, { value: value!, partition: numberOf(value!) % to }),
        );
        if (processed !== records.length) throw new Error(`${processed} records processed, not ${records.length}`);
      },
      positions: async () => {
        const { offsets } = await this.#log.group(name).describe();
        return offsets.map(({ offset }) => offset);
      },
      outputs: (see) => this.#read(outputs, see),
    };
  }

  async priced(batch: number): Promise<readonly Priced[]> {
    const { to } = this.#sizes.partitions;
    const log = this.#log;
    const producer = log.producer();
    const byHand = await log.transactionalProducer(`by-hand-${batch}`);
    const ways: { how: string; send: (topic: Bytes, records: readonly BytesRecord[]) => Promise<unknown> }[] = [
      {
        how: plain(batch),
        send: (topic, records) =>
          batch === 1 ? producer.send(topic, records[0]!) : producer.sendBatch(topic, records),
      },
      {
        how: "log.transaction",
        send: (topic, records) => log.transaction(`function-${batch}`, (tx) => tx.sendBatch(topic, records)),
      },
      {
        how: "begin and commit",
        send: (topic, records) => {
          const tx = byHand.begin();
          tx.sendBatch(topic, records);
          return tx.commit();
        },
      },
    ];
    return await Promise.all(
      ways.map(async ({ how, send }, i) => {
        const topic = await log.topic(`priced-${batch}-${i}`, { partitions: to });
        return {
          mode: pricedMode(how, batch),
          send: async (records: readonly Buffer[]) => {
            await send(
              topic,
              records.map((value, i) => ({ value, partition: i % to })),
            );
          },
          count: async () => {
            let count = 0;
            await this.#read(topic, () => count++);
            return count;
          },
        };
      }),
    );
  }

  async #read(topic: Bytes, see: (value: Buffer, partition: number) => void): Promise<void> {
    const consumer = this.#log.consumer({ topics: [topic], from: "earliest", until: "end" });
    for await (const { value, partition } of consumer) see(value!, partition);
    await consumer.close();
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}
