// A consumer of fixed partitions: the public face of `Reading`.

import type { LogContext } from "../context.js";
import { type ConsumerRecord, recordAt } from "../record.js";
import type { AnyTopic } from "../topic.js";
import { batchOf, type RecordBatch } from "./batch.js";
import type { Chunk } from "./fetcher.js";
import { Iteration } from "./iteration.js";
import {
  type AssignedPartition,
  type ConsumerOptions,
  type PartitionChoice,
  type PartitionLag,
  type RecordOf,
  readingOptions,
  type SeekTarget,
  seekTarget,
} from "./options.js";
import { Reading } from "./reading.js";

// biome-ignore lint/suspicious/noExplicitAny: records of any topics
let makeConsumer: (context: LogContext, options: ConsumerOptions) => Consumer<any>;

/**
 * Reads records, a partition's in their order and partitions in turn. Iterate it, or `batches()`; one loop at a time.
 * A loop that ends by `break` leaves the position behind the last record that it got, and a new loop goes on there.
 */
export class Consumer<R> implements AsyncIterable<R>, AsyncDisposable {
  readonly #reading: Reading;

  private constructor(context: LogContext, options: ConsumerOptions) {
    this.#reading = new Reading(context, readingOptions(options));
  }

  static {
    makeConsumer = (context, options) => new Consumer(context, options);
  }

  /**
   * Records one by one. They are the user's own; values of bytes share memory with those read together with them, so
   * `Buffer.from(value)` is the way to keep few of many. A loop over a closed consumer ends; one that is aborted, or
   * meets a record that can't be deserialized or an offset that is not held, throws.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<R> {
    return new Iteration<R>(this.#reading, true, nextRecord as (chunk: Chunk, reading: Reading) => R);
  }

  /** Records as they were fetched, without an object for each before it is asked for: the fast way. */
  batches(): AsyncIterableIterator<RecordBatch<R>> {
    return new Iteration<RecordBatch<R>>(this.#reading, false, nextBatch);
  }

  /** The partitions that it reads; empty while topics given by name are still being opened. */
  get assignment(): AssignedPartition[] {
    return this.#reading.places.map(({ topic, partition }) => ({ topic: topic.name, partition }));
  }

  /** Goes on somewhere else: in all partitions, or in those of a topic, or in one. */
  async seek(target: SeekTarget & PartitionChoice): Promise<void> {
    await this.#reading.seek(seekTarget(target), choiceOf(target));
  }

  /** Hands out no more records of these partitions, or of all, until `resume`. Nothing is held for them meanwhile. */
  pause(choice: PartitionChoice = {}): void {
    this.#reading.pause(choice);
  }

  /** Goes on with partitions that were paused. */
  resume(choice: PartitionChoice = {}): void {
    this.#reading.resume(choice);
  }

  /** The offset of the next record that a loop gets. The partition may be left out where there is only one. */
  async position(choice: PartitionChoice = {}): Promise<number> {
    return (await this.#reading.placeOf(choice)).position;
  }

  /** How far behind it is, by partition. */
  async lag(): Promise<PartitionLag[]> {
    const places = await this.#reading.open();
    return places.map(({ topic, partition, position, native }) => {
      const { highWatermark } = native;
      return { topic: topic.name, partition, position, highWatermark, lag: Math.max(0, highWatermark - position) };
    });
  }

  /** Ends a loop that is under way and refuses new ones. */
  async close(): Promise<void> {
    this.#reading.close();
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

function nextRecord(chunk: Chunk, reading: Reading): ConsumerRecord<unknown, unknown> {
  const { place, rows, row } = chunk;
  const { topic } = place;
  const reused = !topic.key.keepsBytes && !topic.value.keepsBytes;
  const record = recordAt(rows, row, topic, place.partition, reused);
  chunk.row = row + 1;
  if (chunk.row === chunk.end) {
    place.position = chunk.next;
    reading.chunk = null;
  } else {
    place.position = record.offset + 1;
  }
  return record;
}

function nextBatch(chunk: Chunk, reading: Reading): RecordBatch<never> {
  const batch = batchOf(chunk);
  chunk.place.position = chunk.next;
  reading.chunk = null;
  return batch;
}
