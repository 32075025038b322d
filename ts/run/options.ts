// What `consumer.run` can be told, and what it tells.

import { type CheckedRetryOptions, type RetryOptions, retryOptions } from "../handling/retry.js";
import { checkInteger, checkOptions, checkSignal } from "../options.js";
import type { AnyTopic } from "../topic.js";

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

/** Checked and complete. */
export interface CheckedRunOptions {
  concurrency: number;
  retry: CheckedRetryOptions;
  deadLetter: AnyTopic | string | undefined;
  signal: AbortSignal | undefined;
}

/** Checks what was given and fills in the defaults. `once`: no record is tried twice. */
export function consumerRunOptions(given: ConsumerRunOptions | undefined, once: boolean): CheckedRunOptions {
  const where = "consumer.run";
  checkOptions(where, given, once ? ["concurrency", "deadLetter", "signal"] : NAMES);
  const { concurrency = 1, retry, deadLetter, signal } = given ?? {};
  return {
    concurrency: checkInteger(where, "concurrency", concurrency, 1, 10_000),
    retry: retryOptions(where, once ? { attempts: 1 } : retry),
    deadLetter,
    signal: checkSignal(where, signal),
  };
}

const NAMES = ["concurrency", "retry", "deadLetter", "signal"] as const;
