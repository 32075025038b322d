// The public surface of tidelog: everything that can be imported, with its documentation.
// Rolled up from ts/ by `node scripts/api.mjs write`; changes belong there.

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
  "ERR_TIDELOG_INTERNAL",
  "ERR_TIDELOG_INVALID_ARGUMENT",
  "ERR_TIDELOG_INVALID_BATCH",
  "ERR_TIDELOG_INVALID_CONFIG",
  "ERR_TIDELOG_INVALID_RECORD",
  "ERR_TIDELOG_INVALID_TOPIC_NAME",
  "ERR_TIDELOG_IO",
  "ERR_TIDELOG_NOT_A_STORE",
  "ERR_TIDELOG_OFFSET_OUT_OF_RANGE",
  "ERR_TIDELOG_POISONED",
  "ERR_TIDELOG_READ_ONLY",
  "ERR_TIDELOG_RECORD_TOO_LARGE",
  "ERR_TIDELOG_SERIALIZATION",
  "ERR_TIDELOG_STALE_BATCH",
  "ERR_TIDELOG_STORAGE_FULL",
  "ERR_TIDELOG_STORE_LOCKED",
  "ERR_TIDELOG_TOPIC_DELETED",
  "ERR_TIDELOG_TOPIC_EXISTS",
  "ERR_TIDELOG_UNKNOWN_PARTITION",
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
/** A record to be sent. */
export interface ProducerRecord<K, V> {
  /** Decides the partition where none is given; records of one key keep their order. Default none. */
  key?: K | null | undefined;
  /** What happened; null is a tombstone. */
  value: V | null;
  /** Pairs of name and value, in order; a string is stored as UTF-8. Default none. */
  headers?: readonly HeaderInput[] | undefined;
  /** When it happened, in ms since 1970. Default now. */
  timestamp?: number | undefined;
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
/** Where a record went. */
export interface RecordMetadata {
  readonly partition: number;
  readonly offset: number;
  /** The record's time in ms since 1970: its own, or that of its append, as the topic says. */
  readonly timestamp: number;
}
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
  retention?: {
    ms?: number | null | undefined;
    bytes?: number | null | undefined;
  } | undefined;
  /** When a new segment file begins: at bytes (default 1 GiB, at least 1 KiB), after ms (default 7 days). */
  segment?: {
    bytes?: number | undefined;
    ms?: number | undefined;
  } | undefined;
  /** Bytes of log for one index entry. Default 4096. */
  indexIntervalBytes?: number | undefined;
  /** Largest encoded batch in bytes, at most 64 MiB; a record must fit into one. Default 1 MiB + 12. */
  maxBatchBytes?: number | undefined;
  /** How far in ms a timestamp may lie in the future. Default one hour. */
  maxFutureMs?: number | undefined;
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
}
/** A topic, as `describe` tells. */
export interface TopicDescription {
  readonly name: string;
  readonly id: string;
  readonly config: FullTopicConfig;
  readonly partitions: readonly PartitionDescription[];
}
/** Names a record. The partition may be left out of a topic that has only one. */
export interface RecordPlace {
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
/** Where to begin: at the first record held, behind the last one, or at the first that is not older than a time. */
export type From = "earliest" | "latest" | {
  timestamp: number;
};
/** A partition to read, and where from. */
export interface Assignment<T = AnyTopic | string> {
  topic: T;
  partition: number;
  /** The first offset to read. Default what `from` says. */
  offset?: number | undefined;
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
   * Where to begin in partitions without an offset of their own. Default `"earliest"`. `"latest"` is the end as it is
   * when the consumer is made or, of a topic given by name that was not open, when that has been opened.
   */
  from?: From | undefined;
  /** Goes on waiting for more, or ends with what was there when reading began. Default `"live"`. */
  until?: "live" | "end" | undefined;
  /** What to do about an offset that is no longer, or not yet, held. Default `"error"`. */
  onOutOfRange?: "error" | "earliest" | "latest" | undefined;
  /** Bytes to read at once, from one partition; two such reads are held. Default 1 MiB, 1 KiB to 64 MiB. */
  readBytes?: number | undefined;
  /** Ends reading with an `AbortError`. */
  signal?: AbortSignal | undefined;
}
/** The records of a topic given by handle or name. */
export type RecordOf<T> = T extends Topic<infer _K, infer _V, infer RK, infer RV> ? ConsumerRecord<RK, RV> : ConsumerRecord<Buffer, Buffer>;
/** Picks partitions among those of a consumer: of one topic, of one number; all of them where nothing is given. */
export interface PartitionChoice {
  topic?: AnyTopic | string | undefined;
  partition?: number | undefined;
}
/** Where to go on. */
export type SeekTarget = {
  offset: number;
} | {
  timestamp: number;
} | {
  to: "beginning" | "end";
};
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
  /** The same batch in memory of its own. */
  copy(): RecordBatch<R>;
}
/**
 * Chooses a partition. `key` is the serialized key, or null for a record without one; it is valid during the call
 * only. Must return an integer from 0 to `partitionCount` - 1.
 */
