// What `log.process` can be told, and what it tells.

import { checkFrom, type From } from "../consumer/options.js";
import { InvalidArgumentError } from "../errors.js";
import { checkInteger, checkName, checkOneOf, checkOptions, checkSignal, shown } from "../options.js";
import type { AnyTopic } from "../topic.js";
import { type CheckedTransactionOptions, type TransactionOptions, transactionOptions } from "../transaction/options.js";

/** How often something that failed is tried, and when. */
export interface RetryOptions {
  /** How often in all, the first time included. Default 5. */
  attempts?: number | undefined;
  /** Whether each pause is twice the one before, or all are the same. Default `"exponential"`. */
  backoff?: "exponential" | "fixed" | undefined;
  /** The first pause, in ms. Default 100. */
  delayMs?: number | undefined;
  /** The longest pause, in ms. Default 30,000. */
  maxDelayMs?: number | undefined;
}

/** What `log.process` can be told. */
export interface ProcessOptions<T = AnyTopic | string> extends TransactionOptions {
  /** The transactional id. Who takes it over, with another `log.process` for example, ends this one. */
  id: string;
  /** The topic to read, or several, whole. */
  from: T | readonly T[];
  /** The group whose offsets are committed with each transaction. Default the id. */
  group?: string | undefined;
  /** Where to begin where the group has committed nothing. Default `"earliest"`. */
  start?: From | undefined;
  /**
   * Handles only records of which this is true, as a consumer's `filter`; the others are committed as read. Default none:
   * all records.
   */
  filter?: string | undefined;
  /** Runs until it is aborted, or ends with what was there when it began. Default `"live"`. */
  until?: "live" | "end" | undefined;
  /** Records in one transaction, at most. Default 100. */
  batch?: number | undefined;
  /** What is done about failures. */
  retry?: RetryOptions | undefined;
  /**
   * A topic that takes the records whose handler has failed `retry.attempts` times, or that can't be deserialized, as the
   * bytes that they are; headers `dead.topic`, `dead.partition`, `dead.offset`, `dead.attempts` and `dead.error` say
   * what happened. It must exist. Default none: such a record ends the processing.
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

/** Checked and complete. */
export interface CheckedProcessOptions {
  id: string;
  topics: readonly (AnyTopic | string)[];
  group: string;
  start: From;
  filter: string | undefined;
  until: "live" | "end";
  batch: number;
  retry: Required<{ [K in keyof RetryOptions]: NonNullable<RetryOptions[K]> }>;
  deadLetter: AnyTopic | string | undefined;
  onOutOfRange: "error" | "earliest" | "latest";
  signal: AbortSignal | undefined;
  transaction: CheckedTransactionOptions;
}

const NAMES = [
  "id",
  "from",
  "group",
  "start",
  "filter",
  "until",
  "batch",
  "retry",
  "deadLetter",
  "onOutOfRange",
  "signal",
];

/** Checks what was given and fills in the defaults. */
export function processOptions(given: ProcessOptions): CheckedProcessOptions {
  const where = "log.process";
  const transaction = transactionOptions(where, given ?? null, NAMES);
  const { id, from, group = id, start = "earliest", until = "live", batch = 100, onOutOfRange = "error" } = given;
  checkName(where, "id", id);
  checkName(where, "group", group);
  checkFrom(where, start);
  if (from === undefined || from === null) {
    throw new InvalidArgumentError(`${where}: from must be a topic, or an array of topics, not ${shown(from)}`);
  }
  return {
    id,
    topics: Array.isArray(from) ? (from as readonly (AnyTopic | string)[]) : [from as AnyTopic | string],
    group,
    start,
    filter: given.filter,
    until: checkOneOf(where, "until", until, ["live", "end"]),
    batch: checkInteger(where, "batch", batch, 1),
    retry: retryOptions(where, given.retry),
    deadLetter: given.deadLetter,
    onOutOfRange: checkOneOf(where, "onOutOfRange", onOutOfRange, ["error", "earliest", "latest"]),
    signal: checkSignal(where, given.signal),
    transaction,
  };
}

function retryOptions(where: string, given: RetryOptions | undefined): CheckedProcessOptions["retry"] {
  checkOptions(`${where}: retry`, given, ["attempts", "backoff", "delayMs", "maxDelayMs"]);
  const { attempts = 5, backoff = "exponential", delayMs = 100, maxDelayMs = 30_000 } = given ?? {};
  return {
    attempts: checkInteger(where, "retry.attempts", attempts, 1),
    backoff: checkOneOf(where, "retry.backoff", backoff, ["exponential", "fixed"]),
    delayMs: checkInteger(where, "retry.delayMs", delayMs, 0, 2 ** 31 - 1),
    maxDelayMs: checkInteger(where, "retry.maxDelayMs", maxDelayMs, 0, 2 ** 31 - 1),
  };
}

/** The pause after this many attempts, in ms. */
export function pauseAfter(attempts: number, { backoff, delayMs, maxDelayMs }: CheckedProcessOptions["retry"]): number {
  return Math.min(maxDelayMs, backoff === "fixed" ? delayMs : delayMs * 2 ** Math.min(attempts - 1, 31));
}
