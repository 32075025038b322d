// A topic's configuration: the words a user gives, their checks, and the binding's fields they stand for.

import { InvalidArgumentError, TidelogError } from "./errors.js";
import type { NativeTopicConfig } from "./native.js";
import { checkInteger, checkOneOf, checkOptions, shown } from "./options.js";
import type { AnySerde, Serde } from "./serdes/serde.js";

/** What an acknowledged send survives: power loss and the process being killed, or only the latter. */
export type Durability = "fsync" | "buffered";

/** How batches are compressed. */
export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** What is fixed about a topic, and how it keeps its records. Whatever is absent has its default. */
export interface TopicConfig {
  /** Number of partitions, 1 to 100,000. Default 1. */
  partitions?: number | undefined;
  /** What an acknowledged send survives. Default the store's. */
  durability?: Durability | undefined;
  /** How batches are compressed. Default `"none"`. */
  compression?: Compression | undefined;
  /** Whether a record keeps the time its producer gave it, or gets that of its append. Default `"create"`. */
  timestamps?: "create" | "append" | undefined;
  /** When records are deleted: by age in ms, by size in bytes of a partition. Default never; null is never. */
  retention?: { ms?: number | null | undefined; bytes?: number | null | undefined } | undefined;
  /** When a new segment file begins: at bytes (default 1 GiB, at least 1 KiB), after ms (default 7 days). */
  segment?: { bytes?: number | undefined; ms?: number | undefined } | undefined;
  /** Bytes of log for one index entry. Default 4096. */
  indexIntervalBytes?: number | undefined;
  /** Largest encoded batch in bytes, at most 64 MiB; a record must fit into one. Default 1 MiB + 12. */
  maxBatchBytes?: number | undefined;
  /** How far in ms a timestamp may lie in the future. Default one hour. */
  maxFutureMs?: number | undefined;
}

/** How a topic is opened and, where there is none, created. */
export interface TopicOptions<
  K extends AnySerde = Serde<Uint8Array, Buffer>,
  V extends AnySerde = Serde<Uint8Array, Buffer>,
> extends TopicConfig,
    SerdeOptions<K, V> {}

/** How keys and values become bytes. */
export interface SerdeOptions<K extends AnySerde, V extends AnySerde> {
  /** Of keys. Default bytes. */
  key?: K | undefined;
  /** Of values. Default bytes. */
  value?: V | undefined;
}

/** A configuration with all of its values; null where there is no limit. */
export interface FullTopicConfig {
  partitions: number;
  durability: Durability;
  compression: Compression;
  timestamps: "create" | "append";
  retention: { ms: number | null; bytes: number | null };
  segment: { bytes: number; ms: number };
  indexIntervalBytes: number;
  maxBatchBytes: number;
  maxFutureMs: number;
}

/** The names of a configuration's fields, for the check of options. */
export const CONFIG_NAMES = [
  "partitions",
  "durability",
  "compression",
  "timestamps",
  "retention",
  "segment",
  "indexIntervalBytes",
  "maxBatchBytes",
  "maxFutureMs",
] as const;

/** What of a configuration can be altered later. */
export type TopicChange = Omit<TopicConfig, "timestamps" | "indexIntervalBytes">;

/** Checks a configuration and translates it; only fields that were given are in the result. */
export function toNativeConfig(where: string, config: TopicConfig): NativeTopicConfig {
  const native: NativeTopicConfig = {};
  const { partitions, durability, compression, timestamps, retention, segment } = config;
  if (partitions !== undefined) native.partitions = checkInteger(where, "partitions", partitions, 1, 100_000);
  if (durability !== undefined) {
    native.durability = checkOneOf(where, "durability", durability, ["fsync", "buffered"]);
  }
  if (compression !== undefined) {
    native.compression = checkOneOf(where, "compression", compression, ["none", "gzip", "snappy", "lz4", "zstd"]);
  }
  if (timestamps !== undefined) {
    const word = checkOneOf(where, "timestamps", timestamps, ["create", "append"]);
    native.timestampType = word === "create" ? "CreateTime" : "LogAppendTime";
  }
  if (retention !== undefined) {
    checkGroup(where, "retention", retention, ["ms", "bytes"]);
    if (retention.ms !== undefined) native.retentionMs = limit(where, "retention.ms", retention.ms, 1);
    if (retention.bytes !== undefined) native.retentionBytes = limit(where, "retention.bytes", retention.bytes, 0);
  }
  if (segment !== undefined) {
    checkGroup(where, "segment", segment, ["bytes", "ms"]);
    const { bytes, ms } = segment;
    if (bytes !== undefined) native.segmentBytes = checkInteger(where, "segment.bytes", bytes, 1024, 2 ** 31 - 1);
    if (ms !== undefined) native.segmentMs = checkInteger(where, "segment.ms", ms, 1);
  }
  const { indexIntervalBytes, maxBatchBytes, maxFutureMs } = config;
  if (indexIntervalBytes !== undefined) {
    native.indexIntervalBytes = checkInteger(where, "indexIntervalBytes", indexIntervalBytes, 1, 2 ** 31 - 1);
  }
  if (maxBatchBytes !== undefined) {
    native.maxBatchBytes = checkInteger(where, "maxBatchBytes", maxBatchBytes, 128, 64 << 20);
  }
  if (maxFutureMs !== undefined) native.maxFutureMs = checkInteger(where, "maxFutureMs", maxFutureMs);
  return native;
}

function checkGroup(where: string, name: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== "object" || value === null) {
    throw new InvalidArgumentError(`${where}: ${name} must be an object, not ${shown(value)}`);
  }
  checkOptions(`${where}: ${name}`, value, known);
}

function limit(where: string, name: string, value: number | null, min: number): number | null {
  return value === null ? null : checkInteger(where, name, value, min);
}

/** The binding's configuration in the user's words. */
export function fromNativeConfig(native: NativeTopicConfig): FullTopicConfig {
  return {
    partitions: native.partitions!,
    durability: native.durability as Durability,
    compression: native.compression as Compression,
    timestamps: native.timestampType === "LogAppendTime" ? "append" : "create",
    retention: { ms: native.retentionMs ?? null, bytes: native.retentionBytes ?? null },
    segment: { bytes: native.segmentBytes!, ms: native.segmentMs! },
    indexIntervalBytes: native.indexIntervalBytes!,
    maxBatchBytes: native.maxBatchBytes!,
    maxFutureMs: native.maxFutureMs!,
  };
}

/** Refuses to open a topic that differs from what was asked for; fields that were not given are not compared. */
export function checkSameConfig(name: string, asked: NativeTopicConfig, found: NativeTopicConfig): void {
  for (const [field, value] of Object.entries(asked) as [keyof NativeTopicConfig, unknown][]) {
    if ((found[field] ?? null) !== value) {
      throw new TidelogError(
        "ERR_TIDELOG_TOPIC_EXISTS",
        `topic "${name}" exists with ${field} ${shown(found[field] ?? null)}, not ${shown(value)}; ` +
          "open it with what it has, or change it with topic.alter()",
      );
    }
  }
}
