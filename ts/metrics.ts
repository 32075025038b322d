// `log.metrics()`: the engine's figures, put together with what this log's producers and consumers are doing.

import type { PartitionLag } from "./consumer/options.js";
import type { LogContext } from "./context.js";
import { type NativeMetrics, settled } from "./native.js";
import { metricsOfProducer } from "./producer/producer.js";

/** Records, and the bytes of record batches that hold them. Counts that only rise. */
export interface Traffic {
  readonly records: number;
  /** As they are stored: compressed where their topic is. */
  readonly bytes: number;
}

/** How values of the last minute or two are spread; all 0 without any. A percentile is at most 1/16 too large. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** What the journal makes durable: one sync for all that has gathered in the meantime. */
export interface JournalMetrics {
  /** Syncs that succeeded. Only rises. */
  readonly syncs: number;
  /** Records that they made durable, those of the store's own topics included. Only rises. */
  readonly records: number;
  /** Their time, summed up. Only rises. */
  readonly syncMsTotal: number;
  /** How long one takes. */
  readonly syncMs: Percentiles;
  /** How many records one makes durable. */
  readonly recordsPerSync: Percentiles;
  /** What its files have on disk, and what they may have at most. */
  readonly bytes: number;
  readonly capacityBytes: number;
  /** Room before a checkpoint must have freed some. */
  readonly freeBytes: number;
  /** Appends that wait for room now. */
  readonly waiting: number;
}

/** Transactions of all threads, by how they ended. */
export interface TransactionMetrics {
  /** Begun and not ended yet. One begins with the first record that it sends or takes. */
  readonly open: number;
  /** Only rises. */
  readonly committed: number;
  /** By hand, by their time limit, or left behind. Only rises. */
  readonly aborted: number;
}

/** A partition's ends and size. */
export interface PartitionMetrics {
  readonly partition: number;
  /** The first offset held. */
  readonly logStartOffset: number;
  /** The offset after the last record that may be read. */
  readonly highWatermark: number;
  /** The offset that the next record gets. */
  readonly logEndOffset: number;
  /** Number of segment files. */
  readonly segments: number;
  /** Bytes of record batches in them. */
  readonly bytes: number;
}

/** A topic's partitions. */
export interface TopicMetrics {
  readonly topic: string;
  readonly partitions: readonly PartitionMetrics[];
}

/** A consumer that is being read, by a loop, by `log.process`, or by a transaction that takes of it. */
export interface ConsumerMetrics {
  /** Its group, or null. */
  readonly group: string | null;
  /** How far behind it is. */
  readonly partitions: readonly PartitionLag[];
}

/** What the handlers given to `consumer.run` and `log.process` of this log have met with. Counts that only rise. */
export interface HandlerMetrics {
  /** Calls of a handler that threw. */
  readonly failures: number;
  /** How often a record was put off to be handled again after such a failure. */
  readonly retries: number;
  /** Records that went to a dead letter topic. */
  readonly deadLettered: number;
}

/** An open producer. */
export interface ProducerMetrics {
  /** Its name, or null. */
  readonly name: string | null;
  /** Bytes that are packed or under way, and the most that may be. */
  readonly inFlightBytes: number;
  readonly bufferBytes: number;
  /** Calls of `send`, `sendBatch`, `flush` and `ready` that wait for room, or for their topic to be opened. */
  readonly waiting: number;
}

/**
 * What a store has done, and how it stands. Counts begin at 0 when the store is opened in this process, and are those of
 * all its threads; consumers, producers and handlers are this log's own. A rate is the difference of two snapshots, divided by that
 * of their `uptimeMs`.
 */
export interface Metrics {
  /** Ms since the store was opened in this process, from a clock that never goes back. */
  readonly uptimeMs: number;
  /** To topics of the user's. */
  readonly appended: Traffic;
  /** By consumers, point reads (the bytes of the records, then) and raw reads. */
  readonly read: Traffic;
  readonly journal: JournalMetrics;
  /** Checkpoints written. Only rises. */
  readonly checkpoints: number;
  readonly transactions: TransactionMetrics;
  /** By name; of a store opened read-only, those that were opened. */
  readonly topics: readonly TopicMetrics[];
  readonly consumers: readonly ConsumerMetrics[];
  readonly producers: readonly ProducerMetrics[];
  readonly handlers: HandlerMetrics;
}

/** Numbers a partition in the binding's answer. */
const ROW = 7;

/** Takes a snapshot. */
export async function metricsOf(context: LogContext): Promise<Metrics> {
  const native = await settled(() => context.native.metrics());
  return {
    uptimeMs: native.uptimeMs,
    appended: native.appended,
    read: native.read,
    journal: native.journal,
    checkpoints: native.checkpoints,
    transactions: native.transactions,
    topics: topicsOf(native),
    consumers: [...context.readings].map(({ group, places }) => ({
      group: group ?? null,
      partitions: places.map((place) => place.lag()),
    })),
    producers: [...context.producers].map((producer) => metricsOfProducer(producer)),
    handlers: { ...context.handlers },
  };
}

function topicsOf({ topics, partitions: rows }: NativeMetrics): TopicMetrics[] {
  const found = topics.map((topic): { topic: string; partitions: PartitionMetrics[] } => ({ topic, partitions: [] }));
  for (let at = 0; at < rows.length; at += ROW) {
    found[rows[at]!]!.partitions.push({
      partition: rows[at + 1]!,
      logStartOffset: rows[at + 2]!,
      highWatermark: rows[at + 3]!,
      logEndOffset: rows[at + 4]!,
      segments: rows[at + 5]!,
      bytes: rows[at + 6]!,
    });
  }
  return found;
}
