// One producer's way into the engine: packs are handed over, counted while they are under way, and their answers
// passed on. Knows nothing of single records or promises. That of a named producer is opened first: its name is
// registered durably.

import type { LogContext } from "../context.js";
import { produced, publishError, publishTimed, startOf } from "../diagnostics.js";
import { ClosedError, type TidelogError } from "../errors.js";
import { direct, type NativeProducer, settled, tickets } from "../native.js";
import { fromNative, fromThrown } from "../native_errors.js";
import { givePack, PACKED_ROW_BYTES, type Pack } from "../pack.js";
import type { TopicState } from "../topic_state.js";
import type { Condition } from "./conditional.js";

/** Gets the answer to a pack: what was appended, and why not all of it. */
export type Answered = (runs: readonly number[], error: TidelogError | undefined) => void;

/** Where a lane's packs go. */
export interface Sink {
  /** Bytes that are packed or under way. */
  inFlight: number;
  /** Why nothing new is taken in any more. */
  readonly refusal: TidelogError | undefined;
  /** Hands a pack over and takes it back into the pool; its size must be part of `inFlight` already. */
  produce(topic: TopicState, pack: Pack, answered: Answered): void;
}

interface Group {
  topic: TopicState;
  records: number;
  bytes: number;
  since: number;
  answered: Answered;
}

/** Packs on their way. */
export class Channel implements Sink {
  readonly #context: LogContext;
  #native: NativeProducer | undefined;
  readonly #opening: Promise<NativeProducer>;
  readonly #changed: () => void;
  readonly #groups = new Map<number, Group>();
  inFlight = 0;
  refusal: TidelogError | undefined;
  /** Why it could not be opened. */
  failure: TidelogError | undefined;
  /** The last group handed over; groups are numbered in order. */
  issued = 0;

  /**
   * `changed` is called once a named one is open, or could not be opened, and after each answer, when there is room again
   * or nothing left to wait for.
   */
  constructor(context: LogContext, name: string | undefined, changed: () => void) {
    this.#context = context;
    this.#changed = changed;
    const { completions } = tickets();
    if (name === undefined) {
      this.#native = direct(() => context.native.producer(completions));
      this.#opening = Promise.resolve(this.#native);
      return;
    }
    this.#opening = settled(() => context.native.namedProducer(completions, name));
    this.#opening
      .then(
        (native) => {
          this.#native = native;
        },
        (error: TidelogError) => {
          this.failure = error;
          publishError({ path: context.path, operation: "produce", error });
        },
      )
      .finally(changed);
  }

  get isOpen(): boolean {
    return this.#native !== undefined;
  }

  /** The binding's producer, once it is open. */
  opened(): Promise<NativeProducer> {
    return this.#opening;
  }

  /** The oldest group that has no answer yet, or infinity. */
  get oldest(): number {
    for (const number of this.#groups.keys()) return number;
    return Number.POSITIVE_INFINITY;
  }

  produce(topic: TopicState, pack: Pack, answered: Answered): void {
    this.#handOver(topic, pack, answered, (native, ticket) => {
      native.produce(ticket, topic.native, pack.table, pack.rows * PACKED_ROW_BYTES, pack.bytes, pack.length);
    });
  }

  /** The same for a pack of one record that is appended only under a condition. */
  produceIf(topic: TopicState, pack: Pack, condition: Condition, answered: Answered): void {
    const { expectOffset = null, sequence = null } = condition;
    this.#handOver(topic, pack, answered, (native, ticket) => {
      const { table, bytes, length } = pack;
      native.produceIf(ticket, topic.native, table, PACKED_ROW_BYTES, bytes, length, expectOffset, sequence);
    });
  }

  /** Answers everything under way with an error, since nobody can wait any longer. */
  abandon(): void {
    for (const number of [...this.#groups.keys()]) {
      this.#settle(number, [], new ClosedError("the producer", { indefinite: true }));
    }
  }

  #handOver(
    topic: TopicState,
    pack: Pack,
    answered: Answered,
    call: (native: NativeProducer, ticket: number) => void,
  ): void {
    const number = ++this.issued;
    const group: Group = { topic, records: pack.rows, bytes: pack.size, since: startOf(produced), answered };
    this.#groups.set(number, group);
    try {
      // Nothing is taken in before it is open.
      const native = this.#native!;
      tickets().issue(
        (_completions, ticket) => call(native, ticket),
        ({ numbers, error }) => this.#settle(number, numbers, error ? fromNative(error) : undefined),
      );
    } catch (error) {
      queueMicrotask(() => this.#settle(number, [], fromThrown(error)));
    }
    givePack(pack);
  }

  #settle(number: number, runs: readonly number[], error: TidelogError | undefined): void {
    const group = this.#groups.get(number);
    if (group === undefined) return;
    this.#groups.delete(number);
    this.inFlight -= group.bytes;
    if (error !== undefined) {
      if (error.code === "ERR_TIDELOG_TOPIC_DELETED") this.#context.forget(group.topic.name);
      if (error.code === "ERR_TIDELOG_RECORD_TOO_LARGE" || error.code === "ERR_TIDELOG_INVALID_RECORD") {
        refresh(group.topic);
      }
      // In the log already, which is what was wanted.
      if (error.code !== "ERR_TIDELOG_DUPLICATE_SEQUENCE") {
        publishError({ path: this.#context.path, operation: "produce", topic: group.topic.name, error });
      }
    }
    const { topic, records, bytes, since } = group;
    publishTimed(produced, since, () => ({ path: this.#context.path, topic: topic.name, records, bytes }), error);
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
