// The layout in which records cross into the engine, as `crates/format/src/packed.rs` states it: a table with
// a row for each record beside one run of bytes. A Pack is both, grown as needed and used again; records go in
// one after the other, and one that fails half way leaves nothing behind. A PackedRecord is one of them that waits
// in memory of its own.

import { TidelogError } from "./errors.js";

/** Bytes of a row of the produce table: f64 timestamp, u32 partition, i32 key length, i32 value length, u32 headers. */
export const PACKED_ROW_BYTES = 24;
/** Bytes of a row of the read table: f64 timestamp, f64 offset, then positions and lengths of key, value and headers. */
export const RECORD_ROW_BYTES = 40;

type Utf8Write = (this: Buffer, text: string, position: number, length: number) => number;
type Utf8Slice = (this: Buffer, start: number, end: number) => string;
interface BufferInternals {
  utf8Write?: Utf8Write;
  utf8Slice?: Utf8Slice;
}
const internals = Buffer.prototype as unknown as BufferInternals;

// Present in Node for ever but not documented, so each has its documented twin behind it.
const utf8Write: Utf8Write =
  internals.utf8Write ??
  function write(text, position, length) {
    return this.write(text, position, length, "utf8");
  };
const utf8Slice: Utf8Slice =
  internals.utf8Slice ??
  function slice(start, end) {
    return this.toString("utf8", start, end);
  };

/** Below this many characters a loop beats a call out of JavaScript. */
const SHORT_TEXT = 24;

/** The partition of a row whose partition is chosen later. */
export const UNPLACED = -1;

/** One record as a pack holds it. */
export interface PackedRecord {
  /** Key, value and headers. */
  readonly bytes: Uint8Array;
  readonly timestamp: number;
  /** Its partition, or `UNPLACED`. */
  readonly partition: number;
  /** -1 without a key. */
  readonly keyLength: number;
  /** -1 of a tombstone. */
  readonly valueLength: number;
  readonly headers: number;
}

/** Records on their way into the engine. */
export class Pack {
  bytes: Buffer;
  /** The table, under its three views. */
  table: Uint8Array;
  f64: Float64Array;
  i32: Int32Array;
  /** Records in it, and bytes of `bytes` in use. */
  rows = 0;
  length = 0;

