// What a transaction has taken of consumers, and what it commits of groups.

import { offsetsOf } from "../consumer/committer.js";
import type { Reading } from "../consumer/reading.js";
import { Taking } from "../consumer/taking.js";
import { InvalidArgumentError, type TidelogError } from "../errors.js";
import type { Membership } from "../group/membership.js";
import type { NativeTopic } from "../native.js";
import { checkInteger, checkName, checkOptions, shown } from "../options.js";
import type { ConsumerRecord } from "../record.js";
import type { TopicState } from "../topic_state.js";
import type { OffsetToCommit } from "./options.js";

/** Offsets of one group, as the binding takes them. */
export interface GroupOffsets {
  group: string;
  topics: NativeTopic[];
  numbers: Float64Array;
  metadata: string[];
  /** The member whose partitions they are of, if the group has members. */
  membership?: Membership | undefined;
}

/** The consumers of one transaction. */
export class Takings {
  readonly #takings = new Map<Reading, Taking>();
  readonly #waiting = new Set<Promise<unknown>>();
  readonly #onLost: (error: TidelogError) => void;

  /** `onLost`: partitions of which something was taken are not the consumer's any more. */
  constructor(onLost: (error: TidelogError) => void) {
    this.#onLost = onLost;
  }

  /** Whether somebody waits for records. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Takes records of a consumer; `loop` is the iteration that it is part of, if it is of one. */
  async take(
    reading: Reading,
    loop: object | undefined,
    max: number,
    signals: readonly (AbortSignal | undefined)[],
  ): Promise<ConsumerRecord<unknown, unknown>[]> {
    let taking = this.#takings.get(reading);
    if (taking === undefined) {
      taking = new Taking(reading, loop, this.#onLost);
      this.#takings.set(reading, taking);
    }
    const taken = taking.take(max, signals);
    this.#waiting.add(taken);
    try {
      return await taken;
    } finally {
      this.#waiting.delete(taken);
    }
  }

  /** Takes the next record of a consumer, which can't be read, without handing it out. */
  pass(reading: Reading, offset: number): void {
    this.#takings.get(reading)?.pass(offset);
  }

  /** What is to be committed of the groups. */
  offsets(): GroupOffsets[] {
    return [...this.#takings.values()]
      .map((taking) => ({
        group: taking.group,
        membership: taking.reading.progress?.membership,
        ...offsetsOf(taking.offsets()),
        metadata: [],
      }))
      .filter(({ topics }) => topics.length > 0);
  }

  /** Whether a consumer has moved on. */
  get haveMoved(): boolean {
    return [...this.#takings.values()].some((taking) => taking.offsets().size > 0);
  }

  /** All is committed. */
  async done(): Promise<void> {
    for (const taking of this.#takings.values()) await taking.done().catch(() => {});
  }

  /** Nothing is: gives all back, once nobody waits any more. */
  async putBack(): Promise<void> {
    await Promise.allSettled(this.#waiting);
    for (const taking of this.#takings.values()) await taking.putBack().catch(() => {});
  }
}

/** Offsets given by hand, checked. */
export function givenOffsets(
  where: string,
  group: unknown,
  offsets: readonly OffsetToCommit[],
  topicOf: (where: string, topic: OffsetToCommit["topic"]) => TopicState,
): GroupOffsets {
  const name = checkName(where, "group", group);
  if (!Array.isArray(offsets)) {
    throw new InvalidArgumentError(`${where}: offsets must be an array, not ${shown(offsets)}`);
  }
  const numbers = new Float64Array(offsets.length * 3);
  const topics = offsets.map((given: OffsetToCommit, i) => {
    const entry = `${where}: offsets[${i}]`;
    checkOptions(entry, given ?? null, ["topic", "partition", "offset", "metadata"]);
    const topic = topicOf(entry, given.topic);
    topic.checkPartition(given.partition);
    if (given.metadata !== undefined && typeof given.metadata !== "string") {
      throw new InvalidArgumentError(`${entry}: metadata must be a string, not ${shown(given.metadata)}`);
    }
    numbers.set([i, given.partition, checkInteger(entry, "offset", given.offset)], i * 3);
    return topic.native;
  });
  return { group: name, topics, numbers, metadata: offsets.map(({ metadata = "" }) => metadata) };
}
