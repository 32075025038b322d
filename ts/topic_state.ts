// What the package keeps of an open topic behind its public handle: the binding's object, the codecs, and the
// limits that are worth knowing without asking.

import { InvalidArgumentError, TidelogError } from "./errors.js";
import { direct, type NativePartition, type NativeTopic, settled } from "./native.js";
import { shown } from "./options.js";
import type { Codec } from "./serdes/codec.js";

/** An open topic, as the rest of the package sees it. */
export class TopicState {
  readonly native: NativeTopic;
  readonly name: string;
  readonly id: string;
  readonly key: Codec;
  readonly value: Codec;
  /** The store that it is of, to refuse the handle of another. */
  readonly owner: object;
  maxBatchBytes = 0;
  maxFutureMs = 0;
  appendTime = false;
  /** Whether it keeps the newest record of each key, and takes none without one. */
  compacts = false;
  readonly #partitions: NativePartition[] = [];
  /** As many partitions as there were when it was asked last; their number only grows. */
  #known = 0;

  constructor(owner: object, native: NativeTopic, key: Codec, value: Codec) {
    this.owner = owner;
    this.native = native;
    this.name = native.name;
    this.id = native.id;
    this.key = key;
    this.value = value;
    this.refresh();
  }

  /** Asks again for the limits, which another thread may have altered. */
  refresh(): void {
    const config = direct(() => this.native.config());
    this.maxBatchBytes = config.maxBatchBytes ?? 0;
    this.maxFutureMs = config.maxFutureMs ?? 0;
    this.compacts = config.cleanup !== undefined && config.cleanup !== "delete";
    this.appendTime = config.timestampType === "LogAppendTime";
  }

  /** Makes durable what a send to a `buffered` topic does not wait for. A topic that is gone has nothing left to lose. */
  async syncBuffered(): Promise<void> {
    if (direct(() => this.native.config()).durability !== "buffered") return;
    await settled(() => this.native.sync()).catch((error: TidelogError) => {
      if (error.code !== "ERR_TIDELOG_TOPIC_DELETED") throw error;
    });
  }

  /** Refuses a topic that no transaction may write to: those of `"buffered"` can't keep to all or nothing. */
  checkTransactional(): void {
    if (direct(() => this.native.config()).durability !== "buffered") return;
    throw new InvalidArgumentError(
      `topic "${this.name}" has durability "buffered", and transactions write to topics of "fsync" only; ` +
        `give it that by topic.alter({ durability: "fsync" })`,
    );
  }

  get partitionCount(): number {
    return this.native.partitionCount;
  }

  /** The binding's partition of this number. */
  partition(index: number): NativePartition {
    this.checkPartition(index);
    this.#partitions[index] ??= direct(() => this.native.partition(index));
    return this.#partitions[index];
  }

  /** Refuses what is no partition of this topic. */
  checkPartition(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.#known) return;
    const count = this.partitionCount;
    this.#known = count;
    if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= count) {
      const range = count === 1 ? "only partition 0" : `partitions 0 to ${count - 1}`;
      throw new TidelogError(
        "ERR_TIDELOG_UNKNOWN_PARTITION",
        `topic "${this.name}" has ${range}, not ${shown(index)}; choose one of these`,
      );
    }
  }
}
