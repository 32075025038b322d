// The public surface of tidelog: everything that can be imported, with its documentation.
// Rolled up from ts/ by `node scripts/api.mjs write`; changes belong there.

/** How a backup is made. */
export interface BackupOptions {
  /** Ends the backup; the folder is then as it was before. */
  signal?: AbortSignal | undefined;
  /** Told now and then how far it has come: bytes that are done, and all bytes. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}
/** What a backup holds, and what it took. */
export interface BackupReport {
  /** The folder that is a store now, absolute. */
  readonly path: string;
  /** The moment that it shows, in ms since 1970. */
  readonly timestamp: number;
  /** Topics in it. */
  readonly topics: number;
  /** Their partitions. */
  readonly partitions: number;
  /** Bytes of files that are never written again, which the backup shares with the store: they take no space of their own. */
  readonly bytesLinked: number;
  /** Bytes that were copied. */
  readonly bytesCopied: number;
  /** How long it took, in ms. */
  readonly durationMs: number;
}
/** A header as it is read. */
export type Header = [
  name: string,
  value: Buffer | null
];
/** A header as it is sent. Text is stored as UTF-8. */
export type HeaderInput = readonly [
  name: string,
  value: string | Uint8Array | null
];
/** The value of a record's last header of this name, as in Kafka; null if that is null, undefined if there is none. */
export declare function header(record: {
  readonly headers: readonly Header[];
}, name: string): Buffer | null | undefined;
/** A record to be sent. */
export interface ProducerRecord<K, V> {
  /** Decides the partition where none is given; records of one key keep their order. Default none. */
  key?: K | null | undefined;
  /** What happened; null is a tombstone. */
  value: V | null;
  /** Pairs of name and value, in order; a string is stored as UTF-8. Default none. */
  headers?: readonly HeaderInput[] | undefined;
  /**
   * When it happened: a `Date`, or a number of ms since 1970. Default now. A number is refused that is in seconds or
   * microseconds by its size (10⁹ to 4·10⁹, 10¹⁵ to 4·10¹⁵); a `Date` never is, so `new Date(ms)` stores a time of January or
   * February 1970.
   */
  timestamp?: number | Date | undefined;
  /** Where it goes. Default what the partitioner says. */
  partition?: number | undefined;
}
/** A record that was read. */
export interface ConsumerRecord<K, V> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** When it happened, or was appended, in ms since 1970. */
  readonly timestamp: number;
  readonly key: K | null;
  /** Null is a tombstone. */
  readonly value: V | null;
  readonly headers: Header[];
}
/** A record that was read for a group. */
export interface GroupRecord<K, V> extends ConsumerRecord<K, V> {
  /**
   * Commits that the group has done this record and all before it in its partition: the offset committed is the next
   * one. Resolves once that is durable; those asked for together are committed together. Does nothing if a later one
   * of the partition has been committed since.
   *
   * In a `consumer.run` records before it may still be in hand: then this one is noted as done, `commit` resolves, and it is
   * committed as soon as those before it are done.
   */
  commit(): Promise<void>;
}
/** Where a record went. */
export interface RecordMetadata {
  readonly partition: number;
  readonly offset: number;
  /** The record's time in ms since 1970: its own, or that of its append, as the topic says. */
  readonly timestamp: number;
}
/** Where a record went that was sent with a sequence of its own. */
export type SequencedMetadata = (RecordMetadata & {
  /** Whether it was in the log already, and nothing was appended. */
  readonly duplicate: boolean;
}) | {
  readonly partition: number;
  /** It is in the log, but so long that its offset is not remembered. */
  readonly offset: null;
  readonly timestamp: null;
  readonly duplicate: true;
};
/** The part of Standard Schema v1 that is used here; see standardschema.dev. */
export interface StandardSchema<In = unknown, Out = In> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Out> | Promise<StandardResult<Out>>;
    readonly types?: {
      readonly input: In;
      readonly output: Out;
    } | undefined;
  };
}
/** What a schema answers: the value, or what is wrong with it. */
export type StandardResult<Out> = {
  readonly value: Out;
  readonly issues?: undefined;
} | {
  readonly issues: ReadonlyArray<StandardIssue>;
};
/** One thing that is wrong, and where in the value. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | {
    readonly key: PropertyKey;
  }> | undefined;
}
/** A value did not fit its schema. */
export declare class SchemaIssues extends Error {
  name: string;
  readonly issues: readonly StandardIssue[];
  constructor(issues: readonly StandardIssue[]);
}
/** Turns values into bytes and back. `In` is what is sent, `Out` what is read; mostly one type. */
export interface Serde<In, Out = In> {
  /** The bytes to store. They are copied before the call that sends them returns. */
  serialize(value: In): Uint8Array;
  /** The value of stored bytes. They belong to the value from then on. */
  deserialize(bytes: Buffer): Out;
}
/** A serde, or a schema of any library that implements Standard Schema: values are then stored as JSON. */
export type AnySerde = Serde<any, any> | StandardSchema<any, any>;
/** What is sent through a serde. */
export type Sent<S> = S extends StandardSchema<infer In, infer _Out> ? In : S extends Serde<infer In, infer _Out> ? In : never;
/** What is read through a serde. */
export type Read<S> = S extends StandardSchema<infer _In, infer Out> ? Out : S extends Serde<infer _In, infer Out> ? Out : never;
/** Units of a {@link Duration}: milliseconds, seconds, minutes (`m` or `min`), hours, days of 24 hours, weeks. */
export type DurationUnit = "ms" | "s" | "m" | "min" | "h" | "d" | "w";
/** A length of time in words, such as `"500 ms"`, `"30 s"`, `"15 min"`, `"1h"`, `"7d"`. It must come to whole ms. */
export type Duration = `${number}${DurationUnit}` | `${number} ${DurationUnit}`;
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
  retention?: {
    ms?: number | Duration | null | undefined;
    bytes?: number | null | undefined;
  } | undefined;
  /** When a new segment file begins: at bytes (default 1 GiB, at least 1 KiB), after a time in ms or as a `Duration` (default 7 days). */
  segment?: {
    bytes?: number | undefined;
    ms?: number | Duration | undefined;
  } | undefined;
  /** Bytes of log for one index entry. Default 4096. */
  indexIntervalBytes?: number | undefined;
  /** Largest encoded batch in bytes, at most 64 MiB; a record must fit into one. Default 1 MiB + 12. */
  maxBatchBytes?: number | undefined;
  /** How far a timestamp may lie in the future, in ms or as a `Duration`. Default one hour. */
  maxFutureMs?: number | Duration | undefined;
}
/** How a topic is opened and, where there is none, created. */
export interface TopicOptions<K extends AnySerde = Serde<Uint8Array, Buffer>, V extends AnySerde = Serde<Uint8Array, Buffer>> extends TopicConfig, SerdeOptions<K, V> {
}
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
  cleanup: "delete" | "compact" | [
    "compact",
    "delete"
  ];
  compaction: {
    minDirtyRatio: number;
    minLagMs: number;
    maxLagMs: number | null;
    deleteRetentionMs: number;
  };
  retention: {
    ms: number | null;
    bytes: number | null;
  };
  segment: {
    bytes: number;
    ms: number;
  };
  indexIntervalBytes: number;
  maxBatchBytes: number;
  maxFutureMs: number;
}
/** What of a configuration can be altered later. */
export type TopicChange = Omit<TopicConfig, "timestamps" | "indexIntervalBytes">;
/** One partition, as `describe` tells. */
export interface PartitionDescription {
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
  /** What is damaged, if anything: the partition takes no more records then, the rest stays readable. */
  readonly damage: string | null;
  /**
   * Why the last attempt to compact it failed, if it did: a full disk, say, after which it is tried again; or damage that it
   * found, after which nothing of the partition is compacted before the store is opened anew.
   */
  readonly compactionFailure: string | null;
}
/** A topic, as `describe` tells. */
export interface TopicDescription {
  readonly name: string;
  readonly id: string;
  readonly config: FullTopicConfig;
  readonly partitions: readonly PartitionDescription[];
}
/**
 * Names a record: a place that was kept, a record that was read, or what `send` resolved with. The partition may be left out
 * of a topic that has only one.
 */
export interface RecordPlace {
  /** The topic's name, if it is given: another one is refused. */
  topic?: string | undefined;
  partition?: number | undefined;
  offset: number;
}
type AnyTopic = Topic<any, any, any, any>;
/**
 * An open topic. `K` and `V` are what its keys and values are sent as, `RK` and `RV` what they are read as.
 * It holds nothing that has to be closed.
 */
