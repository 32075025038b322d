// What TypeScript expects of the binding: plain data, and classes by the methods that are used. The binding's own
// generated types are compared with this by a test.

/** An error as the binding reports it. */
export interface NativeError {
  code: string;
  message: string;
  retriable: boolean;
  indefinite: boolean;
  numbers?: number[] | undefined;
  path?: string | undefined;
}

/** The answer to one ticket; what `numbers` are is said at each call. */
export interface Completion {
  ticket: number;
  error?: NativeError | undefined;
  numbers: number[];
}

export interface NativeCompletions {
  drain(): Completion[];
  take(ticket: number, bytes: Uint8Array, table: Uint8Array | null): void;
  discard(ticket: number): void;
}

export interface NativeOpenOptions {
  durability?: string;
  readOnly: boolean;
  create: boolean;
  force: boolean;
  maintenanceIntervalMs?: number;
  checkpointIntervalMs?: number;
  openSegments?: number;
  compactionIntervalMs?: number;
  compactionBytesPerSecond?: number;
  compactionMemoryBytes?: number;
}

export interface NativeTopicConfig {
  partitions?: number;
  durability?: string;
  compression?: string;
  timestampType?: string;
  cleanup?: string;
  minDirtyRatio?: number;
  minLagMs?: number;
  maxLagMs?: number | null;
  deleteRetentionMs?: number;
  retentionMs?: number | null;
  retentionBytes?: number | null;
  segmentBytes?: number;
  segmentMs?: number;
  indexIntervalBytes?: number;
  maxBatchBytes?: number;
  maxFutureMs?: number;
}

export interface NativeTopicDescription {
  name: string;
  id: string;
  config: NativeTopicConfig;
  partitions: NativePartitionDescription[];
}

export interface NativePartitionDescription {
  partition: number;
  logStartOffset: number;
  highWatermark: number;
  logEndOffset: number;
  segments: number;
  bytes: number;
  damage?: string | undefined;
  compactionFailure?: string | undefined;
}

export interface NativeRecovery {
  clean: boolean;
  bytesChecked: number;
  bytesCut: number;
  tornFiles: string[];
  damaged: NativeError[];
  durationMs: number;
}

export interface NativeMemberOptions {
  instanceId?: string | undefined;
  strategy: string;
  sessionTimeoutMs: number;
  maxPollIntervalMs: number;
}

export interface NativeTopicPartition {
  topic: string;
  partition: number;
}

export interface NativeMemberDescription {
  id: string;
  instanceId?: string | null;
  topics: string[];
  owned: NativeTopicPartition[];
  /** "stable", "revoking", "waiting" or "away". */
  state: string;
}

export interface NativeGroupMembership {
  generation: number;
  strategy?: string | null;
  stable: boolean;
  members: NativeMemberDescription[];
  /** How many partitions each topic had when the group began to read it. */
  began: { topic: string; partitions: number }[];
}

export interface NativeGroupEvent {
  kind: string;
  generation: number;
  partitions: NativeTopicPartition[];
  /** Of "assigned": whether it has all that is meant for it. */
  complete: boolean;
  members: NativeMemberDescription[];
  topics: { topic: string; partitions: number }[];
  reason?: NativeError | null;
}

export interface NativeGroupMember {
  readonly id: string;
  /** Answers when there is an event; one at a time. */
  next(ticket: number): void;
  event(): NativeGroupEvent | null | undefined;
  assign(generation: number, shares: { member: string; partitions: NativeTopicPartition[] }[]): void;
  revoked(partitions: NativeTopicPartition[]): void;
  heartbeat(): void;
  polled(busy: boolean): void;
  commitOffsets(ticket: number, topics: NativeTopic[], numbers: Float64Array): void;
  leave(): void;
}

