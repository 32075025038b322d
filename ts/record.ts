// Records as users send and receive them, and the rows in which the engine hands them over
// (`crates/format/src/packed.rs`).

import { markAsUntransferable } from "node:worker_threads";
import { SerializationError, TidelogError } from "./errors.js";
import { type Header, type HeaderInput, readHeaders } from "./headers.js";
import { RECORD_ROW_BYTES } from "./pack.js";
import { bytesCodec } from "./serdes/bytes.js";
import type { Codec } from "./serdes/codec.js";
import { messageOf } from "./thrown.js";
import type { TopicState } from "./topic_state.js";

/** A record to be sent. */
export interface ProducerRecord<K, V> {
  /** Decides the partition where none is given; records of one key keep their order. Default none. */
  key?: K | null | undefined;
  /** What happened; null is a tombstone. */
  value: V | null;
  /** Pairs of name and value, in order; a string is stored as UTF-8. Default none. */
  headers?: readonly HeaderInput[] | undefined;
  /**
   * When it happened: a `Date`, or a number of ms since 1970. Default now. A number is refused that is in seconds or
   * microseconds by its size (10⁹ to 4·10⁹, 10¹⁵ to 4·10¹⁵); a `Date` never is, so `new Date(ms)` stores a time of January or
   * February 1970.
   */
  timestamp?: number | Date | undefined;
  /** Where it goes. Default what the partitioner says. */
  partition?: number | undefined;
}

/** A record that was read. */
export interface ConsumerRecord<K, V> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** When it happened, or was appended, in ms since 1970. */
  readonly timestamp: number;
  readonly key: K | null;
  /** Null is a tombstone. */
  readonly value: V | null;
  readonly headers: Header[];
}

/** A record that was read for a group. */
export interface GroupRecord<K, V> extends ConsumerRecord<K, V> {
  /**
   * Commits that the group has done this record and all before it in its partition: the offset committed is the next
   * one. Resolves once that is durable; those asked for together are committed together. Does nothing if a later one
   * of the partition has been committed since.
   *
   * In a `consumer.run` records before it may still be in hand: then this one is noted as done, `commit` resolves, and it is
   * committed as soon as those before it are done.
   */
  commit(): Promise<void>;
}

/** Where a record went. */
export interface RecordMetadata {
  readonly partition: number;
  readonly offset: number;
  /** The record's time in ms since 1970: its own, or that of its append, as the topic says. */
  readonly timestamp: number;
}

/** Where a record went that was sent with a sequence of its own. */
export type SequencedMetadata =
  | (RecordMetadata & {
      /** Whether it was in the log already, and nothing was appended. */
      readonly duplicate: boolean;
    })
  | {
      readonly partition: number;
      /** It is in the log, but so long that its offset is not remembered. */
      readonly offset: null;
      readonly timestamp: null;
      readonly duplicate: true;
    };

/** Memory that is used again at most: one large record must not hold its size for ever. */
const KEPT_BYTES = 4 << 20;

/** Records of one read: rows of a table that point into bytes. Filled again and again, where nobody keeps them. */
export class RecordRows {
  bytes: Buffer = Buffer.alloc(0);
  table: Uint8Array = new Uint8Array(0);
  f64: Float64Array = new Float64Array(0);
  i32: Int32Array = new Int32Array(0);
  count = 0;
  /** Bytes in use. */
  length = 0;
  /** Rises when what is in it changes, so that a view can tell that it is out of date. */
  generation = 0;

  /** Makes room. The bytes are new ones each time, if records will keep them. */
  prepare(bytesLength: number, tableLength: number, count: number, keepsBytes: boolean): void {
    this.generation += 1;
    this.count = count;
    this.length = bytesLength;
    const outgrown = this.bytes.length > KEPT_BYTES && bytesLength <= KEPT_BYTES;
    if (keepsBytes || outgrown || this.bytes.length < bytesLength) {
      this.bytes = Buffer.allocUnsafeSlow(bytesLength);
      // The values of one read share it: a transfer of one would take the others.
      markAsUntransferable(this.bytes.buffer);
    }
    if (this.table.length < tableLength) {
      const table = new ArrayBuffer(tableLength);
      this.table = new Uint8Array(table);
      this.f64 = new Float64Array(table);
      this.i32 = new Int32Array(table);
    }
  }

  timestamp(row: number): number {
    return this.f64[row * 5]!;
  }

  offset(row: number): number {
    return this.f64[row * 5 + 1]!;
  }

  /** The same records in memory of their own. */
  copy(): RecordRows {
    const copy = new RecordRows();
    copy.prepare(this.length, this.count * RECORD_ROW_BYTES, this.count, true);
    copy.bytes.set(this.bytes.subarray(0, this.length));
    copy.table.set(this.table.subarray(0, this.count * RECORD_ROW_BYTES));
    return copy;
  }
}

/** The record of a row, complete and the user's own as long as `rows.bytes` is not used again or nothing points there. */
export function recordAt(
  rows: RecordRows,
  row: number,
  topic: TopicState,
  partition: number,
  copyHeaders: boolean,
): ConsumerRecord<unknown, unknown> {
  const headers = headersAt(rows, row, copyHeaders);
  const key = keyAt(rows, row, topic, partition);
  const value = valueAt(rows, row, topic, partition);
  return {
    topic: topic.name,
    partition,
    offset: rows.offset(row),
    timestamp: rows.timestamp(row),
    key,
    value,
    headers,
  };
}

/** A row's key. */
export function keyAt(rows: RecordRows, row: number, topic: TopicState, partition: number): unknown {
  return fieldOf("key", topic.key, rows, row, row * 10 + 4, topic, partition);
}

/** A row's key as it is stored; undefined if it has none. */
export function keyBytesAt(rows: RecordRows, row: number): Buffer | undefined {
  const length = rows.i32[row * 10 + 5]!;
  const start = rows.i32[row * 10 + 4]!;
  return length < 0 ? undefined : rows.bytes.subarray(start, start + length);
}

/** Bytes of a row's key and value. */
export function bytesAt(rows: RecordRows, row: number): number {
  return Math.max(0, rows.i32[row * 10 + 5]!) + Math.max(0, rows.i32[row * 10 + 7]!);
}

/** A row's value. */
export function valueAt(rows: RecordRows, row: number, topic: TopicState, partition: number): unknown {
  return fieldOf("value", topic.value, rows, row, row * 10 + 6, topic, partition);
}

/** A row's headers. */
export function headersAt(rows: RecordRows, row: number, copy: boolean): Header[] {
  const at = row * 10 + 8;
  const count = rows.i32[at + 1]!;
  return count === 0 ? [] : readHeaders(rows.bytes, rows.i32[at]!, count, copy);
}

function fieldOf(
  field: "key" | "value",
  codec: Codec,
  rows: RecordRows,
  row: number,
  at: number,
  topic: TopicState,
  partition: number,
): unknown {
  const length = rows.i32[at + 1]!;
  if (length < 0) return null;
  const start = rows.i32[at]!;
  if (codec === bytesCodec) return rows.bytes.subarray(start, start + length);
  try {
    return codec.read(rows.bytes, start, start + length);
  } catch (cause) {
    if (cause instanceof TidelogError) throw cause;
    const place = { topic: topic.name, partition, offset: rows.offset(row) };
    throw new SerializationError(
      `the ${field} at offset ${place.offset} of ${place.topic}-${partition} can't be deserialized ` +
        `(${messageOf(cause)}); seek past it, or open the topic with another serde`,
      cause,
      place,
    );
  }
}