export declare class Topic<K = Uint8Array, V = Uint8Array, RK = K, RV = V> {
  #private;
  /** Carries the types for the compiler; not there at run time. */
  readonly $types?: {
    sent: (key: K, value: V) => void;
    read: [
      RK,
      RV
    ];
  };
  private constructor();
  /** Its name. */
  get name(): string;
  /** Its id, which a topic created anew under the same name does not share. */
  get id(): string;
  /** Number of partitions. */
  get partitions(): number;
  /** Its configuration, complete. */
  get config(): FullTopicConfig;
  /** Configuration, offsets and sizes as they are now. */
  describe(): Promise<TopicDescription>;
  /**
   * Changes what can be changed; what is not given stays. Partitions can only be added, and keys may belong to
   * others then. A limit of retention is lifted by null.
   */
  alter(change: TopicChange): Promise<void>;
  /**
   * Deletes the records of a partition below an offset and gives the new log start offset. Space is given back a
   * segment at a time.
   */
  deleteRecords(options: {
    partition?: number | undefined;
    before: number;
  }): Promise<number>;
  /** Makes what has been appended so far durable; of use for `buffered` topics. */
  sync(): Promise<void>;
  /** The record at an offset, or null where there is none: deleted, removed, or not written yet. */
  get(place: RecordPlace): Promise<ConsumerRecord<RK, RV> | null>;
  /** The records at many offsets, in the order asked for, with null where there is none. */
  getMany(places: readonly RecordPlace[]): Promise<(ConsumerRecord<RK, RV> | null)[]>;
}
/** Records of one partition with consecutive offsets. */
export interface Run {
  readonly partition: number;
  /** The offset of the first. */
  readonly baseOffset: number;
  readonly count: number;
  /** The time of their append in ms since 1970 where the topic uses that, else -1. */
  readonly timestamp: number;
}
/** What `sendBatch` did: offsets for each record, in the order they were given. */
export declare class BatchResult {
  #private;
  /** Number of records given. */
  readonly count: number;
  private constructor();
  /** Runs of consecutive offsets, in order for each partition: the compact form of the same answer. */
  get runs(): Run[];
  /** Number of records that were appended: all of them, unless this is the `appended` of an error. */
  get appended(): number;
  /** The offset of the record at `index` in the batch; -1 if it was not appended. */
  offset(index: number): number;
  /** The partition of the record at `index` in the batch; -1 if it was never sent. */
  partition(index: number): number;
  /** All offsets in the order of the batch, -1 for each record that was not appended. */
  offsets(): Float64Array;
}
/** The codes, stable between releases. */
export declare const ERROR_CODES: readonly [
  "ERR_TIDELOG_ABORTED",
  "ERR_TIDELOG_ALREADY_ITERATED",
  "ERR_TIDELOG_BUFFER_TOO_SMALL",
  "ERR_TIDELOG_CLOSED",
  "ERR_TIDELOG_CORRUPTION",
  "ERR_TIDELOG_DUPLICATE_SEQUENCE",
  "ERR_TIDELOG_FENCED_INSTANCE",
  "ERR_TIDELOG_FENCED_MEMBER",
  "ERR_TIDELOG_GROUP_NOT_EMPTY",
  "ERR_TIDELOG_HANDLER_FAILED",
  "ERR_TIDELOG_INCONSISTENT_STRATEGY",
  "ERR_TIDELOG_INTERNAL",
  "ERR_TIDELOG_INVALID_ASSIGNMENT",
  "ERR_TIDELOG_INVALID_ARGUMENT",
  "ERR_TIDELOG_INVALID_BATCH",
  "ERR_TIDELOG_INVALID_CONFIG",
  "ERR_TIDELOG_INVALID_FILTER",
  "ERR_TIDELOG_INVALID_RECORD",
  "ERR_TIDELOG_INVALID_TOPIC_NAME",
  "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
  "ERR_TIDELOG_IO",
  "ERR_TIDELOG_LISTENER_FAILED",
  "ERR_TIDELOG_NOT_A_STORE",
  "ERR_TIDELOG_NO_NATIVE",
  "ERR_TIDELOG_OFFSET_CONFLICT",
  "ERR_TIDELOG_OFFSET_OUT_OF_RANGE",
  "ERR_TIDELOG_OUT_OF_ORDER_SEQUENCE",
  "ERR_TIDELOG_POISONED",
  "ERR_TIDELOG_PRODUCER_FENCED",
  "ERR_TIDELOG_READ_ONLY",
  "ERR_TIDELOG_RECORD_TOO_LARGE",
  "ERR_TIDELOG_SEQUENCE_OVERLAP",
  "ERR_TIDELOG_SERIALIZATION",
  "ERR_TIDELOG_STALE_BATCH",
  "ERR_TIDELOG_STORAGE_FULL",
  "ERR_TIDELOG_STORE_LOCKED",
  "ERR_TIDELOG_TOO_MANY_OPEN_FILES",
  "ERR_TIDELOG_TOPIC_DELETED",
  "ERR_TIDELOG_TOPIC_EXISTS",
  "ERR_TIDELOG_TRANSACTION_TIMED_OUT",
  "ERR_TIDELOG_TRANSACTION_TOO_LARGE",
  "ERR_TIDELOG_UNKNOWN_OUTCOME",
  "ERR_TIDELOG_UNKNOWN_PARTITION",
  "ERR_TIDELOG_UNKNOWN_PRODUCER",
  "ERR_TIDELOG_UNKNOWN_TOPIC",
  "ERR_TIDELOG_UNSUPPORTED_FILE_SYSTEM",
  "ERR_TIDELOG_UNSUPPORTED_VERSION"
];
/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];
interface ErrorDetails {
  /** Whether the same call may succeed later with nothing mended in the program. Default false. */
  retriable?: boolean | undefined;
  /** Whether it is unknown if the records were stored. Default false: nothing was. */
  indefinite?: boolean | undefined;
  /** What led to it. */
  cause?: unknown;
}
/** The base of every error that this package throws or rejects with. */
export declare class TidelogError extends Error {
  name: string;
  /** Stable between releases; the message is not. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later with nothing mended in the program. */
  readonly retriable: boolean;
  /** True only when it is unknown whether the records were stored: they may be found later. */
  readonly indefinite: boolean;
  /** Of a failed `sendBatch`: which of its records were appended all the same, and where. */
  appended?: BatchResult;
  constructor(code: ErrorCode, message: string, details?: ErrorDetails);
}
/** The log, or the handle that was used, is closed. */
export declare class ClosedError extends TidelogError {
  name: string;
  constructor(what: string, details?: ErrorDetails);
}
/** An `AbortSignal` ended the wait. Its reason is the `cause`. Named `AbortError`, as everywhere in Node. */
export declare class AbortedError extends TidelogError {
  name: string;
  constructor(what: string, reason: unknown);
}
/** An argument or option is not what the call takes. */
export declare class InvalidArgumentError extends TidelogError {
  name: string;
  constructor(message: string, details?: ErrorDetails);
}
/** A filter can't be compiled. The message says why, and shows the place. */
export declare class InvalidFilterError extends TidelogError {
  name: string;
  /** Where in its text what is wrong begins: an index, as of `text[position]`; the length if something is missing. */
  readonly position: number;
  constructor(message: string, position: number, details?: ErrorDetails);
}
/** A serde or schema refused a value, on its way in or out. */
export declare class SerializationError extends TidelogError {
  name: string;
  /** Where the record stands, when it was read. */
  readonly topic: string | undefined;
  readonly partition: number | undefined;
  readonly offset: number | undefined;
  constructor(message: string, cause?: unknown, place?: {
    topic: string;
    partition: number;
    offset: number;
  });
}
/**
 * A handler given to `consumer.run` or `log.process` threw for a record, as often as it may be tried, and there is no dead
 * letter topic for it. What it threw last is the `cause`. The record is not committed, and comes first the next time.
 */
export declare class HandlerError extends TidelogError {
  name: string;
  /** Where the record stands. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** How often it was tried. */
  readonly attempts: number;
  constructor(message: string, at: {
    topic: string;
    partition: number;
    offset: number;
  }, attempts: number, cause: unknown);
}
/** The store is open for writing in another process. */
export declare class StoreLockedError extends TidelogError {
  name: string;
  /** The process that holds it, where it could be read. */
  readonly pid: number | undefined;
  constructor(message: string, pid: number | undefined, details: ErrorDetails);
}
/** The offset asked for is not, or no longer, held. */
export declare class OffsetOutOfRangeError extends TidelogError {
  name: string;
  /** The offset asked for. */
  readonly offset: number;
  /** The first offset held. */
  readonly logStartOffset: number;
  /** The offset after the last one that may be read. */
  readonly highWatermark: number;
  constructor(message: string, numbers: readonly number[], details: ErrorDetails);
}
/** Stored bytes are not what was written. They are never served; what lies around them stays readable. */
export declare class CorruptionError extends TidelogError {
  name: string;
  /** The damaged file. */
  readonly path: string | undefined;
  constructor(message: string, path: string | undefined, details: ErrorDetails);
}
/** The buffer given to a raw read can't hold the next batch. */
export declare class BufferTooSmallError extends TidelogError {
  name: string;
  /** The bytes that the next batch needs. */
  readonly needed: number;
  constructor(needed: number, given: number);
}
/**
 * Another has taken the name or transactional id over since (KIP-98): this producer's time is up, and nothing of what
 * it asked for was done. Let the other one work; to take over from it, make a new producer.
 */
export declare class ProducerFencedError extends TidelogError {
  name: string;
  constructor(message: string, details?: ErrorDetails);
}
/**
 * A member of a group wanted to commit for a partition that is not its own any more: it was expelled, or has given the
 * partition up. Nothing was committed; whoever owns it now begins at what was committed before. A loop goes on by itself.
 */
