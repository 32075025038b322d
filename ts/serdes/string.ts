// Text as UTF-8.

import { shown } from "../options.js";
import { asBuffer, readText } from "../pack.js";
import { CODEC, type Codec } from "./codec.js";
import type { Serde } from "./serde.js";

const codec: Codec = {
  keepsBytes: false,
  write(value, pack) {
    if (typeof value !== "string") throw notText(value);
    return pack.writeText(value);
  },
  read: readText,
};

function notText(value: unknown): TypeError {
  return new TypeError(
    `expected a string, not ${shown(value)}; make it one, or give the topic another serde, such as json()`,
  );
}

const serde: Serde<string> = Object.freeze({
  [CODEC]: codec,
  serialize(value: string): Uint8Array {
    if (typeof value !== "string") throw notText(value);
    return Buffer.from(value);
  },
  deserialize: (bytes: Uint8Array) => readText(asBuffer(bytes), 0, bytes.length),
});

/** Text as UTF-8. Bytes that are not UTF-8, and lone surrogates, become U+FFFD, as everywhere in Node. */
export function string(): Serde<string> {
  return serde;
}
