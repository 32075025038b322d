// What a store really holds, read record by record through the public API, in the form in which the oracle judges it.

import { type Log, open } from "../../ts/index.js";
import type { Finding, Oracle } from "./oracle.js";
import { readId } from "./payload.js";

export interface SeenPartition {
  logStart: number;
  highWatermark: number;
  offsets: number[];
  /** Of the records at those offsets; -1 for content that nobody sent. */
  ids: number[];
}

export interface SeenTopic {
  name: string;
  durability: string;
  partitions: SeenPartition[];
}

export interface Seen {
  /** By topic id. */
  topics: Map<string, SeenTopic>;
  /** What the store itself calls damaged. */
  damage: string[];
  /** Bytes of record batches in all. */
  bytes: number;
}

/** Reads everything. */
export async function observe(log: Log): Promise<Seen> {
  const seen: Seen = { topics: new Map(), damage: log.recovery.damaged.map((error) => error.message), bytes: 0 };
  for (const name of await log.topics()) {
    const topic = await log.openTopic(name);
    const { id, config, partitions } = await topic.describe();
    const found = partitions.map(({ logStartOffset, highWatermark, bytes, damage }): SeenPartition => {
      if (damage !== null) seen.damage.push(damage);
      seen.bytes += bytes;
      return { logStart: logStartOffset, highWatermark, offsets: [], ids: [] };
    });
    for await (const { partition, offset, value } of log.consumer({ topics: [topic], until: "end" })) {
      found[partition]!.offsets.push(offset);
      found[partition]!.ids.push(readId(value));
    }
    seen.topics.set(id, { name, durability: config.durability, partitions: found });
  }
  return seen;
}

/** Opens a store, has the oracle look at all of it, and closes it in order. */
export async function openAndLook(
  store: string,
  oracle: Oracle,
): Promise<{ findings: Finding[]; recovered: boolean; bytes: number }> {
  const before = performance.now();
  const log = await open(store);
  oracle.hear(`opened ${Math.round(performance.now() - before)}`);
  const seen = await observe(log);
  const findings = oracle.look(seen);
  await log.close();
  return { findings, recovered: !log.recovery.clean, bytes: seen.bytes };
}
