// A topic's public handle: what it is and holds, changes to it, and point reads, which are gathered so that those
// of one tick cross into the engine together.

import { InvalidArgumentError } from "./errors.js";
import { checkMadeInside } from "./made_inside.js";
import { type Completion, direct, type NativePartitionDescription, settled, tickets } from "./native.js";
import { checkInteger, checkOptions, shown } from "./options.js";
import { type ConsumerRecord, RecordRows, recordAt } from "./record.js";
import { showAs } from "./shown_as.js";
import {
  CONFIG_NAMES,
  type FullTopicConfig,
  fromNativeConfig,
  type TopicChange,
  toNativeConfig,
} from "./topic_config.js";
import { TopicState } from "./topic_state.js";

/** One partition, as `describe` tells. */
export interface PartitionDescription {
  readonly partition: number;
  /** The first offset held. */
  readonly logStartOffset: number;
  /** The offset after the last record that may be read. */
  readonly highWatermark: number;
  /** The offset that the next record gets. */
  readonly logEndOffset: number;
  /** Number of segment files. */
  readonly segments: number;
  /** Bytes of record batches in them. */
  readonly bytes: number;
  /** What is damaged, if anything: the partition takes no more records then, the rest stays readable. */
  readonly damage: string | null;
  /**
   * Why the last attempt to compact it failed, if it did: a full disk, say, after which it is tried again; or damage that it
   * found, after which nothing of the partition is compacted before the store is opened anew.
   */
  readonly compactionFailure: string | null;
}

/** A topic, as `describe` tells. */
export interface TopicDescription {
  readonly name: string;
  readonly id: string;
  readonly config: FullTopicConfig;
  readonly partitions: readonly PartitionDescription[];
}

/**
 * Names a record: a place that was kept, a record that was read, or what `send` resolved with. The partition may be left out
 * of a topic that has only one.
 */
export interface RecordPlace {
  /** The topic's name, if it is given: another one is refused. */
  topic?: string | undefined;
  partition?: number | undefined;
  offset: number;
}

/** Point reads that cross together at most: few enough that the engine reads some while others are asked for. */
const GATHER = 64;

/** What a place may hold: also all that records and the answers to sends do. */
const PLACE_NAMES = ["partition", "offset", "topic", "timestamp", "key", "value", "headers", "commit", "duplicate"];

interface Gathered {
  partition: number;
  offset: number;
  resolve: (record: ConsumerRecord<unknown, unknown> | null) => void;
  reject: (error: unknown) => void;
}

/** Any topic, whatever its types. */
// biome-ignore lint/suspicious/noExplicitAny: every topic must fit
export type AnyTopic = Topic<any, any, any, any>;

let makeTopic: (state: TopicState) => AnyTopic;
let stateOf: (topic: AnyTopic) => TopicState | undefined;

/**
 * An open topic. `K` and `V` are what its keys and values are sent as, `RK` and `RV` what they are read as.
 * It holds nothing that has to be closed.
 */
export class Topic<K = Uint8Array, V = Uint8Array, RK = K, RV = V> {
  readonly #state: TopicState;
  #gathered: Gathered[] = [];
  /** Carries the types for the compiler; not there at run time. */
  declare readonly $types?: { sent: (key: K, value: V) => void; read: [RK, RV] };

  private constructor(state: TopicState) {
    checkMadeInside(state instanceof TopicState, "Topic", "await log.topic(name)");
    this.#state = state;
  }

