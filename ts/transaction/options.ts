// What transactions can be told.

import { checkDuration, checkInteger, checkOptions } from "../options.js";
import { checkPartitioner } from "../producer/options.js";
import type { Partitioner } from "../producer/partitioner.js";
import type { Duration } from "../time.js";
import type { AnyTopic } from "../topic.js";

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
export interface RunOptions extends TransactionOptions, BeginOptions {}

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

/** Checked and complete. */
export interface CheckedTransactionOptions {
  timeoutMs: number;
  maxBytes: number;
  partitioner: Partitioner | undefined;
}

const NAMES = ["timeoutMs", "maxBytes", "partitioner"];

/** Checks what was given and fills in the defaults. */
export function transactionOptions(
  where: string,
  given: TransactionOptions | undefined,
  others: readonly string[] = [],
): CheckedTransactionOptions {
  checkOptions(where, given, [...NAMES, ...others]);
  const { timeoutMs = 60_000, maxBytes = 64 << 20, partitioner } = given ?? {};
  return {
    timeoutMs: checkDuration(where, "timeoutMs", timeoutMs, 1, 900_000),
    maxBytes: checkInteger(where, "maxBytes", maxBytes, 1024, 1 << 30),
    partitioner: checkPartitioner(where, partitioner),
  };
}