  constructor(bytesCapacity: number, rowCapacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytesCapacity);
    const table = new ArrayBuffer(rowCapacity * PACKED_ROW_BYTES);
    this.table = new Uint8Array(table);
    this.f64 = new Float64Array(table);
    this.i32 = new Int32Array(table);
  }

  /** Empties it; the memory stays. */
  clear(): void {
    this.rows = 0;
    this.length = 0;
  }

  /** Bytes that it has taken, table included. */
  get size(): number {
    return this.length + this.rows * PACKED_ROW_BYTES;
  }

  /** Bytes of memory that it holds. */
  get capacity(): number {
    return this.bytes.length + this.table.length;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Adds the row that makes the bytes written since the last one a record. */
  addRow(timestamp: number, partition: number, keyLength: number, valueLength: number, headers: number): void {
    const row = this.rows;
    if ((row + 1) * PACKED_ROW_BYTES > this.table.length) this.#growTable();
    this.f64[row * 3] = timestamp;
    const i32 = this.i32;
    const at = row * 6 + 2;
    i32[at] = partition;
    i32[at + 1] = keyLength;
    i32[at + 2] = valueLength;
    i32[at + 3] = headers;
    this.rows = row + 1;
  }

  /** The partition in a row. */
  partitionAt(row: number): number {
    return this.i32[row * 6 + 2]!;
  }

  /** The timestamp in a row. */
  timestampAt(row: number): number {
    return this.f64[row * 3]!;
  }

  /** Appends bytes. */
  writeBytes(source: Uint8Array): number {
    const count = source.length;
    if (count === 0) checkAttached(source);
    const at = this.length;
    if (at + count > this.bytes.length) this.reserve(count);
    const bytes = this.bytes;
    if (count < 16) {
      for (let i = 0; i < count; i++) bytes[at + i] = source[i]!;
    } else {
      bytes.set(source, at);
    }
    this.length = at + count;
    return count;
  }

  /** Appends text as UTF-8 and gives its length in bytes. */
  writeText(text: string): number {
    const characters = text.length;
    const at = this.length;
    // A UTF-16 unit takes at most three bytes. Where that much is not left, the exact length decides.
    if (at + characters * 3 > this.bytes.length) {
      this.reserve(characters > 4096 ? Buffer.byteLength(text) : characters * 3);
    }
    const bytes = this.bytes;
    if (characters < SHORT_TEXT) {
      let i = 0;
      for (; i < characters; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 0x7f) break;
        bytes[at + i] = unit;
      }
      if (i === characters) {
        this.length = at + characters;
        return characters;
      }
    }
    const count = utf8Write.call(bytes, text, at, bytes.length - at);
    this.length = at + count;
    return count;
  }

  /** Appends a little-endian 32-bit integer. */
  writeInt32(value: number): void {
    const at = this.length;
    if (at + 4 > this.bytes.length) this.reserve(4);
    this.setInt32(at, value);
    this.length = at + 4;
  }

  /** Overwrites four bytes written before. */
  setInt32(at: number, value: number): void {
    const bytes = this.bytes;
    bytes[at] = value;
    bytes[at + 1] = value >> 8;
    bytes[at + 2] = value >> 16;
    bytes[at + 3] = value >> 24;
  }

  /** The record of a row whose bytes are `start` to `end`: a view, valid until the pack changes. */
  recordAt(row: number, start: number, end: number): PackedRecord {
    const i32 = this.i32;
    const at = row * 6 + 2;
    return {
      bytes: this.bytes.subarray(start, end),
      timestamp: this.timestampAt(row),
      partition: i32[at]!,
      keyLength: i32[at + 1]!,
      valueLength: i32[at + 2]!,
      headers: i32[at + 3]!,
    };
  }

  /** All records, as views. */
  *records(): Generator<PackedRecord> {
    let start = 0;
    for (let row = 0; row < this.rows; row++) {
      const end = this.#endOf(row, start);
      yield this.recordAt(row, start, end);
      start = end;
    }
  }

  /** Moves the last record, whose bytes begin at `start`, to another pack. */
  moveLast(start: number, to: Pack): void {
    const { bytes, timestamp, partition, keyLength, valueLength, headers } = this.recordAt(
      this.rows - 1,
      start,
      this.length,
    );
    to.writeBytes(bytes);
    to.addRow(timestamp, partition, keyLength, valueLength, headers);
    this.rows -= 1;
    this.length = start;
  }

  /** The same records, whose bytes end at `length`, in another pack. */
  copyTo(to: Pack, length: number): void {
    to.clear();
    to.reserve(length);
    to.bytes.set(this.bytes.subarray(0, length));
    while (to.table.length < this.rows * PACKED_ROW_BYTES) to.#growTable();
    to.table.set(this.table.subarray(0, this.rows * PACKED_ROW_BYTES));
    to.rows = this.rows;
    to.length = length;
  }

  /** Where the bytes of a row end that begin at `start`. */
  #endOf(row: number, start: number): number {
    const at = row * 6 + 3;
    let end = start + Math.max(0, this.i32[at]!) + Math.max(0, this.i32[at + 1]!);
    for (let header = 0; header < this.i32[at + 2]!; header++) {
      end += 8 + this.bytes.readInt32LE(end) + Math.max(0, this.bytes.readInt32LE(end + 4));
    }
    return end;
  }

  #growTable(): void {
    const table = new ArrayBuffer(this.table.length * 2);
    const grown = new Uint8Array(table);
    grown.set(this.table);
    this.table = grown;
    this.f64 = new Float64Array(table);
    this.i32 = new Int32Array(table);
  }
}

/** Reads UTF-8 text out of bytes. */
export function readText(bytes: Buffer, start: number, end: number): string {
  if (end - start < SHORT_TEXT) {
    let text = "";
    for (let i = start; i < end; i++) {
      const unit = bytes[i]!;
      if (unit > 0x7f) return utf8Slice.call(bytes, start, end);
      text += String.fromCharCode(unit);
    }
    return text;
  }
  return utf8Slice.call(bytes, start, end);
}

/** Refuses bytes whose memory is somebody else's by now: they look empty. */
function checkAttached(bytes: Uint8Array): void {
  try {
    // Any method of a typed array looks whether its memory is there.
    Uint8Array.prototype.indexOf.call(bytes, 0);
  } catch {
    throw new TidelogError(
      "ERR_TIDELOG_INVALID_RECORD",
      "a Uint8Array whose memory was transferred or has shrunk below it has nothing to store; send it first, or send a copy",
    );
  }
}

/** A Buffer over the same memory as any Uint8Array. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A pack of the same records for a long wait: without the room that is left in it. The pack goes back to the pool. */
export function fitted(pack: Pack): Pack {
  if (pack.capacity < pack.size * 2) return pack;
  const copy = new Pack(pack.length, pack.rows);
  pack.copyTo(copy, pack.length);
  givePack(pack);
  return copy;
}

const POOL_LIMIT = 8;
const KEPT_BYTES = 2 << 20;
/** Room for a tick's worth of small records. */
const PACK_BYTES = 320 << 10;
const PACK_ROWS = 4096;
const pool: Pack[] = [];

/** An empty pack, used before where one is at hand. */
export function takePack(): Pack {
  return pool.pop() ?? new Pack(PACK_BYTES, PACK_ROWS);
}

/** Gives a pack back. A large one, made for a large record, is let go. */
export function givePack(pack: Pack): void {
  pack.clear();
  if (pool.length < POOL_LIMIT && pack.capacity <= KEPT_BYTES) pool.push(pack);
}
