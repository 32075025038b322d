// A topic's configuration: the words a user gives, their checks, and the binding's fields they stand for.

import { InvalidArgumentError, TidelogError } from "./errors.js";
import type { NativeTopicConfig } from "./native.js";
import { checkDuration, checkGroup, checkInteger, checkOneOf, shown } from "./options.js";
import type { AnySerde, Serde } from "./serdes/serde.js";
import type { Duration } from "./time.js";

/** What an acknowledged send survives: power loss and the process being killed, or only the latter. */
export type Durability = "fsync" | "buffered";

/** How batches are compressed. */
export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/**
 * What becomes of old records. `"delete"`: they stay until retention, if there is any, takes them. `"compact"`: the newest
 * record of each key stays. `["compact", "delete"]`: both.
 */
export type Cleanup = "delete" | "compact" | readonly ("compact" | "delete")[];

/** How a topic is compacted. Names and defaults are Kafka's; times are ms, or a `Duration` such as `"1h"`. */
export interface Compaction {
  /**
   * The part of a partition's bytes that was not cleaned yet above which it is, 0 to 1. Default 0.5
   * (`min.cleanable.dirty.ratio`).
   */
  minDirtyRatio?: number | undefined;
  /** For how long a record stays in any case, by its timestamp. Default 0 (`min.compaction.lag.ms`). */
  minLagMs?: number | Duration | undefined;
  /**
   * After how long a record is cleaned whatever the ratio is; segments begin at least as often. Default null, never
   * (`max.compaction.lag.ms`).
   */
  maxLagMs?: number | Duration | null | undefined;
  /**
   * For how long a record whose value is null, which says that its key is gone, stays after the first cleaning that saw
   * it: who reads from the beginning within that time hears of it. Default 24 hours (`delete.retention.ms`).
   */
  deleteRetentionMs?: number | Duration | undefined;
}

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
  /**
   * What becomes of old records. Default `"delete"`. With `"compact"` every record needs a key; offsets never change, the
   * newest record of each key stays, and older ones go once a segment is full and the cleaner has come by.
   */
  cleanup?: Cleanup | undefined;
  /** How the topic is compacted, if it is. */
  compaction?: Compaction | undefined;
  /**
   * When records are deleted: by age, in ms or as a `Duration` such as `"7d"`, and by size in bytes of a partition. Default
   * never; null is never. Not for a topic that is only compacted.
   */
  retention?: { ms?: number | Duration | null | undefined; bytes?: number | null | undefined } | undefined;
  /** When a new segment file begins: at bytes (default 1 GiB, at least 1 KiB), after a time in ms or as a `Duration` (default 7 days). */
  segment?: { bytes?: number | undefined; ms?: number | Duration | undefined } | undefined;
  /** Bytes of log for one index entry. Default 4096. */
  indexIntervalBytes?: number | undefined;
  /** Largest encoded batch in bytes, at most 64 MiB; a record must fit into one. Default 1 MiB + 12. */
  maxBatchBytes?: number | undefined;
  /** How far a timestamp may lie in the future, in ms or as a `Duration`. Default one hour. */
  maxFutureMs?: number | Duration | undefined;
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
  cleanup: "delete" | "compact" | ["compact", "delete"];
  compaction: { minDirtyRatio: number; minLagMs: number; maxLagMs: number | null; deleteRetentionMs: number };
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
  "cleanup",
  "compaction",
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
  if (config.cleanup !== undefined) native.cleanup = cleanupName(where, config.cleanup);
  if (config.compaction !== undefined) addCompaction(where, config.compaction, native);
  if (retention !== undefined) {
    checkGroup(where, "retention", retention, ["ms", "bytes"]);
    if (retention.ms !== undefined) native.retentionMs = durationLimit(where, "retention.ms", retention.ms, 1);
    if (retention.bytes !== undefined) native.retentionBytes = bytesLimit(where, "retention.bytes", retention.bytes);
  }
  if (segment !== undefined) {
    checkGroup(where, "segment", segment, ["bytes", "ms"]);
    const { bytes, ms } = segment;
    if (bytes !== undefined) native.segmentBytes = checkInteger(where, "segment.bytes", bytes, 1024, 2 ** 31 - 1);
    if (ms !== undefined) native.segmentMs = checkDuration(where, "segment.ms", ms, 1);
  }
  const { indexIntervalBytes, maxBatchBytes, maxFutureMs } = config;
  if (indexIntervalBytes !== undefined) {
    native.indexIntervalBytes = checkInteger(where, "indexIntervalBytes", indexIntervalBytes, 1, 2 ** 31 - 1);
  }
  if (maxBatchBytes !== undefined) {
    native.maxBatchBytes = checkInteger(where, "maxBatchBytes", maxBatchBytes, 128, 64 << 20);
  }
  if (maxFutureMs !== undefined) native.maxFutureMs = checkDuration(where, "maxFutureMs", maxFutureMs);
  return native;
}

/** As Kafka writes it. */
function cleanupName(where: string, cleanup: Cleanup): string {
  const words = typeof cleanup === "string" ? [cleanup] : cleanup;
  const known = ["compact", "delete"];
  if (!Array.isArray(words) || words.length === 0 || !words.every((word) => known.includes(word))) {
    throw new InvalidArgumentError(
      `${where}: cleanup must be "delete", "compact" or ["compact", "delete"], not ${shown(cleanup)}`,
    );
  }
  return known.filter((word) => words.includes(word)).join(",");
}

function addCompaction(where: string, compaction: Compaction, native: NativeTopicConfig): void {
  checkGroup(where, "compaction", compaction, ["minDirtyRatio", "minLagMs", "maxLagMs", "deleteRetentionMs"]);
  const { minDirtyRatio, minLagMs, maxLagMs, deleteRetentionMs } = compaction;
  if (minDirtyRatio !== undefined) {
    if (typeof minDirtyRatio !== "number" || !(minDirtyRatio >= 0 && minDirtyRatio <= 1)) {
      throw new InvalidArgumentError(
        `${where}: compaction.minDirtyRatio must be a number from 0 to 1, not ${shown(minDirtyRatio)}`,
      );
    }
    native.minDirtyRatio = minDirtyRatio;
  }
  if (minLagMs !== undefined) native.minLagMs = checkDuration(where, "compaction.minLagMs", minLagMs);
  if (maxLagMs !== undefined) native.maxLagMs = durationLimit(where, "compaction.maxLagMs", maxLagMs, 1);
  if (deleteRetentionMs !== undefined) {
    native.deleteRetentionMs = checkDuration(where, "compaction.deleteRetentionMs", deleteRetentionMs);
  }
}

function durationLimit(where: string, name: string, value: unknown, min: number): number | null {
  return value === null ? null : checkDuration(where, name, value, min);
}

function bytesLimit(where: string, name: string, value: unknown): number | null {
  return value === null ? null : checkInteger(where, name, value);
}

/** The binding's configuration in the user's words. */
export function fromNativeConfig(native: NativeTopicConfig): FullTopicConfig {
  return {
    partitions: native.partitions!,
    durability: native.durability as Durability,
    compression: native.compression as Compression,
    timestamps: native.timestampType === "LogAppendTime" ? "append" : "create",
    cleanup: native.cleanup === "compact,delete" ? ["compact", "delete"] : (native.cleanup as "delete" | "compact"),
    compaction: {
      minDirtyRatio: native.minDirtyRatio!,
      minLagMs: native.minLagMs!,
      maxLagMs: native.maxLagMs ?? null,
      deleteRetentionMs: native.deleteRetentionMs!,
    },
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
