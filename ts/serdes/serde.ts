// What turns keys and values into bytes and back: the interface anybody can implement, the faster one that the
// built-in serdes implement as well, and how types follow from what was given.

import { InvalidArgumentError } from "../errors.js";
import { shown } from "../options.js";
import { bytes } from "./bytes.js";
import { CODEC, type Codec } from "./codec.js";
import { json } from "./json.js";
import { type StandardSchema, schemaSerde } from "./standard_schema.js";
import { string } from "./string.js";

/** Turns values into bytes and back. `In` is what is sent, `Out` what is read; mostly one type. */
export interface Serde<In, Out = In> {
  /** The bytes to store. They are copied before the call that sends them returns. */
  serialize(value: In): Uint8Array;
  /** The value of stored bytes. They belong to the value from then on. */
  deserialize(bytes: Buffer): Out;
}

/** A serde, or a schema of any library that implements Standard Schema: values are then stored as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: the one place where every serde must fit, whatever its types
export type AnySerde = Serde<any, any> | StandardSchema<any, any>;

/** What is sent through a serde. */
export type Sent<S> =
  S extends StandardSchema<infer In, infer _Out> ? In : S extends Serde<infer In, infer _Out> ? In : never;

/** What is read through a serde. */
export type Read<S> =
  S extends StandardSchema<infer _In, infer Out> ? Out : S extends Serde<infer _In, infer Out> ? Out : never;

/** The codec of whatever a user gave as serde. */
export function codecOf(where: string, name: string, given: unknown): Codec {
  if ((typeof given === "object" && given !== null) || typeof given === "function") {
    if ("~standard" in given) return codecOf(where, name, schemaSerde(given as StandardSchema));
    if (CODEC in given) return given[CODEC] as Codec;
    const { serialize, deserialize } = given as Partial<Serde<unknown>>;
    if (typeof serialize === "function" && typeof deserialize === "function")
      return plainCodec(given as Serde<unknown>);
  }
  const maker = [json, string, bytes].find((make) => make === given)?.name;
  throw new InvalidArgumentError(
    `${where}: ${name} must be a serde ({ serialize, deserialize }) or a Standard Schema, not ${shown(given)}` +
      (maker === undefined ? "" : `; call it: ${maker}()`),
  );
}

function plainCodec(serde: Serde<unknown>): Codec {
  return {
    keepsBytes: true,
    write(value, pack) {
      const bytes = serde.serialize(value);
      if (!(bytes instanceof Uint8Array)) {
        throw new TypeError(`serialize must return a Uint8Array, not ${shown(bytes)}`);
      }
      return pack.writeBytes(bytes);
    },
    read: (bytes, start, end) => serde.deserialize(bytes.subarray(start, end)),
  };
}
