// Record headers: pairs of a name and bytes, in order, duplicates kept. Written in the packed layout, read in
// the encoding of Kafka's records. Never a plain object: `__proto__` is a name like any other.

import { InvalidArgumentError, TidelogError } from "./errors.js";
import { shown } from "./options.js";
import { type Pack, readText } from "./pack.js";

/** A header as it is read. */
export type Header = [name: string, value: Buffer | null];

/** A header as it is sent. Text is stored as UTF-8. */
export type HeaderInput = readonly [name: string, value: string | Uint8Array | null];

/** Most headers of one record, and most bytes of their names and values. */
export const MAX_HEADERS = 128;
export const MAX_HEADER_BYTES = 64 << 10;

/** Appends headers to a pack and gives their number. */
export function writeHeaders(headers: readonly HeaderInput[], pack: Pack): number {
  if (!Array.isArray(headers)) {
    throw invalid(
      `headers must be an array of [name, value] pairs, not ${shown(headers)}; Object.entries makes one of an object`,
    );
  }
  const start = pack.length;
  const count = headers.length;
  if (count > MAX_HEADERS) throw tooLarge(`${count} headers are over the limit of ${MAX_HEADERS}`);
  for (let i = 0; i < count; i++) {
    const pair: unknown = headers[i];
    const name: unknown = Array.isArray(pair) && pair.length === 2 ? pair[0] : undefined;
    if (typeof name !== "string") throw invalid(`header ${i} must be a pair [name, value], not ${shown(pair)}`);
    writeHeader(name, (pair as unknown[])[1], pack);
  }
  const size = pack.length - start - count * 8;
  if (size > MAX_HEADER_BYTES) throw tooLarge(`headers of ${size} bytes are over the limit of ${MAX_HEADER_BYTES}`);
  return count;
}

function writeHeader(name: string, value: unknown, pack: Pack): void {
  const lengths = pack.length;
  pack.writeInt32(0);
  pack.writeInt32(-1);
  pack.setInt32(lengths, pack.writeText(name));
  if (typeof value === "string") pack.setInt32(lengths + 4, pack.writeText(value));
  else if (value instanceof Uint8Array) pack.setInt32(lengths + 4, pack.writeBytes(value));
  else if (value !== null) {
    throw invalid(
      `header "${name}" must have a string, a Uint8Array or null as value, not ${shown(value)}; make it a string`,
    );
  }
}

function invalid(message: string): TidelogError {
  return new TidelogError("ERR_TIDELOG_INVALID_RECORD", message);
}

function tooLarge(message: string): TidelogError {
  return new TidelogError("ERR_TIDELOG_RECORD_TOO_LARGE", `${message}; put large data in the value`);
}

/** Reads `count` headers as Kafka's records hold them: zigzag varint lengths before name and value. */
export function readHeaders(bytes: Buffer, position: number, count: number, copy: boolean): Header[] {
  const headers: Header[] = new Array(count);
  const cursor = { position };
  for (let i = 0; i < count; i++) {
    const nameLength = readVarint(bytes, cursor);
    const name = readText(bytes, cursor.position, cursor.position + nameLength);
    cursor.position += nameLength;
    const valueLength = readVarint(bytes, cursor);
    let value: Buffer | null = null;
    if (valueLength >= 0) {
      value = bytes.subarray(cursor.position, cursor.position + valueLength);
      if (copy) value = Buffer.from(value);
      cursor.position += valueLength;
    }
    headers[i] = [name, value];
  }
  return headers;
}

function readVarint(bytes: Buffer, cursor: { position: number }): number {
  let raw = 0;
  let shift = 0;
  let byte: number;
  do {
    byte = bytes[cursor.position++]!;
    raw |= (byte & 0x7f) << shift;
    shift += 7;
  } while (byte & 0x80 && shift < 35);
  return (raw >>> 1) ^ -(raw & 1);
}

/** The value of a record's last header of this name, as in Kafka; null if that is null, undefined if there is none. */
export function header(record: { readonly headers: readonly Header[] }, name: string): Buffer | null | undefined {
  if (typeof name !== "string") throw new InvalidArgumentError(`header: name must be a string, not ${shown(name)}`);
  for (let i = record.headers.length - 1; i >= 0; i--) {
    const pair = record.headers[i]!;
    if (pair[0] === name) return pair[1];
  }
  return undefined;
}
