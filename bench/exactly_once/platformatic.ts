// Kafka by @platformatic/kafka: one record a transaction, and a consumer group whose offsets are committed in the
// transaction of what was made of them (KIP-447); each batch of the broker synced or not.

import type { Consumer, Message, Producer } from "@platformatic/kafka";
import { installed } from "../contestants/installed.js";
import { kafka } from "../contestants/kafka.js";
import type { Tally } from "../records.js";
import type { Sizes } from "./cases.js";
import { KafkaTopics, RETRY_MS } from "./kafka_topics.js";
import { numberOf } from "./numbered.js";
import type { Processing, Session, Way } from "./way.js";

type Library = typeof import("@platformatic/kafka");

const TOPIC = "single";

export const platformatic: readonly Way[] = [
  { synced: true, promise: "synced" },
  { synced: false, promise: "not synced" },
].map(({ synced, promise }) => {
  const mode = `@platformatic/kafka, ${promise}`;
  return {
    contestant: kafka.name,
    modes: { transactions: mode, process: mode },
    share: 0.1,
    unavailable: () => installed("@platformatic/kafka").unavailable,
    open: async (folder, sizes) => {
      const library = await import("@platformatic/kafka");
      const topics = await KafkaTopics.start(folder, synced);
      await topics.create(TOPIC, 1);
      return new PlatformaticSession(library, topics, sizes);
    },
  };
});

class PlatformaticSession implements Session {
  readonly #library: Library;
  readonly #topics: KafkaTopics;
  readonly #sizes: Sizes;
  readonly #producer: Producer;

  constructor(library: Library, topics: KafkaTopics, sizes: Sizes) {
    this.#library = library;
    this.#topics = topics;
    this.#sizes = sizes;
    this.#producer = this.#transactional("bench");
  }

  #transactional(transactionalId: string): Producer {
    const { Producer } = this.#library;
    return new Producer({ ...this.#client(), transactionalId, idempotent: true });
  }

  #client() {
    return { clientId: "bench", bootstrapBrokers: [this.#topics.bootstrap], retryDelay: RETRY_MS, retries: true };
  }

  transact(value: Buffer): Promise<void> {
    return this.#single(this.#producer, value);
  }

  async #single(producer: Producer, value: Buffer): Promise<void> {
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: [{ topic: TOPIC, partition: 0, value }] });
    await transaction.commit();
  }

  async committed(tally: Tally): Promise<void> {
    await this.#topics.read(TOPIC, 1, (value) => tally.add(value));
  }

  async processing(records: readonly Buffer[], batch: number): Promise<Processing> {
    const { from, to } = this.#sizes.partitions;
    const [inputs, outputs, group] = [`in-${batch}`, `out-${batch}`, `process-${batch}`];
    await this.#topics.create(inputs, from);
    await this.#topics.create(outputs, to);
    await this.#topics.fill(inputs, from, records);
    const { Consumer, FetchIsolationLevels } = this.#library;
    const consumer = new Consumer({
      ...this.#client(),
      groupId: group,
      autocommit: false,
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
      highWaterMark: 4 * batch,
    });
    const producer = this.#transactional(group);
    // Joining the group and getting a producer id are not what is measured.
    consumer.topics.trackAll(inputs);
    await consumer.joinGroup();
    await this.#single(producer, records[0]!);
    return {
      run: () => this.#process(consumer, producer, { inputs, outputs, batch, count: records.length }),
      positions: async () => {
        await consumer.close(true);
        await producer.close();
        return await this.#topics.committed(group, inputs);
      },
      outputs: (see) => this.#topics.read(outputs, to, see),
    };
  }

  async #process(
    consumer: Consumer,
    producer: Producer,
    { inputs, outputs, batch, count }: { inputs: string; outputs: string; batch: number; count: number },
  ): Promise<void> {
    const { to } = this.#sizes.partitions;
    const { MessagesStreamModes, MessagesStreamFallbackModes } = this.#library;
    const stream = await consumer.consume({
      topics: [inputs],
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    });
    let done = 0;
    let gathered: Message[] = [];
    for await (const message of stream) {
      gathered.push(message);
      if (gathered.length < batch && done + gathered.length < count) continue;
      const transaction = await producer.beginTransaction();
      await transaction.addConsumer(consumer);
      await transaction.send({
        messages: gathered.map(({ value }) => ({ topic: outputs, partition: numberOf(value) % to, value })),
      });
      // The last of each partition says how far it is; one after the other, as calls at once are taken for one.
      const last = new Map(gathered.map((one) => [one.partition, one]));
      for (const one of last.values()) await transaction.addOffset(one);
      await transaction.commit();
      done += gathered.length;
      gathered = [];
      if (done === count) break;
    }
  }

  async close(): Promise<void> {
    await this.#producer.close();
    await this.#topics.stop();
  }
}
