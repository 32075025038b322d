// A batch of records as `batches()` hands it out: views that decode a field when it is asked for, over memory that
// is used again for the next batch.

import { InvalidArgumentError, TidelogError } from "../errors.js";
import type { Header } from "../headers.js";
import {
  type ConsumerRecord,
  type GroupRecord,
  headersAt,
  keyAt,
  type RecordRows,
  recordAt,
  valueAt,
} from "../record.js";
import type { TopicState } from "../topic_state.js";
import { type CommitBefore, Delivered } from "./delivered.js";
import type { Chunk } from "./fetcher.js";

interface Source {
  rows: RecordRows;
  topic: TopicState;
  partition: number;
  /** The rows that belong to the batch. */
  first: number;
  length: number;
  nextOffset: number;
  highWatermark: number;
  /** Commits all before an offset; none without a group. */
  commit: CommitBefore | undefined;
}

let makeBatch: (source: Source) => RecordBatch<ConsumerRecord<unknown, unknown>>;

/**
 * Records of one partition. They, and the bytes that they give out, are valid until the next batch is asked for;
 * `copy()` keeps them. Asking an outdated one throws `ERR_TIDELOG_STALE_BATCH`.
 */
export class RecordBatch<R> implements Iterable<R> {
  readonly #source: Source;
  readonly #generation: number;
  /** Number of records, at least one. */
  readonly length: number;
  readonly topic: string;
  readonly partition: number;
  /** The offset behind the batch. */
  readonly nextOffset: number;
  /** The partition's high watermark when it was read. */
  readonly highWatermark: number;

  private constructor(source: Source) {
    this.#source = source;
    this.#generation = source.rows.generation;
    this.length = source.length;
    this.topic = source.topic.name;
    this.partition = source.partition;
    this.nextOffset = source.nextOffset;
    this.highWatermark = source.highWatermark;
  }

  static {
    makeBatch = (source) => new RecordBatch(source);
  }

  /** The record at `index`, counted from the end if negative; undefined if there is none. As an array's `at`. */
  at(index: number): R | undefined {
    const whole = Math.trunc(index);
    const row = whole < 0 ? this.length + whole : whole;
    if (!(row >= 0 && row < this.length)) return undefined;
    return new RecordView(this.#live(), this.#generation, this.#source.first + row) as R;
  }

  [Symbol.iterator](): IterableIterator<R> {
    return new ViewIterator(this.#live(), this.#generation) as unknown as IterableIterator<R>;
  }

  /** All records, complete and for good: in one array, decoded at once. */
  toArray(): R[] {
    const { rows, topic, partition, first, commit } = this.copy().#source;
    return Array.from({ length: this.length }, (_, i) => {
      const record = recordAt(rows, first + i, topic, partition, false);
      return (commit === undefined ? record : new Delivered(record, commit)) as R;
    });
  }

  /**
   * Commits for the consumer's group that this batch and all before it in its partition are done. Resolves once that is
   * durable; those asked for together are committed together. May be called when the batch is no longer valid.
   */
  async commit(): Promise<void> {
    const { commit } = this.#source;
    if (commit === undefined) throw noGroup();
    await commit(this.nextOffset);
  }

  /** The same batch in memory of its own. */
  copy(): RecordBatch<R> {
    const source = this.#live();
    return new RecordBatch({ ...source, rows: source.rows.copy() });
  }

  #live(): Source {
    if (this.#source.rows.generation !== this.#generation) throw stale();
    return this.#source;
  }
}

class RecordView implements GroupRecord<unknown, unknown> {
  readonly #source: Source;
  readonly #generation: number;
  readonly #row: number;

  constructor(source: Source, generation: number, row: number) {
    this.#source = source;
    this.#generation = generation;
    this.#row = row;
  }

  #rows(): RecordRows {
    const { rows } = this.#source;
    if (rows.generation !== this.#generation) throw stale();
    return rows;
  }

  get topic(): string {
    return this.#source.topic.name;
  }

  get partition(): number {
    return this.#source.partition;
  }

  get offset(): number {
    return this.#rows().offset(this.#row);
  }

  get timestamp(): number {
    return this.#rows().timestamp(this.#row);
  }

  get key(): unknown {
    return keyAt(this.#rows(), this.#row, this.#source.topic, this.#source.partition);
  }

  get value(): unknown {
    return valueAt(this.#rows(), this.#row, this.#source.topic, this.#source.partition);
  }

  get headers(): Header[] {
    return headersAt(this.#rows(), this.#row, false);
  }

  async commit(): Promise<void> {
    const { commit } = this.#source;
    if (commit === undefined) throw noGroup();
    await commit(this.offset + 1);
  }

  toJSON(): ConsumerRecord<unknown, unknown> {
    const { topic, partition, offset, timestamp, key, value, headers } = this;
    return { topic, partition, offset, timestamp, key, value, headers };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): ConsumerRecord<unknown, unknown> {
    return this.toJSON();
  }
}

class ViewIterator implements IterableIterator<RecordView> {
  readonly #source: Source;
  readonly #generation: number;
  readonly #end: number;
  #row: number;

  constructor(source: Source, generation: number) {
    this.#source = source;
    this.#generation = generation;
    this.#row = source.first;
    this.#end = source.first + source.length;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<RecordView> {
    if (this.#row === this.#end) return { done: true, value: undefined };
    return { done: false, value: new RecordView(this.#source, this.#generation, this.#row++) };
  }
}

function stale(): TidelogError {
  return new TidelogError(
    "ERR_TIDELOG_STALE_BATCH",
    "the batch is valid until the next one is asked for; keep what is needed longer with batch.copy()",
  );
}

function noGroup(): InvalidArgumentError {
  return new InvalidArgumentError(
    "batch.commit: the consumer has no group to commit for; give it one by its option group",
  );
}

/** The rest of a chunk as a batch. */
export function batchOf(chunk: Chunk): RecordBatch<never> {
  const { place, rows, row, end, next, highWatermark } = chunk;
  const { topic, partition, commit } = place;
  const source = { rows, topic, partition, first: row, length: end - row, nextOffset: next, highWatermark, commit };
  return makeBatch(source) as RecordBatch<never>;
}
