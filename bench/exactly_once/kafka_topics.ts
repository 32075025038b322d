// A broker with topics, filled and read back by kafkajs, whichever client is measured: what another client reads as
// committed is committed.

import { createRequire } from "node:module";
import type { Admin, Kafka, Producer } from "kafkajs";
import { type Broker, startBroker } from "../contestants/kafka.js";

const require = createRequire(import.meta.url);
const FILL = 1_000;

/**
 * A commit is acknowledged before its markers are written, and the next transaction is refused meanwhile: what counts is how
 * soon a client tries again. By default @platformatic/kafka does after a second and kafkajs after 300 ms; of 1, 2, 5, 10 and
 * 20 ms, 1 was the best for both.
 */
export const RETRY_MS = 1;

/** A broker that runs, and what the trials need of it beside what they measure. */
export class KafkaTopics {
  readonly client: Kafka;
  readonly bootstrap: string;
  readonly #broker: Broker;
  readonly #admin: Admin;
  readonly #producer: Producer;
  #readers = 0;

  private constructor(broker: Broker, client: Kafka, admin: Admin, producer: Producer) {
    this.#broker = broker;
    this.client = client;
    this.bootstrap = broker.bootstrap;
    this.#admin = admin;
    this.#producer = producer;
  }

  static async start(folder: string, synced: boolean): Promise<KafkaTopics> {
    const broker = await startBroker(folder, { synced });
    const { Kafka, logLevel } = require("kafkajs") as typeof import("kafkajs");
    // It logs each try that is repeated.
    const client = new Kafka({ clientId: "bench", brokers: [broker.bootstrap], logLevel: logLevel.NOTHING });
    const admin = client.admin();
    const producer = client.producer({ allowAutoTopicCreation: false });
    await admin.connect();
    await producer.connect();
    return new KafkaTopics(broker, client, admin, producer);
  }

  async create(topic: string, numPartitions: number): Promise<void> {
    await this.#admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions }] });
  }

  /** Sends records, the one of number i to partition i modulo their number. */
  async fill(topic: string, partitions: number, records: readonly Buffer[]): Promise<void> {
    for (let first = 0; first < records.length; first += FILL) {
      const messages = records
        .slice(first, first + FILL)
        .map((value, i) => ({ value, partition: (first + i) % partitions }));
      await this.#producer.send({ topic, acks: -1, messages });
    }
  }

  /** What a group has committed of a topic's partitions. */
  async committed(groupId: string, topic: string): Promise<number[]> {
    const [committed] = await this.#admin.fetchOffsets({ groupId, topics: [topic] });
    return committed?.partitions.map(({ offset }) => Number(offset)) ?? [];
  }

  /** Shows all that is committed, those of one partition in order. An empty record, sent now, marks each one's end. */
  async read(topic: string, partitions: number, see: (value: Buffer, partition: number) => void): Promise<void> {
    const ends = Array.from({ length: partitions }, (_, partition) => ({ partition, value: Buffer.alloc(0) }));
    await this.#producer.send({ topic, acks: -1, messages: ends });
    const consumer = this.client.consumer({ groupId: `reader-${this.#readers++}`, readUncommitted: false });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    let ended = 0;
    await new Promise<void>((done, failed) => {
      consumer.on("consumer.crash", ({ payload }) => {
        if (!payload.restart) failed(payload.error);
      });
      const eachMessage = async ({ message, partition }: { message: { value: Buffer | null }; partition: number }) => {
        const value = message.value ?? Buffer.alloc(0);
        try {
          if (value.length > 0) see(value, partition);
          else if (++ended === partitions) done();
        } catch (error) {
          failed(error);
        }
      };
      consumer.run({ eachMessage }).catch(failed);
    });
    await consumer.disconnect();
  }

  async stop(): Promise<void> {
    await this.#producer.disconnect();
    await this.#admin.disconnect();
    await this.#broker.stop();
  }
}
