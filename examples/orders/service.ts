// A service as this example has them: a consumer group of its own on the one topic, so that it gets every event, at its own
// pace, whoever else reads.
import { setTimeout as sleep } from "node:timers/promises";
import { type Consumer, type GroupRecord, json, type Log, string } from "tidelog";

/** What happens to orders. */
export type OrderEvent =
  | { type: "placed"; item: string; amount: number }
  | { type: "cancelled" }
  | { type: "packed"; parcel: string };

/** Opens the topic, and makes it the first time. Events of one order have its id as their key, and stay in order. */
export function ordersTopic(log: Log) {
  return log.topic("orders", { partitions: 3, key: string(), value: json<OrderEvent>() });
}

export type OrderRecord = GroupRecord<string, OrderEvent>;

/** A service that is running. */
export class Service {
  readonly #consumer: Consumer<OrderRecord>;
  readonly #running: Promise<void>;

  private constructor(consumer: Consumer<OrderRecord>, handle: (id: string, event: OrderEvent) => void) {
    this.#consumer = consumer;
    this.#running = this.#run(handle);
  }

  /**
   * Starts it. What services know is in memory only: they replay what their group has done before, to know it again, and go on
   * behind that.
   */
  static async start(log: Log, group: string, handle: (id: string, event: OrderEvent) => void): Promise<Service> {
    const topic = await ordersTopic(log);
    for (const { partition, offset } of (await log.group(group).describe()).offsets) {
      const done = log.consumer({ assign: [{ topic, partition }], from: "earliest", until: { offset } });
      for await (const { key, value } of done) handle(key!, value!);
    }
    return new Service(log.consumer({ group, topics: [topic], from: "earliest" }), handle);
  }

  /** Waits until it has seen all that there is, and has its place committed. */
  async caughtUp(): Promise<void> {
    while ((await this.#consumer.lag()).some(({ lag }) => lag > 0)) await sleep(5);
    await this.#consumer.commit();
  }

  /** Ends it. */
  async stop(): Promise<void> {
    await this.#consumer.close();
    await this.#running;
  }

  async #run(handle: (id: string, event: OrderEvent) => void): Promise<void> {
    for await (const { key, value } of this.#consumer) handle(key!, value!);
  }
}
