// One producer's way into the engine: packs are handed over, counted while they are under way, and their answers
// passed on. Knows nothing of single records or promises.

import { performance } from "node:perf_hooks";
import type { LogContext } from "../context.js";
import { produced, publishError } from "../diagnostics.js";
import { ClosedError, fromNative, fromThrown, type TidelogError } from "../errors.js";
import { direct, type NativeProducer, tickets } from "../native.js";
import { givePack, type Pack } from "../pack.js";
import type { TopicState } from "../topic_state.js";

/** Gets the answer to a pack: what was appended, and why not all of it. */
export type Answered = (runs: readonly number[], error: TidelogError | undefined) => void;

interface Group {
  topic: TopicState;
  records: number;
  bytes: number;
  since: number;
  answered: Answered;
}

/** Packs on their way. */
export class Channel {
  readonly #context: LogContext;
  readonly #native: NativeProducer;
  readonly #changed: () => void;
  readonly #groups = new Map<number, Group>();
  /** Bytes that are packed or under way. */
  inFlight = 0;
  /** The last group handed over; groups are numbered in order. */
  issued = 0;

  /** `changed` is called after each answer, when there is room again or nothing left to wait for. */
  constructor(context: LogContext, changed: () => void) {
    this.#context = context;
    this.#native = direct(() => context.native.producer(tickets().completions));
    this.#changed = changed;
  }

  /** The oldest group that has no answer yet, or infinity. */
  get oldest(): number {
    for (const number of this.#groups.keys()) return number;
    return Number.POSITIVE_INFINITY;
  }

  /** Hands a pack over and takes it back into the pool; its size must be part of `inFlight` already. */
  produce(topic: TopicState, pack: Pack, answered: Answered): void {
    const number = ++this.issued;
    const group: Group = { topic, records: pack.rows, bytes: pack.size, since: 0, answered };
    if (produced.hasSubscribers) group.since = performance.now();
    this.#groups.set(number, group);
    try {
      tickets().issue(
        (_completions, ticket) => {
          this.#native.produce(ticket, topic.native, pack.table, pack.rows * 24, pack.bytes, pack.length);
        },
        ({ numbers, error }) => this.#settle(number, numbers, error ? fromNative(error) : undefined),
      );
    } catch (error) {
      queueMicrotask(() => this.#settle(number, [], fromThrown(error)));
    }
    givePack(pack);
  }

  /** Answers everything under way with an error, since nobody can wait any longer. */
  abandon(): void {
    for (const number of [...this.#groups.keys()]) {
      this.#settle(number, [], new ClosedError("the producer", { indefinite: true }));
    }
  }

  #settle(number: number, runs: readonly number[], error: TidelogError | undefined): void {
    const group = this.#groups.get(number);
    if (group === undefined) return;
    this.#groups.delete(number);
    this.inFlight -= group.bytes;
    if (error !== undefined) {
      if (error.code === "ERR_TIDELOG_TOPIC_DELETED") this.#context.forget(group.topic.name);
      if (error.code === "ERR_TIDELOG_RECORD_TOO_LARGE") refresh(group.topic);
      publishError({ operation: "produce", topic: group.topic.name, error });
    }
    if (produced.hasSubscribers) {
      const { topic, records, bytes, since } = group;
      const event = { topic: topic.name, records, bytes, durationMs: performance.now() - since };
      produced.publish(error === undefined ? event : { ...event, error });
    }
    group.answered(runs, error);
    this.#changed();
  }
}

/** The limits that let this through were out of date: another thread has altered them. */
function refresh(topic: TopicState): void {
  try {
    topic.refresh();
  } catch {
    // The topic is gone or the store closed; the next call will say so.
  }
}
