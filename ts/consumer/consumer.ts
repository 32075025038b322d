// A consumer of fixed partitions: the public face of `Reading`.

import { rejectAt } from "../call_site.js";
import { LogContext } from "../context.js";
import { InvalidArgumentError } from "../errors.js";
import { checkMadeInside } from "../made_inside.js";
import { settled } from "../native.js";
import { shown } from "../options.js";
import { type CloseOptions, closeTimeout } from "../producer/options.js";
import type { ConsumerRecord } from "../record.js";
import {
  type ConsumerRunOptions,
  type ConsumerRunReport,
  consumerRunOptions,
  type HandlerContext,
} from "../run/options.js";
import { type RunHandler, runConsumer } from "../run/run.js";
import { showAs } from "../shown_as.js";
import type { AnyTopic } from "../topic.js";
import type { RecordBatch } from "./batch.js";
import { type SeekTarget, seekTarget } from "./bounds.js";
import type { Chunk } from "./fetcher.js";
import { nextBatch, nextGroupRecord, nextRecord } from "./hand_out.js";
import { Iteration } from "./iteration.js";
import {
  type AssignedPartition,
  type CommittedPosition,
  type ConsumerOptions,
  type PartitionChoice,
  type PartitionLag,
  type RecordOf,
  readingOptions,
} from "./options.js";
import { Reading } from "./reading.js";

// biome-ignore lint/suspicious/noExplicitAny: records of any topics
let makeConsumer: (context: LogContext, options: ConsumerOptions) => Consumer<any>;
let readingInside: (consumer: Consumer<unknown>) => Reading | undefined;

/**
 * Reads records, a partition's in their order and partitions in turn. Iterate it, or `batches()`; one loop at a time.
 * A loop that ends by `break` leaves the position behind the last record that it got, and a new loop goes on there; that
 * of a group that is read at least once leaves it at that record, which is not done.
 *
 * With a `group` it begins where the group has committed, and commits as its `delivery` says.
 */
export class Consumer<R> implements AsyncIterable<R>, AsyncDisposable {
  readonly #context: LogContext;
  readonly #reading: Reading;
  /** The group that it reads for, if any. */
  readonly group: string | undefined;

  private constructor(context: LogContext, options: ConsumerOptions) {
    checkMadeInside(context instanceof LogContext, "Consumer", "log.consumer(options)");
    const checked = readingOptions(options);
    this.#context = context;
    this.group = checked.group;
    this.#reading = new Reading(context, checked);
  }

