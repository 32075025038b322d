// What Kafka's own consumer read from the fixture's logs, which a store must serve just so after the import.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ConsumerRecord } from "../../ts/index.js";

/** The broker's `log.dir`. */
export const LOG_DIR = join(import.meta.dirname, "fixture", "log");

/** A partition's ends: its first offset, its last stable one, and the next one that is written. */
export interface Ends {
  topic: string;
  partition: number;
  start: number;
  stable: number;
  end: number;
}

/** A record: keys, values and headers' values in base64. */
export interface Expected {
  topic: string;
  partition: number;
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  headers: [name: string, value: string | null][];
}

/** As it stands in the file, where headers' names are in base64 too, and the kind of the time is told. */
type Line = Expected & { timestampType: string };

const lines = readFileSync(join(import.meta.dirname, "fixture", "expected.jsonl"), "utf8")
  .trimEnd()
  .split("\n");
const parsed = lines.map((line) => JSON.parse(line) as Ends | Line);

/** Of every partition. */
export const ENDS: Ends[] = parsed.filter((line) => "stable" in line);

/** All records, by topic, partition and offset. */
export const EXPECTED: Expected[] = parsed
  .filter((line) => "offset" in line)
  .map(({ timestampType: _, headers, ...record }) => ({
    ...record,
    headers: headers.map(([name, value]) => [Buffer.from(name, "base64").toString(), value]),
  }));

/** A record that a consumer gave, to be compared. */
export function comparable(record: ConsumerRecord<Buffer, Buffer>): Expected {
  const base64 = (bytes: Buffer | null) => (bytes === null ? null : bytes.toString("base64"));
  const { topic, partition, offset, timestamp, key, value, headers } = record;
  return {
    topic,
    partition,
    offset,
    timestamp,
    key: base64(key),
    value: base64(value),
    headers: headers.map(([name, value]) => [name, base64(value)]),
  };
}
