// One partition that a consumer reads: where it stands, and what is under way for it.

import type { NativePartition } from "../native.js";
import { settled } from "../native.js";
import type { TopicState } from "../topic_state.js";
import type { CheckedUntil, Target } from "./bounds.js";
import type { CommitBefore } from "./delivered.js";
import type { PartitionLag } from "./options.js";

/** A partition and the place in it. */
export class Place {
  readonly topic: TopicState;
  readonly partition: number;
  readonly native: NativePartition;
  /** The offset of the record that the user gets next. */
  position: number;
  /** The offset to fetch next; ahead of `position` by what is fetched and not yet handed out. */
  fetchAt: number;
  /** The offset of the first record that is not done; of use where a group is read at least once. */
  done: number;
  /** The offset that the group has committed, as far as it is known here; -1 for none. */
  committed = -1;
  /** The highest offset given to be committed since the position was last set; -1 for none. */
  noted = -1;
  /** Where the position was set, last. */
  start: number;
  /** Commits for the group; none without one. */
  commit: CommitBefore | undefined;
  /** Where it began, if that was the log start; else -1. Where the log start moves before anything is read, it moves along. */
  begun = -1;
  /** Where reading ends, if it does. */
  until = Number.POSITIVE_INFINITY;
  /** Where it ends for now: there, or nearer where only what is in sight may be read. */
  end = Number.POSITIVE_INFINITY;
  paused = false;
  /** Whether it is somebody else's now. */
  gone = false;
  /** Whether it stands in the fetcher's line. */
  queued = false;
  /** Whether a read is under way. */
  reading = false;
  /** The ticket of a wait for more, or 0. */
  wait = 0;
  /** Rises when what is fetched or under way is no longer wanted. */
  epoch = 0;

  constructor(topic: TopicState, partition: number, position: number) {
    this.topic = topic;
    this.partition = partition;
    this.native = topic.partition(partition);
    this.position = position;
    this.fetchAt = position;
    this.done = position;
    this.start = position;
  }

  /** Goes on somewhere else, which may be further back. */
  move(position: number): void {
    this.position = position;
    this.done = position;
    this.noted = -1;
    this.start = position;
    this.begun = -1;
  }

  /** Begins at the log start, wherever that is when the first record is read. */
  moveToStart(): void {
    this.move(this.native.logStartOffset);
    this.begun = this.position;
  }

  /** Has nothing read of it, while it changes hands. */
  bar(): void {
    this.until = -1;
    this.end = -1;
  }

  get isBarred(): boolean {
    return this.until < 0;
  }

  /** How far behind it is. */
  lag(): PartitionLag {
    const { partition, position } = this;
    const { highWatermark } = this.native;
    return {
      topic: this.topic.name,
      partition,
      position,
      highWatermark,
      lag: Math.max(0, highWatermark - position),
    };
  }

  /** Where reading that begins now ends. */
  async endOf(until: CheckedUntil): Promise<number> {
    if (until === "live") return Number.POSITIVE_INFINITY;
    return this.offsetOf(until === "end" ? { to: "latest" } : until);
  }

  /** The offset that a target means here, now. */
  async offsetOf(target: Target): Promise<number> {
    if ("offset" in target) return target.offset;
    if ("to" in target) return target.to === "earliest" ? this.native.logStartOffset : this.native.highWatermark;
    // Asked for first: what is appended meanwhile must not be skipped.
    const end = this.native.highWatermark;
    const found = await settled(() => this.native.offsetForTime(target.timestamp));
    return found === null ? end : found[0];
  }
}
