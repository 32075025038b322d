// Kafka by kafkajs: one record a transaction, each batch of the broker synced or not.

import type { Producer } from "kafkajs";
import { kafka } from "../contestants/kafka.js";
import type { Tally } from "../records.js";
import { KafkaTopics, RETRY_MS } from "./kafka_topics.js";
import type { Session, Way } from "./way.js";

const TOPIC = "single";
const RETRY = { initialRetryTime: RETRY_MS, factor: 0, multiplier: 1, retries: 1_000 };

export const kafkajs: readonly Way[] = [
  { synced: true, promise: "synced" },
  { synced: false, promise: "not synced" },
].map(({ synced, promise }) => ({
  contestant: kafka.name,
  modes: { transactions: `kafkajs, ${promise}` },
  share: 0.1,
  unavailable: () => undefined,
  open: async (folder) => {
    const topics = await KafkaTopics.start(folder, synced);
    await topics.create(TOPIC, 1);
    const producer = topics.client.producer({
      transactionalId: "bench",
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: RETRY,
    });
    await producer.connect();
    return new KafkajsSession(topics, producer);
  },
}));

class KafkajsSession implements Session {
  readonly #topics: KafkaTopics;
  readonly #producer: Producer;

  constructor(topics: KafkaTopics, producer: Producer) {
    this.#topics = topics;
    this.#producer = producer;
  }

  async transact(value: Buffer): Promise<void> {
    const transaction = await this.#producer.transaction();
    await transaction.send({ topic: TOPIC, acks: -1, messages: [{ value, partition: 0 }] });
    await transaction.commit();
  }

  async committed(tally: Tally): Promise<void> {
    await this.#topics.read(TOPIC, 1, (value) => tally.add(value));
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
    await this.#topics.stop();
  }
}
