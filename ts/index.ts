// Everything that a user of the package can import.

export type { BackupOptions, BackupReport } from "./backup.js";
export { RecordBatch } from "./consumer/batch.js";
export type { From, SeekTarget, Until } from "./consumer/bounds.js";
export { Consumer } from "./consumer/consumer.js";
export type {
  AssignedPartition,
  Assignment,
  CommittedPosition,
  ConsumerOptions,
  Delivery,
  GroupRecordOf,
  PartitionChoice,
  PartitionLag,
  RebalanceListener,
  RecordOf,
} from "./consumer/options.js";
export type {
  CloseEvent,
  CommitEvent,
  DeadLetterEvent,
  ErrorEvent,
  FetchEvent,
  OpenEvent,
  ProcessEvent,
  ProduceEvent,
  RecoveryEvent,
  RetentionEvent,
  RetryEvent,
  TransactionAbortEvent,
  TransactionBeginEvent,
  TransactionCommitEvent,
} from "./diagnostics.js";
export {
  AbortedError,
  BufferTooSmallError,
  ClosedError,
  CorruptionError,
  ERROR_CODES,
  type ErrorCode,
  FencedMemberError,
  HandlerError,
  InvalidArgumentError,
  InvalidFilterError,
  OffsetConflictError,
  OffsetOutOfRangeError,
  OutOfOrderSequenceError,
  ProducerFencedError,
  SerializationError,
  StoreLockedError,
  TidelogError,
  TransactionTimedOutError,
  TransactionTooLargeError,
} from "./errors.js";
export {
  Group,
  type GroupDescription,
  type GroupMemberDescription,
  type GroupOffset,
  type ResetOptions,
} from "./group/group.js";
export { type AssignmentStrategy, type StrategyName, strategies } from "./group/strategies/index.js";
export type { Sharing, StrategyMember, TopicPartition } from "./group/strategies/strategy.js";
export type { RetryOptions } from "./handling/retry.js";
export { type Header, type HeaderInput, header } from "./headers.js";
export { Log, type RecoveryReport, type TopicOf } from "./log.js";
export type {
  ConsumerMetrics,
  HandlerMetrics,
  JournalMetrics,
  Metrics,
  PartitionMetrics,
  Percentiles,
  ProducerMetrics,
  TopicMetrics,
  Traffic,
  TransactionMetrics,
} from "./metrics.js";
export { type CompactionOptions, type OpenOptions, open } from "./open.js";
export type { ProcessOptions, ProcessReport } from "./process/options.js";
export type { CloseOptions, ProducerOptions, SendOptions, WaitOptions } from "./producer/options.js";
export type { Partitioner } from "./producer/partitioner.js";
export { Producer } from "./producer/producer.js";
export { BatchResult, type Run } from "./producer/result.js";
export { type AppendedBatch, type ProducerId, type Raw, RawPartition, type RawRead } from "./raw.js";
export type {
  ConsumerRecord,
  GroupRecord,
  ProducerRecord,
  RecordMetadata,
  SequencedMetadata,
} from "./record.js";
export type { ConsumerRunOptions, ConsumerRunReport, HandlerContext } from "./run/options.js";
export { bytes } from "./serdes/bytes.js";
export { json } from "./serdes/json.js";
export type { AnySerde, Read, Sent, Serde } from "./serdes/serde.js";
export {
  SchemaIssues,
  type StandardIssue,
  type StandardResult,
  type StandardSchema,
} from "./serdes/standard_schema.js";
export { string } from "./serdes/string.js";
export type { Duration, DurationUnit } from "./time.js";
export { type PartitionDescription, type RecordPlace, Topic, type TopicDescription } from "./topic.js";
export type {
  Cleanup,
  Compaction,
  Compression,
  Durability,
  FullTopicConfig,
  SerdeOptions,
  TopicChange,
  TopicConfig,
  TopicOptions,
} from "./topic_config.js";
export type {
  BeginOptions,
  OffsetToCommit,
  RunOptions,
  TakeOptions,
  TransactionOptions,
} from "./transaction/options.js";
export { TransactionalProducer } from "./transaction/producer.js";
export { type TransactionOutcome, TransactionResult, type TransactionRun } from "./transaction/result.js";
export { type Taken, Transaction, type TransactionState } from "./transaction/transaction.js";
