// What the package tells `node:diagnostics_channel`: all channels in one place, named after what happened.
// Publishing costs nothing while nobody listens, and nothing is ever written to the console.

import { type Channel, channel } from "node:diagnostics_channel";
import { performance } from "node:perf_hooks";
import type { TidelogError } from "./errors.js";

/** In which store something happened. */
interface InStore {
  /** The store's folder. */
  path: string;
}

/** Something that took time, and may have failed. It is told if somebody listened when it began. */
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
  offsets: { topic: string; partition: number; offset: number }[];
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

/** A record that a handler has failed for. */
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

const named = <E>(name: string) => channel(`tidelog:${name}`) as Channel<unknown, E>;

export const opened = named<OpenEvent>("open");
export const recovering = named<RecoveryEvent>("recovery");
export const closed = named<CloseEvent>("close");
export const produced = named<ProduceEvent>("produce");
export const fetched = named<FetchEvent>("fetch");
export const committed = named<CommitEvent>("commit");
export const transactionBegun = named<TransactionBeginEvent>("transaction:begin");
export const transactionCommitted = named<TransactionCommitEvent>("transaction:commit");
export const transactionAborted = named<TransactionAbortEvent>("transaction:abort");
export const processed = named<ProcessEvent>("process");
export const retried = named<RetryEvent>("retry");
export const deadLettered = named<DeadLetterEvent>("deadletter");
export const retained = named<RetentionEvent>("retention");
const failed = named<ErrorEvent>("error");

/** Publishes a failure if anybody listens. */
export function publishError(event: ErrorEvent): void {
  if (failed.hasSubscribers) failed.publish(event);
}

/** When something begins that may be told later; NaN, and no clock is read, while nobody listens. */
export function startOf(to: { readonly hasSubscribers: boolean }): number {
  return to.hasSubscribers ? performance.now() : Number.NaN;
}

/** Publishes what began then and has ended now. */
export function publishTimed<E extends Omit<Timed, "error">>(
  to: Channel<unknown, E>,
  since: number,
  event: () => Omit<E, "durationMs" | "error">,
  error?: unknown,
): void {
  if (Number.isNaN(since) || !to.hasSubscribers) return;
  const timed = { ...event(), durationMs: performance.now() - since };
  to.publish((error === undefined ? timed : { ...timed, error }) as unknown as E);
}
