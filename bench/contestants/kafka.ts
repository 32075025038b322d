// Kafka: a broker of one node on loopback that syncs each batch before it answers, and kafkajs. Records that are sent in
// one tick go as one batch, as Kafka's own producers do when they linger. It takes part only where TIDELOG_KAFKA_CACHE
// names the folder that scripts/kafka has fetched the broker into; it needs Java.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Admin, Kafka, Producer } from "kafkajs";
// The scripts are plain JavaScript.
// @ts-expect-error: no types
import { makeBroker } from "../../scripts/kafka/broker.mjs";
// @ts-expect-error: no types
import { jarsArePresent, version } from "../../scripts/kafka/jars.mjs";
import type { Tally } from "../records.js";
import { type Contestant, eachOnItsOwn, type Replay, type Session } from "./contestant.js";
import { installed } from "./installed.js";

const require = createRequire(import.meta.url);
const TOPIC = "bench";
/** A thousand records of 1 KiB are more than the default allows in a batch. */
const MAX_BATCH_BYTES = 8 << 20;
/** Each batch is synced before it is answered, those of the broker's own topics too. */
const SYNCED = { "log.flush.interval.messages": 1 };
const SETTINGS = {
  "message.max.bytes": MAX_BATCH_BYTES,
  // A group has one member here, and need not wait for more.
  "group.initial.rebalance.delay.ms": 0,
};

export interface Broker {
  readonly bootstrap: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export const kafka: Contestant = {
  name: "Kafka",
  durableMode:
    "one broker on loopback, acks=all, flush.messages=1: each batch is synced before it is answered; what is sent in one " +
    "tick is one batch",
  phases: ["durable"],
  version: () =>
    `${version} (kafkajs ${installed("kafkajs").version}, @platformatic/kafka ${installed("@platformatic/kafka").version})`,
  unavailable,
  open: async (folder) => {
    const broker = await startBroker(folder, { synced: true });
    const { Kafka, logLevel } = require("kafkajs") as typeof import("kafkajs");
    const client = new Kafka({ clientId: "bench", brokers: [broker.bootstrap], logLevel: logLevel.ERROR });
    const admin = client.admin();
    await admin.connect();
    const configEntries = [
      { name: "flush.messages", value: "1" },
      { name: "max.message.bytes", value: `${MAX_BATCH_BYTES}` },
    ];
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic: TOPIC, numPartitions: 1, configEntries }] });
    const producer = client.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    return new KafkaSession(broker, client, admin, producer);
  },
};

/** Starts a broker whose files are in the folder. */
export async function startBroker(folder: string, { synced }: { synced: boolean }): Promise<Broker> {
  const broker: Broker = await makeBroker(join(folder, "broker"), synced ? { ...SETTINGS, ...SYNCED } : SETTINGS);
  // A trial that fails must not leave a broker behind.
  process.on("exit", () => void broker.stop());
  await broker.start();
  return broker;
}

function unavailable(): string | undefined {
  if (process.env["TIDELOG_KAFKA_CACHE"] === undefined) return "only where TIDELOG_KAFKA_CACHE names its jars";
  if (!jarsArePresent("broker")) return "its jars are not in the folder that TIDELOG_KAFKA_CACHE names";
  if (spawnSync("java", ["-version"]).status !== 0) return "there is no java on the PATH";
  return installed("kafkajs").unavailable;
}

class KafkaSession implements Session {
  readonly together = eachOnItsOwn(this);
  readonly #broker: Broker;
  readonly #client: Kafka;
  readonly #admin: Admin;
  readonly #producer: Producer;
  #gathered: Buffer[] = [];
  #sent: Promise<void> | undefined;

  constructor(broker: Broker, client: Kafka, admin: Admin, producer: Producer) {
    this.#broker = broker;
    this.#client = client;
    this.#admin = admin;
    this.#producer = producer;
  }

  appendDurably(record: Buffer): Promise<void> {
    this.#gathered.push(record);
    this.#sent ??= Promise.resolve().then(() => {
      const records = this.#gathered;
      this.#gathered = [];
      this.#sent = undefined;
      return this.append(records);
    });
    return this.#sent;
  }

  async append(batch: readonly Buffer[]): Promise<void> {
    const messages = batch.map((value) => ({ value, partition: 0 }));
    await this.#producer.send({ topic: TOPIC, acks: -1, messages });
  }

  async settled(): Promise<void> {}

  async sync(): Promise<void> {}

  replays(): Record<string, Replay> {
    return { "a consumer's batches": { sums: "values", read: (tally) => this.#replay(tally) } };
  }

  async #replay(tally: Tally): Promise<void> {
    const [partition] = await this.#admin.fetchTopicOffsets(TOPIC);
    const end = Number(partition?.high ?? 0);
    const consumer = this.#client.consumer({ groupId: "bench" });
    await consumer.connect();
    await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
    await new Promise<void>((done, failed) => {
      consumer.on("consumer.crash", ({ payload }) => failed(payload.error));
      const eachMessage = async ({ message }: { message: { value: Buffer | null } }) => {
        tally.add(message.value!);
        if (tally.count === end) done();
      };
      consumer.run({ eachMessage }).catch(failed);
    });
    await consumer.disconnect();
  }

  gets(): Record<string, never> {
    return {};
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
    await this.#admin.disconnect();
    await this.#broker.stop();
  }
}
