// What a consumer commits for its group: offsets gathered by partition, one commit under way at a time, the next one
// taking all that has come together meanwhile.

import { performance } from "node:perf_hooks";
import type { LogContext } from "../context.js";
import { committed, publishError, publishTimed, startOf } from "../diagnostics.js";
import type { TidelogError } from "../errors.js";
import type { Membership } from "../group/membership.js";
import { type NativeTopic, tickets } from "../native.js";
import type { Place } from "./place.js";

/** The least time between the beginnings of two commits that nobody waits for, in ms. */
const PAUSE_MS = 50;

/** Offsets of one consumer on their way. */
export class Committer {
  readonly group: string;
  readonly #context: LogContext;
  /** The member whose partitions they are of, if the group has members. */
  readonly #membership: Membership | undefined;
  #wanted = new Map<Place, number>();
  /** The commit under way, and the one that comes after it. */
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #began = Number.NEGATIVE_INFINITY;
  /** Of a commit that nobody waited for. */
  #failure: unknown;

  constructor(context: LogContext, group: string, membership: Membership | undefined) {
    this.#context = context;
    this.#membership = membership;
    this.group = group;
  }

  /** Remembers the offset to commit; one that lies behind another given since the place was moved changes nothing. */
  note(place: Place, offset: number): void {
    if (offset <= place.noted) return;
    place.noted = offset;
    this.#wanted.set(place, offset);
  }

  /** The same for an offset that may lie further back. */
  noteBack(place: Place, offset: number): void {
    place.noted = offset;
    this.#wanted.set(place, offset);
  }

  /** The same for what was done before the place was moved: as long as nothing was noted since. */
  noteBefore(place: Place, offset: number): void {
    if (place.noted >= 0) return;
    this.#wanted.set(place, Math.max(offset, this.#wanted.get(place) ?? -1));
  }

  /** Forgets what was to be committed of a place that is somebody else's. */
  forget(place: Place): void {
    this.#wanted.delete(place);
  }

  /** Commits what is noted soon, without anybody waiting for it; throws what went wrong with that the last time. */
  later(): void {
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
    if (this.#timer !== undefined || this.#next !== undefined || this.#wanted.size === 0) return;
    const wait = this.#began + PAUSE_MS - performance.now();
    if (wait <= 0) this.#unheard();
    else this.#timer = setTimeout(() => this.#unheard(), wait).unref();
  }

  /** Resolves once all that is noted now is durable. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#failure = undefined;
    if (this.#wanted.size === 0) return this.#running ?? Promise.resolve();
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  /** As `flush`, for what nobody has asked for: what is somebody else's by now is his to commit. */
  async settle(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      if (!isFenced(error)) throw error;
    }
  }

  #unheard(): void {
    this.settle().catch((error) => {
      this.#failure = error;
    });
  }

  async #after(running: Promise<void> | undefined): Promise<void> {
    // With nothing to wait for it still lets the others of this tick join.
    await running?.catch(() => {});
    await Promise.resolve();
    this.#next = undefined;
    const round = this.#commit();
    this.#running = round;
    try {
      await round;
    } finally {
      if (this.#running === round) this.#running = undefined;
    }
  }

  async #commit(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = new Map();
    this.#began = performance.now();
    const { topics, numbers } = offsetsOf(wanted);
    const since = startOf(committed);
    const event = () => ({
      path: this.#context.path,
      group: this.group,
      offsets: [...wanted].map(([{ topic, partition }, offset]) => ({ topic: topic.name, partition, offset })),
    });
    try {
      await tickets().request((completions, ticket) => {
        const membership = this.#membership;
        if (membership === undefined) {
          this.#context.native.commitOffsets(completions, ticket, this.group, topics, numbers, []);
        } else {
          membership.checked().commitOffsets(ticket, topics, numbers);
        }
      });
    } catch (error) {
      publishTimed(committed, since, event, error);
      publishError({ path: this.#context.path, operation: "commit", error: error as TidelogError });
      // Still to be done, unless there is something newer, or it is somebody else's.
      const again = isFenced(error) ? [] : wanted;
      for (const [place, offset] of again) if (!this.#wanted.has(place)) this.#wanted.set(place, offset);
      throw error;
    }
    publishTimed(committed, since, event);
    for (const [place, offset] of wanted) place.committed = offset;
  }
}

/** Whether a commit came from who is no member any more, or does not own what it is of. */
export function isFenced(error: unknown): boolean {
  return (error as TidelogError | undefined)?.code === "ERR_TIDELOG_FENCED_MEMBER";
}

/** Offsets as the binding takes them. */
export function offsetsOf(wanted: ReadonlyMap<Place, number>): { topics: NativeTopic[]; numbers: Float64Array } {
  const topics: NativeTopic[] = [];
  const numbers = new Float64Array(wanted.size * 3);
  let at = 0;
  for (const [place, offset] of wanted) {
    let topic = topics.indexOf(place.topic.native);
    if (topic < 0) topic = topics.push(place.topic.native) - 1;
    numbers.set([topic, place.partition, offset], at);
    at += 3;
  }
  return { topics, numbers };
}