export declare class FencedMemberError extends TidelogError {
  name: string;
  constructor(message: string, details?: ErrorDetails);
}
/** A record was not appended, since it would not have got the offset that its sender expected: somebody was faster. */
export declare class OffsetConflictError extends TidelogError {
  name: string;
  /** The offset that was expected. */
  readonly expected: number;
  /** The offset that the record would have got. */
  readonly actual: number;
  constructor(message: string, numbers: readonly number[], details: ErrorDetails);
}
/** A sequence that leaves some out: those before it were never stored. Nothing was appended. */
export declare class OutOfOrderSequenceError extends TidelogError {
  name: string;
  /** The sequence that is next. */
  readonly expected: number;
  /** The one that was given. */
  readonly given: number;
  constructor(message: string, numbers: readonly number[], details: ErrorDetails);
}
/** A transaction holds more than its `maxBytes`. Only an abort is left to it. */
export declare class TransactionTooLargeError extends TidelogError {
  name: string;
  /** Bytes that it would have held. */
  readonly size: number;
  /** Bytes that it may hold. */
  readonly limit: number;
  constructor(message: string, numbers: readonly number[], details: ErrorDetails);
}
/** A transaction was not committed within its `timeoutMs`, and is aborted. */
export declare class TransactionTimedOutError extends TidelogError {
  name: string;
  constructor(message: string, details?: ErrorDetails);
}
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
/**
 * Chooses a partition. `key` is a copy of the serialized key, or null for a record without one. Must return an integer
 * from 0 to `partitionCount` - 1. It is called before the call that sends the record returns, or, for a topic that was
 * given by its name, once that is open.
 */
export type Partitioner = (key: Uint8Array | null, partitionCount: number, topic: string) => number;
/** What a producer can be told. */
export interface ProducerOptions {
  /**
   * Gives the producer an identity that lasts (KIP-98): it is registered durably under this name when it is opened, which
   * sends wait for, and what it sends to a partition is numbered 0, 1, 2... across restarts (see `lastSequence`). A
   * second producer of the name takes it over, and the older one gets `ProducerFencedError` from then on. Default: an
   * identity that ends with the producer.
   */
  name?: string | undefined;
  /**
   * Bytes of records that may be on their way to the disk before senders wait. Default 64 MiB, at least 1 KiB.
   * A single record may be larger; it then waits until nothing else is on its way.
   */
  bufferBytes?: number | undefined;
  /**
   * Chooses the partition of records that name none. Default: as Kafka does, the murmur2 hash of the key, so that
   * a key keeps its partition; records without a key change partitions from one group of records to the next.
   */
  partitioner?: Partitioner | undefined;
}
/** How to give up waiting. */
export interface WaitOptions {
  /** Ends the wait with an `AbortError`. What has been handed to the engine already is not taken back. */
  signal?: AbortSignal | undefined;
}
/** What a single send can be told. */
export interface SendOptions extends WaitOptions {
  /**
   * Appends the record only if it gets this offset, and rejects with `OffsetConflictError` otherwise: the way to decide
   * on what has been read, as long as nobody else has written since. The record's partition must be certain: by
   * `partition`, by a key, or since there is only one.
   */
  expectOffset?: number | undefined;
  /**
   * The record's number among those that a named producer sends to its partition: `lastSequence` + 1 for a new one. One
   * that is in the log already is not appended again, and answered as a `duplicate`. Counts from 0 to 2^31 - 1, and goes
   * on at 0. The record's partition must be certain.
   */
  sequence?: number | undefined;
}
/** Bounds a close. */
export interface CloseOptions {
  /** How long to wait for what is on its way, in ms or as a `Duration`. Default 30,000. */
  timeoutMs?: number | Duration | undefined;
}
type Into<K, V> = Topic<K, V, any, any>;
type BytesRecord = ProducerRecord<Uint8Array, Uint8Array>;
type PlainOptions = SendOptions & {
  sequence?: undefined;
};
type SequenceOptions = SendOptions & {
  sequence: number;
};
/**
 * Sends records. Those sent in one tick travel together: one crossing into the engine, and one sync for all.
 * A topic is given by its handle, or by its name for records of bytes.
 *
 * Make one and keep it: producers that send at the same time share syncs, but each costs some KB. One that is forgotten
 * goes with the garbage, once all it has taken in is answered; close it to wait for that, or to hear of what `trySend` could
 * not be told.
 */