  static {
    showAs(Consumer, (consumer) => ({
      ...(consumer.group === undefined ? {} : { group: consumer.group }),
      state: consumer.#reading.isClosed ? "closed" : "open",
    }));
    makeConsumer = (context, options) => new Consumer(context, options);
    readingInside = (consumer) => (#reading in consumer ? consumer.#reading : undefined);
  }

  /**
   * Records one by one. They are the user's own; values of bytes share memory with those read together with them, so
   * `Buffer.from(value)` is the way to keep few of many. A loop that is under way when the consumer is closed ends; a new one
   * throws `ERR_TIDELOG_CLOSED`. One that is aborted, or meets a record that can't be deserialized or an offset that is not
   * held, throws.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<R> {
    const handOut = this.group === undefined ? nextRecord : nextGroupRecord;
    return new Iteration<R>(this.#reading, true, handOut as (chunk: Chunk, reading: Reading) => R);
  }

  /** Records as they were fetched, without an object for each before it is asked for: the fast way. */
  batches(): AsyncIterableIterator<RecordBatch<R>> {
    return new Iteration<RecordBatch<R>>(this.#reading, false, nextBatch);
  }

  /**
   * Has each record handled, several at once where `concurrency` says so: those of one key and partition one after the
   * other, in order; those without a key in any order. A handler that throws is called again after a pause, while the
   * records of its key wait behind it.
   *
   * Of a group that is read at least once, a record is done when its handler has returned, or it is in the dead letter
   * topic; a partition is committed up to its first record that is not done. With `"at-most-once"` no record is tried twice.
   *
   * Resolves at the end if it reads `until: "end"`, or when the consumer closes, which waits for the handlers that run.
   * Rejects with `AbortError` when its signal aborts, and with a `HandlerError`, whose `cause` is what the handler threw, where
   * trying again did not help and there is no dead letter topic: those that run may finish then, and what is not done is handed out again.
   */
  async run(
    handler: (record: R, context: HandlerContext) => unknown,
    options?: ConsumerRunOptions,
  ): Promise<ConsumerRunReport> {
    if (typeof handler !== "function") {
      throw new InvalidArgumentError(`consumer.run: give a function that handles a record, not ${shown(handler)}`);
    }
    const checked = consumerRunOptions(options, this.#reading.progress?.delivery === "at-most-once");
    const handle = handler as RunHandler<ConsumerRecord<unknown, unknown>>;
    return rejectAt(() => runConsumer(this.#context, this.#reading, handle, checked));
  }

  /** The partitions that it reads; empty while topics given by name are still being opened. */
  get assignment(): AssignedPartition[] {
    return this.#reading.places.map(({ topic, partition }) => ({ topic: topic.name, partition }));
  }

  /** Goes on somewhere else: in all partitions, or in those of a topic, or in one. */
  async seek(target: SeekTarget & PartitionChoice): Promise<void> {
    await this.#reading.seek(seekTarget(target), choiceOf(target));
  }

  /**
   * Hands out no more records of these partitions, or of all, until `resume`; nor of those that a member of a group gets
   * later. A loop has nothing held for them meanwhile; a run keeps what it has taken in. A loop or run under way keeps the
   * process alive, paused or not.
   */
  pause(choice: PartitionChoice = {}): void {
    this.#reading.pause(choice);
  }

  /** Goes on with partitions that were paused. */
  resume(choice: PartitionChoice = {}): void {
    this.#reading.resume(choice);
  }

  /** The offset of the next record that a loop gets or, with a filter, looks at. The partition may be left out where there is only one. */
  async position(choice: PartitionChoice = {}): Promise<number> {
    return (await this.#reading.placeOf(choice)).position;
  }

  /** How far behind it is, by partition. */
  async lag(): Promise<PartitionLag[]> {
    const places = await this.#reading.open();
    return places.map((place) => place.lag());
  }

  /**
   * Commits for its group, in all its partitions, that all which was handed out when it is called is done, the last record
   * of a loop included. In a `run` it commits each partition up to its first record that is not done; the record whose
   * handler calls this is. With `"at-most-once"` all that was fetched is committed already.
   *
   * Resolves once that is durable. Rejects with `ERR_TIDELOG_FENCED_MEMBER` where the consumer was expelled from its group.
   */
  async commit(): Promise<void> {
    await this.#reading.commit();
  }

  /** What its group has committed of its partitions; nothing at all without a group. */
  async committed(): Promise<CommittedPosition[]> {
    const places = await this.#reading.open();
    const { group } = this;
    const found = group === undefined ? [] : await settled(() => this.#context.native.committedOffsets(group));
    return places.map(({ topic: { name }, partition }) => {
      const offset = found.find((known) => known.topic === name && known.partition === partition)?.offset;
      return { topic: name, partition, offset: offset ?? null };
    });
  }

  /**
   * Ends a loop or a run that is under way and refuses new ones. Resolves once what was done is committed; the record that
   * a loop has in hand is not. Handlers of a run have `timeoutMs` to return; then their signals abort, and they are not
   * waited for. As little is the one that calls this.
   */
  async close(options?: CloseOptions): Promise<void> {
    await this.#reading.close(closeTimeout("consumer.close", options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Makes the public handle. */
export function consumerOf<T extends readonly (AnyTopic | string)[]>(
  context: LogContext,
  options: ConsumerOptions<T>,
): Consumer<RecordOf<T[number]>> {
  return makeConsumer(context, options as ConsumerOptions);
}

function choiceOf({ topic, partition }: PartitionChoice): PartitionChoice {
  return { topic, partition };
}

/** What lies behind a consumer; undefined if it is none. */
export function readingOf(consumer: unknown): Reading | undefined {
  return typeof consumer === "object" && consumer !== null ? readingInside(consumer as Consumer<unknown>) : undefined;
}
