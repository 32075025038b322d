// The faster interface behind every serde: it writes straight into a pack and reads straight from a buffer.

import type { Pack } from "../pack.js";

/** What all serdes become. */
export interface Codec {
  /** Writes the value and gives its length in bytes. When it throws, the caller takes back what was written. */
  write(value: unknown, pack: Pack): number;
  read(bytes: Buffer, start: number, end: number): unknown;
  /** Whether what `read` returns may keep a reference to the bytes, so that they must not be used again. */
  readonly keepsBytes: boolean;
}

/** A built-in serde carries its codec under this key. */
export const CODEC: unique symbol = Symbol("tidelog.codec");
