// Everything that a program may do with a store, all at once and in turns: sends of both kinds, readers that follow and
// readers that start over, point reads, records and topics deleted, further handles and threads. What is kept is
// bounded, so whatever grows with time is not let go of.

import { once } from "node:events";
import { json, type Log, OffsetOutOfRangeError, open, type Serde, string, type TopicOf } from "../../ts/index.js";
import { range, sleep } from "../support/expect.js";
import { worker } from "../support/worker.js";
import { Latencies } from "./gauges.js";

const RETENTION = { retention: { bytes: 2 << 20 }, segment: { bytes: 512 << 10 } };
const PARTITIONS = 2;

type Durable = TopicOf<Serde<string>, Serde<string>>;
type Shared = TopicOf<Serde<Uint8Array>, Serde<{ id: number; i: number }>>;

export class Load {
  /** How often each part of the load was done. */
  readonly done: Record<string, number> = {};
  readonly latencies = new Latencies();
  readonly #log: Log;
  readonly #durable: Durable;
  /** Buffered; the one that workers use too. */
  readonly #shared: Shared;
  readonly #following: Promise<void>;
  #turn = 0;

  private constructor(log: Log, durable: Durable, shared: Shared) {
    this.#log = log;
    this.#durable = durable;
    this.#shared = shared;
    this.#following = this.#follow();
  }

  static async start(log: Log): Promise<Load> {
    const durable = await log.topic("durable", {
      ...RETENTION,
      partitions: PARTITIONS,
      durability: "fsync",
      key: string(),
      value: string(),
    });
    const shared = await log.topic("t", {
      ...RETENTION,
      partitions: PARTITIONS,
      compression: "lz4",
      value: json<{ id: number; i: number }>(),
    });
    return new Load(log, durable, shared);
  }

  /** All of it for so long; nothing is under way afterwards, except for the reader that follows. */
  async turn(ms: number): Promise<void> {
    const end = performance.now() + ms;
    const until = async (name: string, step: () => Promise<unknown>, pauseMs = 0) => {
      do {
        await step();
        this.#count(name, 1);
        await sleep(pauseMs);
      } while (performance.now() < end);
    };
    const producer = this.#log.producer();
    // What failed is told once all have ended: the folder must not go while they use it.
    const ended = await Promise.allSettled([
      ...range(8).map((sender) => until("durable sends", () => this.#send(producer, sender))),
      until("buffered batches", () => producer.sendBatch(this.#shared, this.#values()), 5),
      until("replays", () => this.#replay(), 50),
      until("point reads", () => this.#get(), 2),
      until("deletions of records", () => this.#deleteRecords(), 200),
      until("topics made and deleted", () => this.#passingTopic(), 100),
      until("further handles", () => this.#furtherHandle(), 50),
      until("readers beside", () => this.#readBeside(), 100),
      until("threads", () => this.#thread(), 1000),
    ]);
    await producer.close();
    for (const one of ended) if (one.status === "rejected") throw one.reason;
    this.#turn++;
  }

  /** To be called once the store is closed, which ends the reader that follows. */
  ended(): Promise<void> {
    return this.#following;
  }

  #count(name: string, times: number): void {
    this.done[name] = (this.done[name] ?? 0) + times;
  }

  #values() {
    return range(100).map((i) => ({ partition: i % PARTITIONS, value: { id: this.#turn, i } }));
  }

  async #send(producer: ReturnType<Log["producer"]>, sender: number): Promise<void> {
    const began = performance.now();
    await producer.send(this.#durable, { key: `sender ${sender}`, value: "v".repeat(400 + sender * 100) });
    this.latencies.add(performance.now() - began);
  }

  async #follow(): Promise<void> {
    const follower = this.#log.consumer({
      topics: [this.#durable, this.#shared],
      from: "latest",
      onOutOfRange: "earliest",
    });
    try {
      for await (const batch of follower.batches()) this.#count("records followed", batch.length);
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_TIDELOG_CLOSED") throw error;
    }
  }

  async #replay(): Promise<void> {
    const topics = [this.#durable, this.#shared];
    const reader = this.#log.consumer({ topics, from: "earliest", until: "end", onOutOfRange: "earliest" });
    for await (const record of reader) if (record.value === null) throw new Error("nothing was sent without a value");
  }

  async #get(): Promise<void> {
    const partition = Math.floor(Math.random() * PARTITIONS);
    const { logStartOffset: start, highWatermark: end } = this.#log.raw.partition(this.#durable, partition);
    const offset = start + Math.floor(Math.random() * (end - start));
    try {
      const record = await this.#durable.get({ partition, offset });
      if (record !== null && record.offset !== offset) throw new Error(`${record.offset} in place of ${offset}`);
    } catch (error) {
      // It was deleted meanwhile.
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
    }
  }

  async #deleteRecords(): Promise<void> {
    for (const partition of range(PARTITIONS)) {
      const { logStartOffset: start, highWatermark: end } = this.#log.raw.partition(this.#durable, partition);
      await this.#durable.deleteRecords({ partition, before: Math.max(start, end - 2000) });
    }
  }

  async #passingTopic(): Promise<void> {
    const topic = await this.#log.topic(`passing-${this.#turn}`, {
      partitions: 3,
      durability: "fsync",
      value: string(),
    });
    const producer = this.#log.producer();
    const records = range(30).map((i) => ({ partition: i % 3, value: `${i}` }));
    await producer.sendBatch(topic, records);
    let read = 0;
    for await (const _ of this.#log.consumer({ topics: [topic], until: "end" })) read++;
    if (read !== records.length) throw new Error(`${read} of ${records.length} records`);
    await producer.close();
    await this.#log.deleteTopic(topic.name);
  }

  async #furtherHandle(): Promise<void> {
    const log = await open(this.#log.path, { durability: "buffered" });
    const topic = await log.openTopic("t", { value: string() });
    const producer = log.producer();
    await producer.send(topic, { value: '{"id":-1,"i":-1}' });
    // Left as they are: closing the handle has to end them.
    const waiting = log.raw
      .partition(topic, 0)
      .waitFor(2 ** 50)
      .then(
        () => "woken",
        (error: { code?: string }) => error.code,
      );
    log.consumer({ topics: [topic] });
    await log.close();
    const outcome = await waiting;
    if (outcome !== "ERR_TIDELOG_CLOSED") throw new Error(`a wait ended with ${outcome}`);
  }

  async #readBeside(): Promise<void> {
    const log = await open(this.#log.path, { readOnly: true });
    const topic = await log.openTopic("t", { value: json<object>() });
    let read = 0;
    for await (const batch of log.consumer({ topics: [topic], until: "end", onOutOfRange: "earliest" }).batches()) {
      read += batch.length;
      if (read > 1000) break;
    }
    await log.close();
  }

  async #thread(): Promise<void> {
    const thread = worker("share", { folder: this.#log.path, id: this.#turn, count: 200 });
    const [[places]] = (await Promise.all([once(thread, "message"), once(thread, "exit")])) as [[unknown[]], unknown];
    if (places.length !== 200) throw new Error(`${places.length} of 200 sends`);
  }
}
