// Reads the topic from its beginning to its end: once to check every byte, then twice against the clock, as bytes
// only and as the events that they are.
import type { Log } from "tidelog";
import { KeyedDigest } from "./digest.js";
import type { Progress } from "./progress.js";
import { type Flights, TOPIC } from "./write.js";

export interface Replayed {
  /** Per key, the digest of what came back. */
  digest: Map<string, string>;
  count: number;
  /** The partition of each key; a key in two partitions is an error. */
  partitionOf: Map<string, number>;
}

/** Reads all records as bytes and digests them. */
export async function check(log: Log, progress: Progress): Promise<Replayed> {
  const digest = new KeyedDigest();
  const partitionOf = new Map<string, number>();
  const reader = log.consumer({ topics: [TOPIC], until: "end" });
  for await (const batch of reader.batches()) {
    for (const record of batch) {
      const key = String(record.key);
      const home = partitionOf.get(key) ?? record.partition;
      if (home !== record.partition) throw new Error(`key ${key} is in partitions ${home} and ${record.partition}`);
      partitionOf.set(key, home);
      digest.add(key, record.timestamp, record.value ?? Buffer.alloc(0));
    }
    progress.at(digest.count);
  }
  await reader.close();
  return { digest: digest.finish(), count: digest.count, partitionOf };
}

/** Throws unless both sides hold the same keys with the same records in the same order. */
export function compare(expected: Map<string, string>, replayed: Map<string, string>): void {
  const keys = new Set([...expected.keys(), ...replayed.keys()]);
  for (const key of keys) {
    const [want, have] = [expected.get(key) ?? "nothing", replayed.get(key) ?? "nothing"];
    if (want !== have) throw new Error(`key ${key} came back different: written ${want}; read ${have}`);
  }
}

/** Reads all records, touching the bytes of keys and values without decoding them; resolves with the ms it took. */
export async function readBare(log: Log, count: number): Promise<number> {
  const start = performance.now();
  let seen = 0;
  let bytes = 0;
  const reader = log.consumer({ topics: [TOPIC], until: "end" });
  for await (const batch of reader.batches()) {
    for (const record of batch) {
      bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
      seen++;
    }
  }
  const took = performance.now() - start;
  await reader.close();
  if (seen !== count || bytes === 0) throw new Error(`${seen} records came back, ${count} were written`);
  return took;
}

/** Reads and decodes all events; resolves with the ms it took. The sum of the delays proves that they were decoded. */
export async function readJson(log: Log, flights: Flights, delays: number): Promise<number> {
  const start = performance.now();
  let sum = 0;
  const reader = log.consumer({ topics: [flights], until: "end" });
  for await (const batch of reader.batches()) {
    for (const record of batch) sum += record.value?.delay ?? 0;
  }
  const took = performance.now() - start;
  await reader.close();
  if (sum !== delays) throw new Error(`the delays add up to ${sum} minutes, not to ${delays}`);
  return took;
}
