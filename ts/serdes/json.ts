// Values as JSON text. The type parameter is a promise by the caller; a schema checks it (standard_schema.ts).

import { shown } from "../options.js";
import { asBuffer, readText } from "../pack.js";
import { CODEC, type Codec } from "./codec.js";
import type { Serde } from "./serde.js";

/** JSON text of a value that has one and is not read as something else: NaN, as `null`, would look like a tombstone. */
export function toJson(value: unknown): string {
  const text = textOf(value);
  if (text === undefined) throw new TypeError(`${shown(value)} has no JSON form; send what has one`);
  if (text === "null" && value !== null) {
    throw new TypeError(
      `${shown(value)} has no JSON form but null, which is read as a tombstone; send null if you mean one`,
    );
  }
  return text;
}

function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // Node's words for a BigInt do not say what to do.
    if (!(error instanceof TypeError) || !error.message.includes("BigInt")) throw error;
    throw new TypeError(`${shown(value)} holds a BigInt, which has no JSON form; send it as text`, { cause: error });
  }
}

/** Any value as JSON. */
export const jsonCodec: Codec = {
  keepsBytes: false,
  write: (value, pack) => pack.writeText(toJson(value)),
  read: (bytes, start, end) => JSON.parse(readText(bytes, start, end)),
};

const serde: Serde<unknown> = Object.freeze({
  [CODEC]: jsonCodec,
  serialize: (value: unknown): Uint8Array => Buffer.from(toJson(value)),
  deserialize: (bytes: Uint8Array): unknown => JSON.parse(readText(asBuffer(bytes), 0, bytes.length)),
});

/**
 * Values as JSON. What is read is trusted to be a `T`; give a Standard Schema instead to have it checked. Refuses with
 * `ERR_TIDELOG_SERIALIZATION` what has no JSON form of its own: functions, symbols, a BigInt, `NaN`, `Infinity`, an invalid
 * `Date`. Inside of objects and arrays `JSON.stringify` makes `null` of the last three, as everywhere.
 */
export function json<T>(): Serde<T> {
  return serde as Serde<T>;
}