  static {
    makeTopic = (state) => new Topic(state);
    showAs(Topic, ({ name, id, partitions }) => ({ name, id, partitions }));
    stateOf = (topic) => (#state in topic ? topic.#state : undefined);
  }

  /** Its name. */
  get name(): string {
    return this.#state.name;
  }

  /** Its id, which a topic created anew under the same name does not share. */
  get id(): string {
    return this.#state.id;
  }

  /** Number of partitions. */
  get partitions(): number {
    return this.#state.partitionCount;
  }

  /** Its configuration, complete. */
  get config(): FullTopicConfig {
    return fromNativeConfig(direct(() => this.#state.native.config()));
  }

  /** Configuration, offsets and sizes as they are now. */
  async describe(): Promise<TopicDescription> {
    const { name, id, config, partitions } = await settled(() => this.#state.native.describe());
    return { name, id, config: fromNativeConfig(config), partitions: partitions.map(described) };
  }

  /**
   * Changes what can be changed; what is not given stays. Partitions can only be added, and keys may belong to
   * others then. A limit of retention is lifted by null.
   */
  async alter(change: TopicChange): Promise<void> {
    const where = `topic "${this.name}": alter`;
    const names = CONFIG_NAMES.filter((name) => name !== "timestamps" && name !== "indexIntervalBytes");
    if (typeof change !== "object" || change === null) {
      throw new InvalidArgumentError(
        `${where} takes what is to change, such as { partitions: 4 }, not ${shown(change)}`,
      );
    }
    checkOptions(where, change, names);
    const native = toNativeConfig(where, change);
    await settled(() => this.#state.native.alter(native));
    this.#state.refresh();
  }

  /**
   * Deletes the records of a partition below an offset and gives the new log start offset. Space is given back a
   * segment at a time.
   */
  async deleteRecords(options: { partition?: number | undefined; before: number }): Promise<number> {
    const where = `topic "${this.name}": deleteRecords`;
    if (typeof options !== "object" || options === null) {
      throw new InvalidArgumentError(
        `${where} takes a place such as { partition, before: 100 }, not ${shown(options)}`,
      );
    }
    checkOptions(where, options, ["partition", "before"]);
    const before = checkInteger(where, "before", options.before);
    const partition = this.#state.partition(this.#partitionOf(where, options.partition));
    return settled(() => partition.deleteRecords(before));
  }

  /** Makes what has been appended so far durable; of use for `buffered` topics. */
  sync(): Promise<void> {
    return settled(() => this.#state.native.sync());
  }

  /** The record at an offset, or null where there is none: deleted, removed, or not written yet. */
  get(place: RecordPlace): Promise<ConsumerRecord<RK, RV> | null> {
    return new Promise((resolve, reject) => {
      const { partition, offset } = this.#placeOf(place);
      if (this.#gathered.length === 0) process.nextTick(() => this.#read());
      this.#gathered.push({ partition, offset, resolve: resolve as Gathered["resolve"], reject });
      if (this.#gathered.length === GATHER) this.#read();
    });
  }

  /** The records at many offsets, in the order asked for, with null where there is none. */
  async getMany(places: readonly RecordPlace[]): Promise<(ConsumerRecord<RK, RV> | null)[]> {
    if (!Array.isArray(places)) {
      throw new InvalidArgumentError(
        `topic "${this.name}": getMany takes an array of places, not ${shown(places)}; use get for one`,
      );
    }
    return Promise.all(places.map((place) => this.get(place)));
  }

  #placeOf(place: RecordPlace): { partition: number; offset: number } {
    const where = `topic "${this.name}": get`;
    if (typeof place !== "object" || place === null) {
      throw new InvalidArgumentError(`${where} takes a place such as { partition, offset }, not ${shown(place)}`);
    }
    checkOptions(where, place, PLACE_NAMES);
    const { topic } = place;
    if (topic !== undefined && topic !== this.name) {
      throw new InvalidArgumentError(`${where}: the record is of topic ${shown(topic)}; ask that one for it`);
    }
    const partition = this.#partitionOf(where, place.partition);
    this.#state.checkPartition(partition);
    return { partition, offset: checkInteger(where, "offset", place.offset) };
  }

  #partitionOf(where: string, partition: number | undefined): number {
    if (partition === undefined && this.partitions > 1) {
      const range = `0 to ${this.partitions - 1}`;
      throw new InvalidArgumentError(`${where}: partition must be given, the topic has ${this.partitions}: ${range}`);
    }
    return partition ?? 0;
  }

  #read(): void {
    const gathered = this.#gathered;
    if (gathered.length === 0) return;
    this.#gathered = [];
    this.#readAll(gathered).catch((error) => {
      // Among many, one that is damaged must not fail the others.
      if (gathered.length === 1) gathered[0]!.reject(error);
      else for (const one of gathered) this.#readAll([one]).catch(one.reject);
    });
  }

  async #readAll(gathered: Gathered[]): Promise<void> {
    const wanted = new Float64Array(gathered.length * 2);
    for (const [i, { partition, offset }] of gathered.entries()) {
      wanted[i * 2] = partition;
      wanted[i * 2 + 1] = offset;
    }
    const { native } = this.#state;
    this.#answer(gathered, await tickets().request((completions, ticket) => native.get(completions, ticket, wanted)));
  }

  #answer(gathered: Gathered[], { ticket, numbers }: Completion): void {
    const [bytesLength, tableLength, count] = numbers as [number, number, number];
    const rows = new RecordRows();
    rows.prepare(bytesLength, tableLength, count, true);
    direct(() => tickets().completions.take(ticket, rows.bytes, rows.table));
    for (const [row, { partition, resolve, reject }] of gathered.entries()) {
      try {
        resolve(Number.isNaN(rows.offset(row)) ? null : recordAt(rows, row, this.#state, partition, false));
      } catch (error) {
        reject(error);
      }
    }
  }
}

/** Makes the public handle. */
export function topicOf(state: TopicState): AnyTopic {
  return makeTopic(state);
}

/** What lies behind a handle; undefined if it is none. */
export function stateOfTopic(topic: unknown): TopicState | undefined {
  return typeof topic === "object" && topic !== null ? stateOf(topic as AnyTopic) : undefined;
}

function described(partition: NativePartitionDescription): PartitionDescription {
  return { ...partition, damage: partition.damage ?? null, compactionFailure: partition.compactionFailure ?? null };
}
