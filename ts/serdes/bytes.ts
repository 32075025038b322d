// Bytes as they are: the default serde.

import { shown } from "../options.js";
import { asBuffer } from "../pack.js";
import { CODEC, type Codec } from "./codec.js";
import type { Serde } from "./serde.js";

/** The one codec that producers and readers know by identity, to skip the call. */
export const bytesCodec: Codec = {
  keepsBytes: true,
  write(value, pack) {
    if (!(value instanceof Uint8Array)) throw notBytes(value);
    return pack.writeBytes(value);
  },
  read: (bytes, start, end) => bytes.subarray(start, end),
};

/** The complaint about a value that should be bytes. */
export function notBytes(value: unknown): TypeError {
  return new TypeError(
    `expected a Uint8Array, not ${shown(value)}; give the topic a serde, such as string() or json()`,
  );
}

const serde: Serde<Uint8Array, Buffer> = Object.freeze({
  [CODEC]: bytesCodec,
  serialize(value: Uint8Array): Uint8Array {
    if (!(value instanceof Uint8Array)) throw notBytes(value);
    return value;
  },
  deserialize: asBuffer,
});

/** Bytes as they are: takes any `Uint8Array`, gives a `Buffer`. The default. */
export function bytes(): Serde<Uint8Array, Buffer> {
  return serde;
}