export interface NativePercentiles {
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

export interface NativeMetrics {
  uptimeMs: number;
  appended: { records: number; bytes: number };
  read: { records: number; bytes: number };
  journal: {
    syncs: number;
    records: number;
    syncMsTotal: number;
    syncMs: NativePercentiles;
    recordsPerSync: NativePercentiles;
    bytes: number;
    capacityBytes: number;
    freeBytes: number;
    waiting: number;
  };
  checkpoints: number;
  transactions: { open: number; committed: number; aborted: number };
  topics: string[];
  /**
   * For each partition: place of its topic in `topics`, its number, log start offset, high watermark, log end offset,
   * segments, bytes.
   */
  partitions: Float64Array;
}

export interface NativeStore {
  readonly recovery: NativeRecovery;
  readonly path: string;
  readonly id: string;
  readonly readOnly: boolean;
  createTopic(name: string, config: NativeTopicConfig): Promise<NativeTopic>;
  openTopic(name: string): Promise<NativeTopic>;
  topics(): Promise<string[]>;
  deleteTopic(name: string): Promise<void>;
  sync(): Promise<void>;
  metrics(): Promise<NativeMetrics>;
  /** `told` is called until the store is closed, each time that retention has deleted records of a partition. */
  onRetention(
    told: (topic: string, partition: number, logStartOffset: number, segments: number, bytes: number) => void,
  ): void;
  close(): Promise<void>;
  producer(completions: NativeCompletions): NativeProducer;
  namedProducer(completions: NativeCompletions, name: string): Promise<NativeProducer>;
  initProducerId(transactionalId: string | null): Promise<NativeProducerId>;
  transactionalProducer(
    completions: NativeCompletions,
    id: string,
    timeoutMs: number,
    maxBytes: number,
  ): Promise<NativeTransactionalProducer>;
  transactionOutcome(id: string, number: NativeTransactionNumber): Promise<NativeTransactionOutcome>;
  /** `numbers`: index into `topics`, partition and offset of each; `metadata`: one text for each, or none at all. */
  commitOffsets(
    completions: NativeCompletions,
    ticket: number,
    group: string,
    topics: NativeTopic[],
    numbers: Float64Array,
    metadata: string[],
  ): void;
  committedOffsets(group: string): Promise<NativeCommittedOffset[]>;
  joinGroup(
    completions: NativeCompletions,
    group: string,
    topics: NativeTopic[],
    options: NativeMemberOptions,
  ): NativeGroupMember;
  groupMembers(group: string): NativeGroupMembership;
  groups(): Promise<string[]>;
  deleteGroup(group: string): Promise<void>;
  /** As they were in one moment, which no transaction is half visible in. */
  highWatermarks(partitions: NativePartition[]): number[];
  backup(folder: string, progress: OnProgress | null, stop: NativeStop | null): Promise<NativeBackupReport>;
  importKafka(
    folder: string,
    topic: string | null,
    progress: OnProgress | null,
    stop: NativeStop | null,
  ): Promise<ImportReport>;
}

export interface NativeTopic {
  readonly name: string;
  readonly id: string;
  readonly partitionCount: number;
  readonly deleted: boolean;
  config(): NativeTopicConfig;
  describe(): Promise<NativeTopicDescription>;
  alter(change: NativeTopicConfig): Promise<void>;
  sync(): Promise<void>;
  partition(index: number): NativePartition;
  /** Numbers: bytes, bytes of the table, rows. */
  get(completions: NativeCompletions, ticket: number, wanted: Float64Array): void;
}

export interface NativeProducer {
  /** Numbers: for each run that was appended its partition, base offset, count, and time of the append or -1. */
  produce(
    ticket: number,
    topic: NativeTopic,
    table: Uint8Array,
    tableLength: number,
    bytes: Uint8Array,
    bytesLength: number,
  ): void;
  /**
   * Appends the one record that is packed, if what is expected holds. Numbers: offset, time of the append or -1, and 1
   * if it was in the log already, else 0.
   */
  produceIf(
    ticket: number,
    topic: NativeTopic,
    table: Uint8Array,
    tableLength: number,
    bytes: Uint8Array,
    bytesLength: number,
    expectOffset: number | null,
    sequence: number | null,
  ): void;
  /** -1 where there is none. */
  lastSequence(topic: NativeTopic, partition: number): Promise<number>;
}

/** A producer as the record batches of Kafka name it. */
export interface NativeProducerId {
  producerId: bigint;
  epoch: number;
}

/** Names one transaction for ever. */
export interface NativeTransactionNumber {
  producerId: bigint;
  epoch: number;
  number: number;
}

export interface NativeTransactionOutcome {
  /** "committed", "not-committed" or "open". */
  status: string;
  runs?: NativeTransactionRun[] | undefined;
}

export interface NativeTransactionRun {
  topic: string;
  partition: number;
  baseOffset: number;
  count: number;
  timestamp: number;
}

export interface NativeCommittedOffset {
  topic: string;
  partition: number;
  offset: number;
  metadata: string;
  timestamp: number;
}

/** One transaction at a time, named by `transaction`, its number alone. */
export interface NativeTransactionalProducer {
  begin(): NativeTransactionNumber;
  /** No numbers. One at a time: they are carried out in no order. */
  send(
    ticket: number,
    transaction: number,
    topic: NativeTopic,
    table: Uint8Array,
    tableLength: number,
    bytes: Uint8Array,
    bytesLength: number,
  ): void;
  sendOffsets(
    ticket: number,
    transaction: number,
    group: string,
    topics: NativeTopic[],
    numbers: Float64Array,
    metadata: string[],
  ): void;
  sendOffsetsOf(
    ticket: number,
    transaction: number,
    member: NativeGroupMember,
    topics: NativeTopic[],
    numbers: Float64Array,
    metadata: string[],
  ): void;
  /**
   * Numbers: for each run its topic's place among those sent to, partition, base offset, count, and time of the append
   * or -1.
   */
  commit(ticket: number, transaction: number): void;
  abort(ticket: number, transaction: number): void;
}

/** A compiled filter, for reads; there is nothing else to it. */
export type NativeFilter = object;

export interface NativePartition {
  readonly topic: string;
  readonly index: number;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly logEndOffset: number;
  offsetForTime(ms: number): Promise<[number, number] | null>;
  deleteRecords(before: number): Promise<number>;
  /** Numbers: base offset, last offset, time of the append or -1, and 1 if it was in the log already, else 0. */
  append(completions: NativeCompletions, ticket: number, batch: Uint8Array): void;
  /** Numbers: bytes, the offset to read on from. */
  read(completions: NativeCompletions, ticket: number, offset: number, maxBytes: number): void;
  /** Numbers: bytes, bytes of the table, records, the offset to read on from, high watermark, log start. */
  readRecords(
    completions: NativeCompletions,
    ticket: number,
    offset: number,
    maxBytes: number,
    filter: NativeFilter | null,
  ): void;
  /** No numbers: there is something at this offset. */
  waitFor(completions: NativeCompletions, ticket: number, offset: number): void;
  cancelWait(completions: NativeCompletions, ticket: number): void;
}

/** One segment file, read from its beginning. */
export interface NativeSegmentScan {
  readonly fileLength: number;
  next(count: number, withRecords: boolean): Promise<ScannedBatch[]>;
}

export interface ScannedBatch {
  position: number;
  damage?: string;
  expectedOffset?: number;
  batch?: NativeBatch;
}

export interface NativeBatch {
  size: number;
  baseOffset: number;
  lastOffset: number;
  leaderEpoch: number;
  magic: number;
  crc: number;
  compression?: string;
  timestampType: string;
  isTransactional: boolean;
  isControl: boolean;
  baseTimestamp: number;
  maxTimestamp: number;
  producerId: string;
  producerEpoch: number;
  baseSequence: number;
  recordCount: number;
  records?: NativeRecord[];
  recordsError?: string;
}

export interface NativeRecord {
  offset: number;
  timestamp: number;
  key?: Buffer;
  value?: Buffer;
  headers: { name: string; value?: Buffer }[];
}

export interface VerifyReport {
  partitions: number;
  segments: number;
  batches: number;
  records: number;
  bytes: number;
  problems: VerifyProblem[];
}

export interface VerifyProblem {
  file: string;
  position: number;
  offset: number;
  reason: string;
  recordsAffected: boolean;
}

/** A store that was looked at, and that nobody writes to until it is repaired or let go. */
export interface NativeSurvey {
  plan(): Promise<RepairPlan>;
  repair(progress: OnProgress | null): Promise<RepairPlan>;
  close(): void;
}

/** What is damaged, and what a repair gives up. */
export interface RepairPlan {
  partitions: number;
  segments: number;
  bytes: number;
  complete: boolean;
  empty: boolean;
  checkpoint?: string;
  checkpointSlot?: string;
  journal?: { file: string; reason: string; frames: number[][]; kept: number };
  lost: LostRange[];
  mended: { topic: string; partition: number; file: string; position: number; offset: number }[];
  indexes: string[];
  snapshots: string[];
}

export interface LostRange {
  topic: string;
  partition: number;
  file: string;
  position: number;
  bytes: number;
  first: number;
  next: number;
  reason: string;
  kept?: string;
}

/** What a backup holds. */
export interface NativeBackupReport {
  path: string;
  timestamp: number;
  topics: number;
  partitions: number;
  bytesLinked: number;
  bytesCopied: number;
  durationMs: number;
}

/** What an import has taken over. */
export interface ImportReport {
  topics: { name: string; partitions: ImportedPartition[]; missing: number[] }[];
  skipped: { name: string; reason: string }[];
  stopped: boolean;
}

export interface ImportedPartition {
  partition: number;
  logStartOffset: number;
  logEndOffset: number;
  records: number;
  batches: number;
  bytes: number;
  controlOffsets: number;
  abortedOffsets: number;
  unfinishedOffsets: number;
  removedOffsets: number;
  tornBytes: number;
}

/** Ends work that was given it, soon. */
export interface NativeStop {
  stop(): void;
}

/** Gets the bytes done and all bytes, now and then. */
export type OnProgress = (done: number, total: number) => void;

/** What the addon exports. */
export interface Binding {
  NativeStore: {
    open(
      path: string,
      options: NativeOpenOptions,
      progress: OnProgress | null,
      stop: NativeStop | null,
    ): Promise<NativeStore>;
  };
  NativeSegmentScan: { open(path: string): Promise<NativeSegmentScan> };
  NativeSurvey: { run(path: string, progress: OnProgress | null, stop: NativeStop | null): Promise<NativeSurvey> };
  NativeStop: new () => NativeStop;
  NativeFilter: new (text: string) => NativeFilter;
  Completions: new (wake: () => void) => NativeCompletions;
  verifyBackup(path: string, progress: OnProgress | null, stop: NativeStop | null): Promise<VerifyReport>;
  verifyFiles(path: string, progress: OnProgress | null, stop: NativeStop | null): Promise<VerifyReport>;
}