export type Partitioner = (key: Uint8Array | null, partitionCount: number, topic: string) => number;
/** What a producer can be told. */
export interface ProducerOptions {
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
/** Bounds a close. */
export interface CloseOptions {
  /** How long to wait for what is on its way, in ms. Default 30,000. */
  timeoutMs?: number | undefined;
}
type Into<K, V> = Topic<K, V, any, any>;
type BytesRecord = ProducerRecord<Uint8Array, Uint8Array>;
/**
 * Sends records. Those sent in one tick travel together: one crossing into the engine, and one sync for all.
 * A topic is given by its handle, or by its name for records of bytes.
 */
export declare class Producer implements AsyncDisposable {
  #private;
  private constructor();
  /**
   * Sends one record; resolves once it is as durable as its topic promises. Waits for room where
   * `bufferBytes` are on their way.
   */
  send<K, V>(topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>, options?: WaitOptions): Promise<RecordMetadata>;
  send(topic: string, record: BytesRecord, options?: WaitOptions): Promise<RecordMetadata>;
  /**
   * Sends many records; the result tells the offset of each. Where it fails, `error.appended` tells which were
   * appended all the same: of each partition the first ones, of a batch of up to 256 KiB none unless the disk failed.
   */
  sendBatch<K, V>(topic: Into<K, V>, records: readonly ProducerRecord<NoInfer<K>, NoInfer<V>>[], options?: WaitOptions): Promise<BatchResult>;
  sendBatch(topic: string, records: readonly BytesRecord[], options?: WaitOptions): Promise<BatchResult>;
  /**
   * Sends one record without a promise: false if there is no room, and then nothing was taken; await `ready()` and
   * try again. Throws if the record can't be serialized. What goes wrong later is told by the next `flush()` or `close()`.
   */
  trySend<K, V>(topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>): boolean;
  trySend(topic: string, record: BytesRecord): boolean;
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
/**
 * Reads records, a partition's in their order and partitions in turn. Iterate it, or `batches()`; one loop at a time.
 * A loop that ends by `break` leaves the position behind the last record that it got, and a new loop goes on there.
 */
export declare class Consumer<R> implements AsyncIterable<R>, AsyncDisposable {
  #private;
  private constructor();
  /**
   * Records one by one. They are the user's own; values of bytes share memory with those read together with them, so
   * `Buffer.from(value)` is the way to keep few of many. A loop over a closed consumer ends; one that is aborted, or
   * meets a record that can't be deserialized or an offset that is not held, throws.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<R>;
  /** Records as they were fetched, without an object for each before it is asked for: the fast way. */
  batches(): AsyncIterableIterator<RecordBatch<R>>;
  /** The partitions that it reads; empty while topics given by name are still being opened. */
  get assignment(): AssignedPartition[];
  /** Goes on somewhere else: in all partitions, or in those of a topic, or in one. */
  seek(target: SeekTarget & PartitionChoice): Promise<void>;
  /** Hands out no more records of these partitions, or of all, until `resume`. Nothing is held for them meanwhile. */
  pause(choice?: PartitionChoice): void;
  /** Goes on with partitions that were paused. */
  resume(choice?: PartitionChoice): void;
  /** The offset of the next record that a loop gets. The partition may be left out where there is only one. */
  position(choice?: PartitionChoice): Promise<number>;
  /** How far behind it is, by partition. */
  lag(): Promise<PartitionLag[]>;
  /** Ends a loop that is under way and refuses new ones. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
/** Published on `tidelog:open` once a store is open. */
export interface OpenEvent {
  path: string;
  id: string;
  readOnly: boolean;
}
/** Published on `tidelog:close` once a store is closed. */
export interface CloseEvent {
  path: string;
  id: string;
}
/** Published on `tidelog:produce` once a group of records has been stored, or has failed. */
export interface ProduceEvent {
  topic: string;
  /** Records sent, and their bytes as they crossed into the engine. */
  records: number;
  bytes: number;
  /** Milliseconds from handing over to the answer. */
  durationMs: number;
  error?: TidelogError;
}
/** Published on `tidelog:error` for each failure of producing, reading or closing. */
export interface ErrorEvent {
  /** What was being done. */
  operation: "produce" | "read" | "close";
  topic?: string;
  partition?: number;
  error: TidelogError;
}
/** Where an appended batch went. */
export interface AppendedBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The time of the append in ms since 1970 where the topic uses that, else -1. */
  readonly timestamp: number;
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
  /** The first record that is not older than a time, or null. */
  offsetForTime(ms: number): Promise<{
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
   * Opens even on a network file system, where locks and syncs can't be trusted, and where locks keep nobody out or maps
   * do not show what was written. Default false.
   */
  allowNetworkFileSystem?: boolean | undefined;
  /** How often retention is applied, in ms. Default 300,000. */
  maintenanceIntervalMs?: number | undefined;
  /** How often everything is synced, in ms: bounds what `buffered` topics lose with the power. Default 10,000. */
  checkpointIntervalMs?: number | undefined;
  /** How many segments keep their files open at once. Default 1024. */
  openSegments?: number | undefined;
  /**
   * Told now and then how far the recovery of a store has come that was not closed in order: bytes that are done, and
   * about how many there are to do.
   */
  onRecovery?: ((done: number, total: number) => void) | undefined;
  /** Ends a recovery that is under way; nothing is lost, and opening again goes on. */
  signal?: AbortSignal | undefined;
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
  /** A producer. */
  producer(options?: ProducerOptions): Producer;
  /** A consumer of partitions, or of whole topics. */
  consumer<const T extends readonly (AnyTopic | string)[]>(options: ConsumerOptions<T>): Consumer<RecordOf<T[number]>>;
  /** Makes everything that has been appended so far durable; of use for `buffered` topics. */
  sync(): Promise<void>;
  /**
   * Ends the loops of consumers, then closes producers with all they have taken in, then the store. `timeoutMs`
   * bounds the wait for the producers. Rejects with the first failure that nobody else was told.
   */
  close(options?: CloseOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
/**
 * Opens the store in a folder, and makes one where there is none. Use `await using` to have it closed. One process at
 * a time may write to it, from any number of threads; others get `StoreLockedError`, or open it `readOnly`.
 */
export declare function open(path: string | URL, options?: OpenOptions): Promise<Log>;
/** Bytes as they are: takes any `Uint8Array`, gives a `Buffer`. The default. */
export declare function bytes(): Serde<Uint8Array, Buffer>;
/** Values as JSON. What is read is trusted to be a `T`; give a Standard Schema instead to have it checked. */
export declare function json<T>(): Serde<T>;
/** Text as UTF-8. Bytes that are not UTF-8, and lone surrogates, become U+FFFD, as everywhere in Node. */
export declare function string(): Serde<string>;

export {};