export declare class Producer implements AsyncDisposable {
  #private;
  /** Its lasting name, if it has one. */
  readonly name: string | undefined;
  private constructor();
  /**
   * Sends one record; resolves once it is as durable as its topic promises. Waits for room where
   * `bufferBytes` are on their way. The record is serialized and copied before this returns, also when it has to wait, so
   * that buffers and objects may be used again at once; sends that wait hold their bytes, so await some of them now and
   * then, or use `trySend`.
   *
   * With `expectOffset` or `sequence` it travels alone, behind what was sent before, and is appended only if that holds;
   * otherwise it rejects with `OffsetConflictError` or `OutOfOrderSequenceError`, and nothing was appended.
   */
  send(topic: string, record: BytesRecord, options?: PlainOptions): Promise<RecordMetadata>;
  send(topic: string, record: BytesRecord, options: SequenceOptions): Promise<SequencedMetadata>;
  send<K, V>(topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>, options?: PlainOptions): Promise<RecordMetadata>;
  send<K, V>(topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>, options: SequenceOptions): Promise<SequencedMetadata>;
  /**
   * The sequence of the last record of this producer that a partition holds, null where it holds none. Of a named one
   * that is what was sent in earlier lives, too: a program that numbers its records after what it reads (lines of a file,
   * rows of a table) goes on behind the record that it stands for. Waits until the producer is open, not for sends that
   * are on their way.
   */
  lastSequence(topic: AnyTopic | string, partition?: number): Promise<number | null>;
  /**
   * Sends many records; the result tells the offset of each. The array and all that is in it are read, serialized and
   * copied before this returns, which takes a second for some million records, and what there is no room for waits in
   * memory: send more than that in several batches, and await each. Where it fails, `error.appended` tells which were
   * appended all the same: of each partition the first ones, of a batch of up to 256 KiB none unless the disk failed.
   */
  sendBatch(topic: string, records: readonly BytesRecord[], options?: WaitOptions): Promise<BatchResult>;
  sendBatch<K, V>(topic: Into<K, V>, records: readonly ProducerRecord<NoInfer<K>, NoInfer<V>>[], options?: WaitOptions): Promise<BatchResult>;
  /**
   * Sends one record without a promise: false if there is no room, and then nothing was taken; await `ready()` and
   * try again. Throws if the record can't be serialized. What goes wrong later is told by the next `flush()` or `close()`.
   */
  trySend(topic: string, record: BytesRecord): boolean;
  trySend<K, V>(topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>): boolean;
  /** Resolves once `trySend` has room. */
  ready(options?: WaitOptions): Promise<void>;
  /**
   * Resolves once everything sent before is durable: it survives power loss, also in `buffered` topics, which are synced
   * for that. Rejects with the first failure since the last flush of a record that went out by `trySend`; `send` and
   * `sendBatch` tell of their own.
   */
  flush(options?: WaitOptions): Promise<void>;
  /**
   * Sends what has been taken in, waits for the answers, and refuses whatever comes later. After `timeoutMs` it waits
   * no longer: those who do are told `ERR_TIDELOG_CLOSED`, with `indefinite` where a record was on its way already.
   */
  close(options?: CloseOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
/** What the transactions of one id can be told. */
export interface TransactionOptions {
  /**
   * How long a transaction may take, in ms or as a `Duration`: one that is not committed by then is aborted. The clock
   * starts with the first record that is sent or taken, and in `log.transaction` with the function; waiting for a record
   * costs nothing. Default 60,000, at most 900,000 as in Kafka.
   */
  timeoutMs?: number | Duration | undefined;
  /** Bytes of records, as they are stored, that a transaction may hold in memory. Default 64 MiB, 1 KiB to 1 GiB. */
  maxBytes?: number | undefined;
  /** Chooses the partition of records that name none. Default as a producer does. */
  partitioner?: Partitioner | undefined;
}
/** What a single transaction can be told. */
export interface BeginOptions {
  /** Aborts the transaction, unless it is being committed. */
  signal?: AbortSignal | undefined;
}
/** What `log.transaction` can be told. */
export interface RunOptions extends TransactionOptions, BeginOptions {
}
/** What `tx.take` can be told. */
export interface TakeOptions {
  /** Records to take at most. Default 500. */
  max?: number | undefined;
  /** Gives up waiting for the first; the transaction goes on. */
  signal?: AbortSignal | undefined;
}
/** An offset to commit for a group. */
export interface OffsetToCommit {
  topic: AnyTopic | string;
  partition: number;
  /** That of the record to read next, not of the last one read. */
  offset: number;
  /** A text to keep beside it, up to 4096 bytes. Default empty. */
  metadata?: string | undefined;
}
/** How often something that failed is tried, and when. */
export interface RetryOptions {
  /** How often in all, the first time included. Default 5. */
  attempts?: number | undefined;
  /** Whether each pause is twice the one before, or all are the same. Default `"exponential"`. */
  backoff?: "exponential" | "fixed" | undefined;
  /** The first pause, in ms or as a `Duration`. Default 100. */
  delayMs?: number | Duration | undefined;
  /** The longest pause, in ms or as a `Duration`. Default 30,000. */
  maxDelayMs?: number | Duration | undefined;
}
/** How `consumer.run` has records handled. */
export interface ConsumerRunOptions {
  /** Handlers that run at once, at most; one that waits to be tried again counts. Default 1, up to 10,000. */
  concurrency?: number | undefined;
  /** What is done about a handler that fails. Not with `"at-most-once"`, where none is called twice. */
  retry?: RetryOptions | undefined;
  /**
   * A topic that takes the records whose handler has failed `retry.attempts` times, or that can't be deserialized, as the
   * bytes that they are. Headers say what happened: `dead.topic`, `dead.partition`, `dead.offset`, `dead.group`, `dead.process`
   * (the `id` of a `log.process`), `dead.attempts` and `dead.error`; `dead.omitted` names what was left out of a letter that
   * would be too large (`headers`, `value`, `key`). It must exist, must not be read here, and must not be compacted.
   * Such a record is done once it is there: after a crash it may be there twice. Default none:
   * it ends the run with a `HandlerError`.
   */
  deadLetter?: AnyTopic | string | undefined;
  /** Ends the run with an `AbortError`, once the handlers that are running, whose signals abort, have returned. */
  signal?: AbortSignal | undefined;
}
/** What a handler is given with a record. */
export interface HandlerContext {
  /** Aborts when what it does is of no use any more: the run is aborted or its close out of patience, or the partition is lost. */
  readonly signal: AbortSignal;
  /** How often this record is being tried, from 1 on. */
  readonly attempt: number;
}
/** What a run has done when it ends. */
export interface ConsumerRunReport {
  /** Records whose handler has returned. */
  readonly handled: number;
  /** Records that went to the dead letter topic. */
  readonly deadLettered: number;
}
/**
 * Reads records, a partition's in their order and partitions in turn. Iterate it, or `batches()`; one loop at a time.
 * A loop that ends by `break` leaves the position behind the last record that it got, and a new loop goes on there; that
 * of a group that is read at least once leaves it at that record, which is not done.
 *
 * With a `group` it begins where the group has committed, and commits as its `delivery` says.
 */
export declare class Consumer<R> implements AsyncIterable<R>, AsyncDisposable {
  #private;
  /** The group that it reads for, if any. */
  readonly group: string | undefined;
  private constructor();
  /**
   * Records one by one. They are the user's own; values of bytes share memory with those read together with them, so
   * `Buffer.from(value)` is the way to keep few of many. A loop that is under way when the consumer is closed ends; a new one
   * throws `ERR_TIDELOG_CLOSED`. One that is aborted, or meets a record that can't be deserialized or an offset that is not
   * held, throws.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<R>;
  /** Records as they were fetched, without an object for each before it is asked for: the fast way. */
  batches(): AsyncIterableIterator<RecordBatch<R>>;
  /**
   * Has each record handled, several at once where `concurrency` says so: those of one key and partition one after the
   * other, in order; those without a key in any order. A handler that throws is called again after a pause, while the
   * records of its key wait behind it.
   *
   * Of a group that is read at least once, a record is done when its handler has returned, or it is in the dead letter
   * topic; a partition is committed up to its first record that is not done. With `"at-most-once"` no record is tried twice.
   *
   * Resolves at the end if it reads `until: "end"`, or when the consumer closes, which waits for the handlers that run.
   * Rejects with `AbortError` when its signal aborts, and with a `HandlerError`, whose `cause` is what the handler threw, where
   * trying again did not help and there is no dead letter topic: those that run may finish then, and what is not done is handed out again.
   */
  run(handler: (record: R, context: HandlerContext) => unknown, options?: ConsumerRunOptions): Promise<ConsumerRunReport>;
  /** The partitions that it reads; empty while topics given by name are still being opened. */
  get assignment(): AssignedPartition[];
  /** Goes on somewhere else: in all partitions, or in those of a topic, or in one. */
  seek(target: SeekTarget & PartitionChoice): Promise<void>;
  /**
   * Hands out no more records of these partitions, or of all, until `resume`; nor of those that a member of a group gets
   * later. A loop has nothing held for them meanwhile; a run keeps what it has taken in. A loop or run under way keeps the
   * process alive, paused or not.
   */
  pause(choice?: PartitionChoice): void;
  /** Goes on with partitions that were paused. */
  resume(choice?: PartitionChoice): void;
  /** The offset of the next record that a loop gets or, with a filter, looks at. The partition may be left out where there is only one. */
  position(choice?: PartitionChoice): Promise<number>;
  /** How far behind it is, by partition. */
  lag(): Promise<PartitionLag[]>;
  /**
   * Commits for its group, in all its partitions, that all which was handed out when it is called is done, the last record
   * of a loop included. In a `run` it commits each partition up to its first record that is not done; the record whose
   * handler calls this is. With `"at-most-once"` all that was fetched is committed already.
   *
   * Resolves once that is durable. Rejects with `ERR_TIDELOG_FENCED_MEMBER` where the consumer was expelled from its group.
   */
  commit(): Promise<void>;
  /** What its group has committed of its partitions; nothing at all without a group. */
  committed(): Promise<CommittedPosition[]>;
  /**
   * Ends a loop or a run that is under way and refuses new ones. Resolves once what was done is committed; the record that
   * a loop has in hand is not. Handlers of a run have `timeoutMs` to return; then their signals abort, and they are not
   * waited for. As little is the one that calls this.
   */
  close(options?: CloseOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
/** Records of one topic and partition with consecutive offsets. */
export interface TransactionRun extends Run {
  readonly topic: string;
}
/** What became of a transaction. */
export interface TransactionOutcome {
  /**
   * `"committed"`: all of it is in the log. `"not-committed"`: nothing is, and nothing will be. `"open"`: nothing is,
   * but whoever has its id may still commit it; take the id over, by `log.transactionalProducer`, and it can't be.
   */
  readonly status: "committed" | "not-committed" | "open";
  /** Where its records are, if it is the last that was committed under its id; null otherwise. */
  readonly runs: readonly TransactionRun[] | null;
}
/** What a commit gives. */
export declare class TransactionResult {
  #private;
  /** Runs of consecutive offsets, in order for each partition. A transaction is one run in each, or few. */
  readonly runs: readonly TransactionRun[];
  private constructor();
  /** Where the records of one topic are, each by its place among those sent to it: 0 is the first. */
  of(topic: AnyTopic | string): BatchResult;
}
/** Records as a transaction takes them of a consumer: without a `commit` of their own. */
export type Taken<R> = R extends ConsumerRecord<infer K, infer V> ? ConsumerRecord<K, V> : never;
/**
 * How far a transaction is. `"unknown"`: its commit failed in such a way that only `log.transactionOutcome` can tell, once
 * the store has been opened again.
 */
export type TransactionState = "open" | "committing" | "committed" | "aborted" | "unknown";
/**
 * Records and committed offsets that become visible together, durably, or not at all (KIP-98): until the commit they
 * are held in memory, and the log never holds what is not committed. All topics sent to must have durability `"fsync"`.
 *
 * A record that can't be serialized, or a topic that can't take part, throws at its `send`, and the others go on. What the
 * engine refuses later (too many bytes, a record too large, an id that another has taken over) ends the transaction: from
 * then on every call fails with it, the commit above all.
 */
export declare class Transaction implements AsyncDisposable {
  #private;
  private constructor();
  /** How far it is. */
  get state(): TransactionState;
  /**
   * Names it for ever, as a text that can be kept anywhere. Who keeps it before the commit can ask
   * `log.transactionOutcome` what became of it, even after a crash.
   */
  get number(): string;
  /** Aborts when the transaction does: by its timeout, its signal, a failure, or since the log is closed. */
  get signal(): AbortSignal;
  /**
   * Adds a record. Its offset is known once the commit has told it. Does not wait. A topic given by name must be open in
   * this log, by `log.topic` or `log.openTopic`.
   */
  send<K, V>(topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>): void;
  send(topic: string, record: BytesRecord): void;
  /**
   * Adds many records. One that can't be serialized ends the transaction, so that no half of them is committed.
   */
  sendBatch<K, V>(topic: Into<K, V>, records: readonly ProducerRecord<NoInfer<K>, NoInfer<V>>[]): void;
  sendBatch(topic: string, records: readonly BytesRecord[]): void;
  /**
   * Commits offsets for a group with the transaction (KIP-447). `tx.take` does so by itself; this is for those who read
   * in other ways: by a consumer of the group, whose own the partitions must be when the transaction commits, or by the
   * name of a group without members. Does not wait.
   */
  sendOffsets(group: string | Consumer<unknown>, offsets: readonly OffsetToCommit[]): void;
  /**
   * Takes records of a consumer with a group: up to `max`, in order for each partition, below the ends that its partitions
   * had in one moment. Waits for at least one; gives none only if the consumer reads `until: "end"` and is there. They are
   * the transaction's: the group's offsets are committed with it, and where it is not committed, they are handed out again.
   * Until it has ended, the consumer can't be iterated, and no other transaction can take of it.
   */
  take<R>(consumer: Consumer<R>, options?: TakeOptions): Promise<Taken<R>[]>;
  /**
   * Makes it durable and visible, all at once; resolves then, with where its records are. Called again it gives the same
   * answer, and does nothing. Where it rejects, nothing of it happened, unless the error is `indefinite`; after one that
   * is `retriable`, such as `ERR_TIDELOG_STORAGE_FULL`, it may be called again, and otherwise the transaction is aborted.
   *
   * In a handler of `log.process`, which commits a whole batch of records, it is refused with
   * `ERR_TIDELOG_INVALID_TRANSACTION_STATE`, and the processing ends with that error.
   */
  commit(): Promise<TransactionResult>;
  /**
   * Drops it. Called again it does nothing; rejects where it is committed, or being committed. In a handler of
   * `log.process` it is refused, as `commit` is.
   */
  abort(): Promise<void>;
  /** Aborts it, unless it was committed. */
  [Symbol.asyncDispose](): Promise<void>;
}
/**
 * Begins transactions under its id, one at a time. Opening another of the same id fences this one, wherever that
 * happens in the process: from then on its commits reject with `ProducerFencedError`, and nothing of them happens.
 */
export declare class TransactionalProducer implements AsyncDisposable {
  #private;
  /** The transactional id. */
  readonly id: string;
  private constructor();
  /** Begins a transaction; throws while another is open. Does not wait. */
  begin(options?: BeginOptions): Transaction;
  /**
   * Aborts a transaction that is open, waits for a commit that is under way, for `timeoutMs` at most, and refuses new
   * ones.
   */
  close(options?: CloseOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
/** A member of a group, as a strategy sees it. */
export interface StrategyMember {
  /** Unique in the group. */
  readonly id: string;
  /** The name that a static member keeps from one life to the next (KIP-345). */
  readonly instanceId: string | undefined;
  /** The topics that it subscribes to. */
  readonly topics: readonly string[];
  /** The partitions that it reads now. */
  readonly owned: readonly TopicPartition[];
}
/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}
/** What there is to be shared. */
export interface Sharing {
  /** In the order in which they joined. */
  readonly members: readonly StrategyMember[];
  /** The topics that members subscribe to, with the number of their partitions. */
  readonly topics: ReadonlyMap<string, number>;
}
/**
 * Shares the partitions of a group among its members. All members of a group must name the same one; whichever of them
 * leads runs it, in its own thread, each time that members, subscriptions or partitions change. How what moves changes
 * hands is not its concern: a member gives a partition up before another one gets it, and keeps the others (KIP-429).
 */
export interface AssignmentStrategy {
  /** What members agree on. */
  readonly name: string;
  /**
   * The partitions of each member, by its id. Each partition that a member subscribes to must be given to exactly one that
   * does; a member may be left out. Must not wait.
   */
  assign(sharing: Sharing): ReadonlyMap<string, readonly TopicPartition[]>;
}
/** By name; `"cooperative-sticky"` is the default. */
export declare const strategies: {
  readonly "cooperative-sticky": AssignmentStrategy;
  readonly range: AssignmentStrategy;
  readonly "round-robin": AssignmentStrategy;
};
/** The name of a strategy that is there. */
export type StrategyName = keyof typeof strategies;
/** A partition to read, and where from. */
export interface Assignment<T = AnyTopic | string> {
  topic: T;
  partition: number;
  /** The first offset to read. Default what `from` says. */
  offset?: number | undefined;
}
/**
 * When records count as done, so that a consumer of the group that comes later, in this process or the next, is not
 * given them again.
 *
 * - `"at-least-once"`: a record, or a batch of `batches()`, counts as done when the next one is asked for, and is
 *   committed in the background, grouped: at most 20 times a second, one commit under way, and the rest when the loop ends
 *   or the consumer closes. One that a loop leaves by `break`, `throw` or `close()` is not done and is handed out again. A
 *   kill or power loss: some that were done are handed out again, none is lost.
 * - `"at-most-once"`: records are committed, durably, before they are handed out, as many at a time as are fetched
 *   (`readBytes`). A kill or power loss: some that were fetched are never handed out, none is twice. A loop that ends in
 *   order gives back what it did not hand out.
 * - `"manual"`: only `record.commit()`, `batch.commit()` and `consumer.commit()` commit.
 */
export type Delivery = "at-least-once" | "at-most-once" | "manual";
/**
 * Is told of partitions that change hands (KIP-415, KIP-429). What it does is waited for, `maxPollIntervalMs` at most; where it
 * throws or takes longer, the consumer leaves its group, and the loop fails: with its error, or with
 * `ERR_TIDELOG_LISTENER_FAILED` where it was late or what it threw is no error.
 */
export interface RebalanceListener {
  /** It is about to read these: nobody else does any more. */
  assigned?(partitions: readonly AssignedPartition[]): void | Promise<void>;
  /**
   * It gives these up, to another member or since it leaves the group, at the latest when it is closed: the last moment to
   * commit by hand. Nobody else reads them yet, and the record in hand is done; at a close, it is left out of what
   * `consumer.commit()` commits.
   */
  revoked?(partitions: readonly AssignedPartition[]): void | Promise<void>;
  /** These are gone, since it was expelled: others may read them already, and nothing of them can be committed. */
  lost?(partitions: readonly AssignedPartition[]): void | Promise<void>;
}
/** What a consumer can be told. Either `assign` or `topics` must be given. */
export interface ConsumerOptions<T extends readonly (AnyTopic | string)[] = readonly (AnyTopic | string)[]> {
  /** The partitions to read. */
  assign?: {
    readonly [I in keyof T]: Assignment<T[I]>;
  } | undefined;
  /** Topics of which to read all the partitions that there are now. */
  topics?: T | undefined;
  /**
   * The group whose committed offsets it begins at, and for which it commits. With `topics`, the consumer is a member of
   * the group from its first loop until that has come to its end (`until`) or the consumer is closed: all members, in any thread of this process, share the partitions, and
   * each record goes to one of them. With `assign` it reads what it is given, and can commit while the group has no
   * members.
   */
  group?: string | undefined;
  /**
   * How the members of the group share partitions: as evenly as can be with as few moves as can be
   * (`"cooperative-sticky"`, the default), `"range"`, `"round-robin"`, or a strategy of your own. The same for all members.
   */
  strategy?: StrategyName | AssignmentStrategy | undefined;
  /**
   * The name of a static member (KIP-345): when its thread ends and it joins again within `sessionTimeoutMs`, it gets its
   * partitions back, and they do not go round meanwhile. Each member needs its own.
   */
  instanceId?: string | undefined;
  /** A member whose event loop stands still for so long is expelled. Default 45,000 ms, 1 s to 30 min. */
  sessionTimeoutMs?: number | Duration | undefined;
  /**
   * A member that asks for no record for so long, of whose run no handler returns, or that does not give up a partition,
   * is expelled: its handler is stuck. Default 300,000 ms, 1 s to 24 h.
   */
  maxPollIntervalMs?: number | Duration | undefined;
  /** Told of what the member gains and gives up. */
  onRebalance?: RebalanceListener | undefined;
  /** When records count as done. Needs a `group`; default `"at-least-once"` then. */
  delivery?: Delivery | undefined;
  /**
   * Where to begin in partitions without an offset of their own, given in `assign` or committed by the group. Default `"earliest"`. `"latest"` is the end as it is
   * when the consumer is made or, of a topic given by name that was not open, when that has been opened.
   */
  from?: From | undefined;
  /**
   * Gives only records of which this is true, for example `"headers.region = 'eu' AND key LIKE 'o-%'"`: SQL-92 conditions,
   * as in JMS selectors, over `key`, `headers.NAME`, `topic`, `partition`, `offset` and `timestamp`, evaluated before
   * anything crosses into JavaScript. The others count as read: positions, and what a group commits, move on over them.
   * docs/filters.md says what can be written and what it means. One that is wrong throws an `InvalidFilterError`. Default
   * none: all records.
   */
  filter?: string | undefined;
  /** Where reading ends. Default `"live"`: it goes on waiting for more. */
  until?: Until | undefined;
  /**
   * What to do about an offset that is no longer, or not yet, held. Default `"error"`. Where reading begins at the earliest,
   * retention may move that until the first record is read.
   */
  onOutOfRange?: "error" | "earliest" | "latest" | undefined;
  /** Bytes to read at once, from one partition; two such reads are held. Default 1 MiB, 1 KiB to 64 MiB. */
  readBytes?: number | undefined;
  /** Ends reading with an `AbortError`. */
  signal?: AbortSignal | undefined;
}
/** The records of a topic given by handle or name. */
export type RecordOf<T> = T extends Topic<infer _K, infer _V, infer RK, infer RV> ? ConsumerRecord<RK, RV> : ConsumerRecord<Buffer, Buffer>;
/** The records of a topic given by handle or name, as a consumer with a group gives them. */
export type GroupRecordOf<T> = T extends Topic<infer _K, infer _V, infer RK, infer RV> ? GroupRecord<RK, RV> : GroupRecord<Buffer, Buffer>;
/** Picks partitions among those of a consumer: of one topic, of one number; all of them where nothing is given. */
export interface PartitionChoice {
  topic?: AnyTopic | string | undefined;
  partition?: number | undefined;
}
/** One partition of a consumer. */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
}
/** How far behind a consumer is in one partition. */
export interface PartitionLag extends AssignedPartition {
  /** The offset that is read next. */
  readonly position: number;
  readonly highWatermark: number;
  /** Offsets from one to the other. */
  readonly lag: number;
}
/** What a group has committed of one partition. */
export interface CommittedPosition extends AssignedPartition {
  /** The offset of the record to read next; null where nothing is committed. */
  readonly offset: number | null;
}
/**
 * Where to begin: at the first record held, behind the last one, or at the first that is not older than a time, given as a
 * `Date` or in ms since 1970.
 */
export type From = "earliest" | "latest" | {
  timestamp: number | Date;
};
/**
 * Where reading ends: never (`"live"`); behind what was there when it began (`"end"`); before the first record that is not
 * older than a time, as the partition is when reading begins, or behind its last one if all are older; before an offset,
 * which is waited for where it is not there yet.
 */
export type Until = "live" | "end" | {
  timestamp: number | Date;
} | {
  offset: number;
};
/** Where to go on. A time is a `Date` or ms since 1970. */
export type SeekTarget = {
  offset: number;
} | {
  timestamp: number | Date;
} | {
  to: "earliest" | "latest";
};
/**
 * Records of one partition. They, and the bytes that they give out, are valid until the next batch is asked for;
 * `copy()` keeps them. Asking an outdated one throws `ERR_TIDELOG_STALE_BATCH`.
 */
export declare class RecordBatch<R> implements Iterable<R> {
  #private;
  /** Number of records, at least one. */
  readonly length: number;
  readonly topic: string;
  readonly partition: number;
  /** The offset behind the batch. */
  readonly nextOffset: number;
  /** The partition's high watermark when it was read. */
  readonly highWatermark: number;
  private constructor();
  /** The record at `index`, counted from the end if negative; undefined if there is none. As an array's `at`. */
  at(index: number): R | undefined;
  [Symbol.iterator](): IterableIterator<R>;
  /** All records, complete and for good: in one array, decoded at once. */
  toArray(): R[];
  /**
   * Commits for the consumer's group that this batch and all before it in its partition are done. Resolves once that is
   * durable; those asked for together are committed together. May be called when the batch is no longer valid.
   */
  commit(): Promise<void>;
  /** The same batch in memory of its own. */
  copy(): RecordBatch<R>;
}
interface InStore {
  /** The store's folder. */
  path: string;
}
interface Timed extends InStore {
  /** Milliseconds from the beginning to the answer. */
  durationMs: number;
  error?: TidelogError;
}
/** Published on `tidelog:open` once a store is open. */
export interface OpenEvent extends InStore {
  id: string;
  readOnly: boolean;
}
/** Published on `tidelog:recovery` now and then while a store is recovered that was not closed in order. */
export interface RecoveryEvent extends InStore {
  /** Bytes that are done, and about how many there are to do. */
  done: number;
  total: number;
}
/** Published on `tidelog:close` once a store is closed. */
export interface CloseEvent extends InStore {
  id: string;
}
/** Published on `tidelog:produce` once a group of records that were sent together has been stored, or has failed. */
export interface ProduceEvent extends Timed {
  topic: string;
  /** Records sent, and their bytes as they crossed into the engine. */
  records: number;
  bytes: number;
}
/** Published on `tidelog:fetch` once a consumer's read of one partition is done, or has failed. */
export interface FetchEvent extends Timed {
  topic: string;
  partition: number;
  /** The offset that was read from. */
  offset: number;
  /** Records found, and their bytes, decompressed; 0 where it failed. */
  records: number;
  bytes: number;
}
/** Published on `tidelog:commit` once offsets of a consumer's group are durable, or could not be committed. */
export interface CommitEvent extends Timed {
  group: string;
  /** Those of the records to read next. */
  offsets: {
    topic: string;
    partition: number;
    offset: number;
  }[];
}
/** Published on `tidelog:transaction:begin` when a transaction begins: with the first record that it sends or takes. */
export interface TransactionBeginEvent extends InStore {
  /** The transactional id. */
  id: string;
  /** As `tx.number` gives it. */
  number: string;
}
/** Published on `tidelog:transaction:commit` once a commit is durable, or has failed. */
export interface TransactionCommitEvent extends Timed {
  id: string;
  number: string;
}
/** Published on `tidelog:transaction:abort` when a transaction that had begun will not be committed. */
export interface TransactionAbortEvent extends InStore {
  id: string;
  number: string;
  /** Why. */
  reason: TidelogError;
}
/** Published on `tidelog:process` once a batch of `log.process` is committed, or has failed. */
export interface ProcessEvent extends Omit<Timed, "error"> {
  /** The transactional id. */
  id: string;
  group: string;
  /** Records that were taken for it. */
  records: number;
  /** How many of them went to the dead letter topic. */
  deadLettered: number;
  /**
   * A `HandlerError` with what the handler threw as its cause, or why the commit failed; the batch is taken again unless that
   * ends the processing.
   */
  error?: unknown;
}
interface FailedRecord extends InStore {
  /** The consumer's group, or null. */
  group: string | null;
  /** The transactional id of `log.process`; null in `consumer.run`. */
  id: string | null;
  topic: string;
  partition: number;
  offset: number;
  /** What the handler threw, whatever it is; a `SerializationError` for a record that can't be deserialized. */
  error: unknown;
}
/** Published on `tidelog:retry` when a handler has failed for a record that is handled again after a pause. */
export interface RetryEvent extends FailedRecord {
  /** How often it was tried so far. */
  attempt: number;
  /** The pause, in ms. */
  delayMs: number;
}
/** Published on `tidelog:deadletter` once a record is in the dead letter topic: in `log.process`, with the commit. */
export interface DeadLetterEvent extends FailedRecord {
  /** The dead letter topic. */
  deadLetter: string;
  /** How often it was tried. */
  attempts: number;
}
/** Published on `tidelog:retention` once old records of a partition are deleted and their disk space is free. */
export interface RetentionEvent extends InStore {
  topic: string;
  partition: number;
  /** The first offset that is still held. */
  logStartOffset: number;
  /** Segments that are gone, and their bytes. */
  segments: number;
  bytes: number;
}
/**
 * Published on `tidelog:error` for each failure that is the store's to tell, whoever else is told of it. What a call
 * refuses by throwing, such as a record that can't be serialized, is not among them.
 */
export interface ErrorEvent extends InStore {
  /** What was being done. */
  operation: "open" | "produce" | "read" | "handle" | "commit" | "transaction" | "close";
  topic?: string;
  partition?: number;
  error: TidelogError;
}
/** What a group has committed of one partition. */
export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  /** The offset of the record to read next. */
  readonly offset: number;
  readonly highWatermark: number;
  /** Offsets from one to the other. */
  readonly lag: number;
  /** The text that was committed with it. */
  readonly metadata: string;
  /** When it was committed, in ms since 1970. */
  readonly timestamp: number;
}
/** A member of a group: a consumer, or a `log.process`, in some thread of this process. */
export interface GroupMemberDescription {
  /** Unique in the group; another one each time that it joins. */
  readonly id: string;
  /** The name of a static member; null of others. */
  readonly instanceId: string | null;
  /**
   * `"stable"` when it has what is meant for it; `"revoking"` while it gives partitions up, `"waiting"` while it waits for
   * others to, `"away"` of a static member whose thread is gone and which may come back.
   */
  readonly state: "stable" | "revoking" | "waiting" | "away";
  /** The topics that it subscribes to. */
  readonly topics: readonly string[];
  /** The partitions that it owns. */
  readonly assignment: readonly AssignedPartition[];
  /** Offsets by which its group is behind in these; where nothing is committed, from the log start on. */
  readonly lag: number;
}
/** A group, as `describe` tells. */
export interface GroupDescription {
  readonly name: string;
  /** Whether it has no members, or each of them has what is meant for it, or partitions are changing hands. */
  readonly state: "empty" | "stable" | "rebalancing";
  /** Rises with each change of members, their topics, or partitions; 0 where there was none since the store was opened. */
  readonly generation: number;
  /** The strategy that members share partitions by; null without members. */
  readonly strategy: string | null;
  /** In the order in which they joined. None are seen from another process. */
  readonly members: readonly GroupMemberDescription[];
  /** By topic and partition; empty for a group that has committed nothing. */
  readonly offsets: readonly GroupOffset[];
}
/** Where a group shall go on. */
export interface ResetOptions extends PartitionChoice {
  to: "earliest" | "latest" | {
    offset: number;
  } | {
    timestamp: number | Date;
  };
}
/** A group of consumers, by its name. It holds nothing that has to be closed. */
export declare class Group {
  #private;
  readonly name: string;
  private constructor();
  /** Who is in it, what it has committed, and how far behind it is. */
  describe(): Promise<GroupDescription>;
  /**
   * Commits another place to go on from, in all partitions of which the group has committed something, or in those of
   * `topic` (all of them, committed or not) and `partition`. Gives the offsets as they are then.
   *
   * Rejects with `ERR_TIDELOG_GROUP_NOT_EMPTY` while the group has members: close them first.
   */
  reset(options: ResetOptions): Promise<GroupDescription>;
  /** Forgets all that it has committed. Rejects with `ERR_TIDELOG_GROUP_NOT_EMPTY` while it has members. */
  delete(): Promise<void>;
}
/** What `log.process` can be told. */
export interface ProcessOptions<T = AnyTopic | string> extends TransactionOptions {
  /** The transactional id. Who takes it over, with another `log.process` for example, ends this one. */
  id: string;
  /** The topic to read, or several, whole. */
  from: T | readonly T[];
  /**
   * The group whose offsets are committed with each transaction, and of which it is a member: those of one group share the
   * partitions, each under an id of its own. Default the id.
   */
  group?: string | undefined;
  /** How the members of the group share partitions, as `log.consumer` has it. */
  strategy?: StrategyName | AssignmentStrategy | undefined;
  /** The name of a static member, as `log.consumer` has it. */
  instanceId?: string | undefined;
  /** A member whose event loop stands still for so long is expelled. Default 45,000 ms, 1 s to 30 min. */
  sessionTimeoutMs?: number | Duration | undefined;
  /**
   * A member that is busy with one batch for so long is expelled: the batch is aborted, and whoever gets its partitions is
   * given it again. Default 300,000 ms, 1 s to 24 h.
   */
  maxPollIntervalMs?: number | Duration | undefined;
  /** Told of what the member gains and gives up. */
  onRebalance?: RebalanceListener | undefined;
  /** Where to begin where the group has committed nothing. Default `"earliest"`. */
  start?: From | undefined;
  /**
   * Handles only records of which this is true, as a consumer's `filter`; the others are committed as read. Default none:
   * all records.
   */
  filter?: string | undefined;
  /** Where it ends, as a consumer's. Default `"live"`: it runs until it is aborted. */
  until?: Until | undefined;
  /** Records in one transaction, at most. Default 100. */
  batch?: number | undefined;
  /** What is done about failures. */
  retry?: RetryOptions | undefined;
  /**
   * A topic that takes the records whose handler has failed `retry.attempts` times, or that can't be deserialized, as the
   * bytes that they are. Headers say what happened: `dead.topic`, `dead.partition`, `dead.offset`, `dead.group`, `dead.process`
   * (the `id` of a `log.process`), `dead.attempts` and `dead.error`; `dead.omitted` names what was left out of a letter that
   * would be too large (`headers`, `value`, `key`). It must exist, must not be read here, and must not be compacted.
   * Default none: such a record ends the processing, with a `HandlerError` if its handler failed.
   */
  deadLetter?: AnyTopic | string | undefined;
  /** What to do about a committed offset that is no longer, or not yet, held. Default `"error"`. */
  onOutOfRange?: "error" | "earliest" | "latest" | undefined;
  /** Ends the processing with an `AbortError`, once the handler that is running has returned. */
  signal?: AbortSignal | undefined;
}
/** What `log.process` has done when it ends. */
export interface ProcessReport {
  /** Records whose handler returned and that are committed. */
  readonly processed: number;
  /** Records that went to the dead letter topic. */
  readonly deadLettered: number;
}
/** Where an appended batch went. */
export interface AppendedBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The time of the append in ms since 1970 where the topic uses that, else -1. */
  readonly timestamp: number;
  /** Whether it was in the log already: where it is, was told, and nothing was appended. */
  readonly duplicate: boolean;
}
/** Whom a record batch is from, as its header says. */
export interface ProducerId {
  readonly producerId: bigint;
  /** From 0 to 32767. */
  readonly epoch: number;
}
/** What a raw read found. */
export interface RawRead {
  /** Whole batches, at the start of the buffer that was given; the first may begin before the offset asked for. */
  readonly bytes: Buffer;
  /** The offset to read on from. */
  readonly next: number;
}
/** A partition of an open topic, for encoded batches. */
export declare class RawPartition {
  #private;
  private constructor();
  /** The topic's name. */
  get topic(): string;
  /** The partition's number. */
  get partition(): number;
  /** The first offset held. */
  get logStartOffset(): number;
  /** The offset behind the last record that may be read. */
  get highWatermark(): number;
  /** The offset that the next record gets. */
  get logEndOffset(): number;
  /**
   * Appends one record batch in Kafka's format (v2), which is checked; its base offset and leader epoch are set here.
   * The bytes are copied before this returns. Resolves once it is as durable as its topic promises. Appends through
   * one partition object are carried out in the order of the calls, whether or not they are awaited.
   *
   * A batch with a producer id is appended once (KIP-98): one of the last five that is appended again gives the place of
   * the first, as a `duplicate`. An older one rejects with `ERR_TIDELOG_DUPLICATE_SEQUENCE`: it is in the log, but where is
   * not known any more. Sequences that leave some out reject with `OutOfOrderSequenceError`, an epoch that is no longer
   * the newest with `ProducerFencedError`, a producer id that `initProducerId` never gave, or that was forgotten, with
   * `ERR_TIDELOG_UNKNOWN_PRODUCER`. Each is definite: nothing was appended.
   */
  append(batch: Uint8Array): Promise<AppendedBatch>;
  /**
   * Reads whole batches from the one that holds `offset` on into `buffer`, up to the high watermark: at least one if
   * there is any, and no more than `maxBytes` (default: what the buffer holds) beside that. None at the end. Where the
   * first does not fit, `ERR_TIDELOG_BUFFER_TOO_SMALL` tells in `needed` what it takes.
   */
  readInto(buffer: Uint8Array, options: {
    offset: number;
    maxBytes?: number | undefined;
  }): Promise<RawRead>;
  /** Resolves once there is a record at `offset` that may be read: a long poll. */
  waitFor(offset: number, options?: WaitOptions): Promise<void>;
  /** The first record that is not older than a time, given as a `Date` or in ms since 1970; null where there is none. */
  offsetForTime(time: number | Date): Promise<{
    offset: number;
    timestamp: number;
  } | null>;
}
/** `log.raw`. */
export interface Raw {
  /**
   * A partition of a topic that is open in this log, by `log.topic` or `log.openTopic`; throws
   * `ERR_TIDELOG_UNKNOWN_TOPIC` where it is not.
   */
  partition(topic: AnyTopic | string, partition: number): RawPartition;
  /**
   * A producer id for batches, as Kafka's InitProducerId gives it: without a transactional id a fresh one of epoch 0, at
   * once; with one always the same, its epoch raised durably, so that whoever had it before is fenced.
   */
  initProducerId(transactionalId?: string): Promise<ProducerId>;
}
/** What opening a store found and did. */
export interface RecoveryReport {
  /** Whether it had been closed in order, so that nothing had to be checked. */
  readonly clean: boolean;
  /** Bytes that were read and checked. */
  readonly bytesChecked: number;
  /** Bytes of torn writes that were cut off ends; they are kept in `tornFiles`. */
  readonly bytesCut: number;
  readonly tornFiles: readonly string[];
  /** Damage among what had been stored for good. These partitions take no more records; the rest stays readable. */
  readonly damaged: readonly TidelogError[];
  readonly durationMs: number;
}
type BytesSerde = Serde<Uint8Array, Buffer>;
/** A topic with types that follow from its serdes. */
export type TopicOf<K, V> = Topic<Sent<K>, Sent<V>, Read<K>, Read<V>>;
/** An open log. Closing it ends the loops of its consumers, then closes its producers with all they have taken in. */
export declare class Log implements AsyncDisposable {
  #private;
  /** Partitions for encoded record batches. */
  readonly raw: Raw;
  private constructor();
  /** The store's folder. */
  get path(): string;
  /** The store's id. */
  get id(): string;
  /** Whether it was opened beside a writer. */
  get readOnly(): boolean;
  /** What opening it found and did. */
  get recovery(): RecoveryReport;
  /**
   * Opens a topic, or creates it. Only the options given are compared with those of one that exists; where they
   * differ it fails with `ERR_TIDELOG_TOPIC_EXISTS`.
   */
  topic<K extends AnySerde = BytesSerde, V extends AnySerde = BytesSerde>(name: string, options?: TopicOptions<K, V>): Promise<TopicOf<K, V>>;
  /** Opens a topic that exists. */
  openTopic<K extends AnySerde = BytesSerde, V extends AnySerde = BytesSerde>(name: string, options?: SerdeOptions<K, V>): Promise<TopicOf<K, V>>;
  /** The names of all topics, sorted. */
  topics(): Promise<string[]>;
  /** Deletes a topic with all its records. Handles of it fail with `ERR_TIDELOG_TOPIC_DELETED` from then on. */
  deleteTopic(name: string): Promise<void>;
  /**
   * A snapshot of what the store has done and how it stands: counts, lags, sizes, how long syncs take. For monitoring: it
   * costs some microseconds a partition, and waits for the disk on a thread of libuv's if it has to.
   */
  metrics(): Promise<Metrics>;
  /** A producer. */
  producer(options?: ProducerOptions): Producer;
  /**
   * Runs a function in a transaction: what it sends by `tx`, and the offsets of what it takes, become durable and visible
   * together when it returns, or not at all when it throws (KIP-98). Resolves with what the function returned, once that
   * is so; rejects with what it threw, or with why the commit failed.
   *
   * Functions of one id run one after the other. `timeoutMs` is the time of one from its call on, without what `tx.take` waits
   * for records. When it is over, the signal aborts, or the log closes, the call rejects and the next one has its turn,
   * whether or not the function has returned: pass `tx.signal` on to what it waits for. A call inside a function
   * that would wait for that function itself, directly or by another id, rejects with
   * `ERR_TIDELOG_INVALID_TRANSACTION_STATE`.
   *
   * The id is taken over with its first transaction in this log: who had
   * it before is fenced, and if somebody takes it from here, every call rejects with `ProducerFencedError`.
   */
  transaction<T>(id: string, call: (tx: Transaction) => T | Promise<T>, options?: RunOptions): Promise<T>;
  /**
   * Takes a transactional id over, durably, and gives a producer whose transactions are begun and ended by hand. Whoever
   * had the id before gets `ProducerFencedError` from then on.
   */
  transactionalProducer(id: string, options?: TransactionOptions): Promise<TransactionalProducer>;
  /**
   * What became of a transaction, by the number that `tx.number` gave: for those who were never told, because the process
   * ended or the commit failed with an `indefinite` error. Final unless it is `"open"`. Rejects with
   * `ERR_TIDELOG_UNKNOWN_OUTCOME` where it is not remembered: it is of the last 64 transactions of the id, each time that it
   * was taken over, and of the last five of these times.
   */
  transactionOutcome(id: string, number: string): Promise<TransactionOutcome>;
  /**
   * Reads topics, has each record handled, and commits what the handlers sent by `tx` together with the offsets read, a
   * batch at a time: each record counts exactly once in what comes out, whatever ends the process in between. Begins
   * where the group has committed, of which it is a member while it runs.
   *
   * Handlers run one after the other. When one fails, its batch is aborted, and after a pause all of it is handled again:
   * effects outside the log happen again then, and should be such that this does no harm.
   *
   * Resolves at the end if it runs `until: "end"`, or when the log closes. Rejects with `AbortError` when its signal
   * aborts: a batch that is not being committed by then is aborted. Rejects with `ProducerFencedError` when another takes
   * its `id` over, with a `HandlerError` that has what the handler threw as its `cause` when trying again did not help, and
   * with what else went wrong.
   */
  process<const T extends AnyTopic | string>(options: ProcessOptions<T>, handler: (record: RecordOf<T>, tx: Transaction) => unknown): Promise<ProcessReport>;
  /** The names of all groups that have members or have committed something, sorted. */
  groups(): Promise<string[]>;
  /** A group by its name, to look at and to set back. */
  group(name: string): Group;
  /**
   * A consumer of partitions, or of whole topics; with a `group`, one that goes on where the group has committed. A log
   * opened read-only has no members of groups, whatever the delivery: `group` is refused there with
   * `ERR_TIDELOG_READ_ONLY`.
   */
  consumer<const T extends readonly (AnyTopic | string)[]>(options: ConsumerOptions<T> & {
    group: string;
  }): Consumer<GroupRecordOf<T[number]>>;
  consumer<const T extends readonly (AnyTopic | string)[]>(options: ConsumerOptions<T>): Consumer<RecordOf<T[number]>>;
  /** Makes everything that has been appended so far durable; of use for `buffered` topics. */
  sync(): Promise<void>;
  /**
   * Copies the store as it is at one moment into a folder that is empty or not there yet, while everything goes on. The
   * folder is then a store of its own, which `open` opens as after an orderly close: with all records that were
   * acknowledged before the call, `buffered` ones too, each transaction whole or not in it, and what is known of
   * producers, transactions and committed offsets. All of it is durable.
   *
   * Files that are never written again are shared with the folder where it is on the same file system, and take no space;
   * the rest is copied. Until the promise resolves the folder is no store; after a crash in between, the next backup into
   * it clears it.
   *
   * Rejects with `ERR_TIDELOG_READ_ONLY` in a log opened `readOnly`, with `InvalidArgumentError` for a folder that holds
   * anything or lies in the store's, and with `ERR_TIDELOG_STORAGE_FULL` where there is no room.
   *
   * ```js
   * const { bytesLinked, bytesCopied } = await log.backup("/backups/monday", { signal: AbortSignal.timeout(60_000) });
   * ```
   */
  backup(folder: string | URL, options?: BackupOptions): Promise<BackupReport>;
  /**
   * Ends the loops of consumers, committing what was done, aborts transactions that are open and waits for commits under
   * way, then closes producers with all they have taken in, then the store. `timeoutMs` bounds each of these waits. Rejects with the first failure that nobody else was told.
   */
  close(options?: CloseOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
/** How a store is opened. */
export interface OpenOptions {
  /**
   * Of topics that do not say otherwise. `"fsync"`, the default: an acknowledged record survives the process being
   * killed and power loss. `"buffered"`: it survives the process being killed, not power loss.
   */
  durability?: Durability | undefined;
  /** Reads a store while another process writes to it. Default false. */
  readOnly?: boolean | undefined;
  /** Makes the folder and the store where there is none. Default true, and false with `readOnly`. */
  create?: boolean | undefined;
  /**
   * How long to wait, in ms or as a `Duration`, while another process has the store open for writing, as in a rolling restart. Default 0:
   * `StoreLockedError` at once. The wait is ended by `signal`, too.
   */
  lockTimeoutMs?: number | Duration | undefined;
  /**
   * Opens even on a network file system, where locks and syncs can't be trusted, and where locks keep nobody out.
   * Default false.
   */
  allowNetworkFileSystem?: boolean | undefined;
  /** How often retention is applied, in ms or as a `Duration`. Default 300,000. */
  maintenanceIntervalMs?: number | Duration | undefined;
  /**
   * How often everything is synced, in ms or as a `Duration`: bounds what `buffered` topics lose with the power. Default
   * 10,000.
   */
  checkpointIntervalMs?: number | Duration | undefined;
  /**
   * How many segments keep their files open at once; the least recently used are closed. A segment takes one file handle,
   * and up to two more for its indexes while records are looked for. Default: an eighth of the files that the process may
   * have open (`ulimit -n`), at most 1024. When the system has none left, segments that are not in use are closed
   * whatever this says, and a call that gets no handle even so fails with `ERR_TIDELOG_TOO_MANY_OPEN_FILES`.
   */
  openSegments?: number | undefined;
  /** How topics with `cleanup: "compact"` are cleaned, in the background and one partition at a time. */
  compaction?: CompactionOptions | undefined;
  /**
   * Told now and then how far the recovery of a store has come that was not closed in order: bytes that are done, and
   * about how many there are to do.
   */
  onRecovery?: ((done: number, total: number) => void) | undefined;
  /** Ends the opening, a recovery that is under way or a wait for the lock above all; nothing is lost, and opening again goes on. */
  signal?: AbortSignal | undefined;
}
/** What the store's cleaner may use. */
export interface CompactionOptions {
  /** How often it looks for something to clean, in ms or as a `Duration`. Default 15,000. */
  intervalMs?: number | Duration | undefined;
  /** Bytes that it reads and writes in a second at most, both counted; at least 65,536. Default 64 MiB. */
  bytesPerSecond?: number | undefined;
  /**
   * Memory for keys in bytes, 24 bytes each, at least 1 MiB. What has more keys is cleaned in several passes. Default
   * 32 MiB, which is 1.25 million keys.
   */
  memoryBytes?: number | undefined;
}
/**
 * Opens the store in a folder, and makes one where there is none. Use `await using` to have it closed. One process at
 * a time may write to it, from any number of threads; others get `StoreLockedError`, or open it `readOnly`.
 *
 * A folder that is open in this process already, in any thread, is shared. It keeps the intervals, `openSegments` and
 * `compaction` that it was opened with first; another `durability` is refused.
 */
export declare function open(path: string | URL, options?: OpenOptions): Promise<Log>;
/** Bytes as they are: takes any `Uint8Array`, gives a `Buffer`. The default. */
export declare function bytes(): Serde<Uint8Array, Buffer>;
/**
 * Values as JSON. What is read is trusted to be a `T`; give a Standard Schema instead to have it checked. Refuses with
 * `ERR_TIDELOG_SERIALIZATION` what has no JSON form of its own: functions, symbols, a BigInt, `NaN`, `Infinity`, an invalid
 * `Date`. Inside of objects and arrays `JSON.stringify` makes `null` of the last three, as everywhere.
 */
export declare function json<T>(): Serde<T>;
/** Text as UTF-8. Bytes that are not UTF-8, and lone surrogates, become U+FFFD, as everywhere in Node. */
export declare function string(): Serde<string>;

export {};
