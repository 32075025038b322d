// Records that say who they are: three bytes of stream, three of number, four of CRC-32 over those and the body.
// The body is noise of a length that only the sender chose, so content that is torn, mixed or cut does not pass.

import { crc32 } from "node:zlib";
import { random } from "../../bench/records.js";

/** The smallest record: all head and no body. */
export const SMALLEST = 10;
/** Streams and numbers within one are below this. */
export const LIMIT = 2 ** 24;

const next = random(0xc0ffee);
const NOISE = Buffer.from(Uint32Array.from({ length: 1 << 18 }, next).buffer);

/** Names a record in one number. */
export function idOf(stream: number, number: number): number {
  return stream * LIMIT + number;
}

/** The id as people read it. */
export function idText(id: number): string {
  return id < 0 ? "a record that is not whole" : `${Math.floor(id / LIMIT)}:${id % LIMIT}`;
}

/** A record of this size, at least the smallest. */
export function payload(stream: number, number: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.max(size, SMALLEST));
  bytes.writeUIntBE(stream, 0, 3);
  bytes.writeUIntBE(number, 3, 3);
  const from = (stream * 31 + number * 7919) % (NOISE.length - bytes.length);
  NOISE.copy(bytes, SMALLEST, from, from + bytes.length - SMALLEST);
  bytes.writeUInt32BE(sumOf(bytes), 6);
  return bytes;
}

/** The id of a record that was read, or -1 if it is not what was sent. */
export function readId(bytes: Buffer | null): number {
  if (bytes === null || bytes.length < SMALLEST || bytes.readUInt32BE(6) !== sumOf(bytes)) return -1;
  return idOf(bytes.readUIntBE(0, 3), bytes.readUIntBE(3, 3));
}

function sumOf(bytes: Buffer): number {
  return crc32(bytes.subarray(SMALLEST), crc32(bytes.subarray(0, 6)));
}
