// What is done about a handler that fails: how often it is tried again, and after what pause.

import { checkDuration, checkInteger, checkOneOf, checkOptions } from "../options.js";
import type { Duration } from "../time.js";

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

/** Checked and complete. */
export interface CheckedRetryOptions {
  attempts: number;
  backoff: "exponential" | "fixed";
  delayMs: number;
  maxDelayMs: number;
}

/** Checks what was given and fills in the defaults. */
export function retryOptions(where: string, given: RetryOptions | undefined): CheckedRetryOptions {
  checkOptions(`${where}: retry`, given, ["attempts", "backoff", "delayMs", "maxDelayMs"]);
  const { attempts = 5, backoff = "exponential", delayMs = 100, maxDelayMs = 30_000 } = given ?? {};
  return {
    attempts: checkInteger(where, "retry.attempts", attempts, 1),
    backoff: checkOneOf(where, "retry.backoff", backoff, ["exponential", "fixed"]),
    delayMs: checkDuration(where, "retry.delayMs", delayMs, 0, 2 ** 31 - 1),
    maxDelayMs: checkDuration(where, "retry.maxDelayMs", maxDelayMs, 0, 2 ** 31 - 1),
  };
}

/** The pause after this many attempts, in ms. */
export function pauseAfter(attempts: number, { backoff, delayMs, maxDelayMs }: CheckedRetryOptions): number {
  return Math.min(maxDelayMs, backoff === "fixed" ? delayMs : delayMs * 2 ** Math.min(attempts - 1, 31));
}
