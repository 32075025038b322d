// The binding's errors as users catch them: its description of one, beside an answer or as JSON in the message of what
// it threw, becomes the class and the figures.

import type { NativeError } from "./binding.js";
import {
  ClosedError,
  CorruptionError,
  ERROR_CODES,
  type ErrorCode,
  FencedMemberError,
  InvalidArgumentError,
  InvalidFilterError,
  OffsetConflictError,
  OffsetOutOfRangeError,
  OutOfOrderSequenceError,
  ProducerFencedError,
  StoreLockedError,
  TidelogError,
  TransactionTimedOutError,
  TransactionTooLargeError,
} from "./errors.js";

/** Kafka's words for what are options here. Others are spelt the same, such as `retention.ms` for `retention: { ms }`. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ["max.message.bytes", "maxBatchBytes"],
  ["message.timestamp.after.max.ms", "maxFutureMs"],
  ["message.timestamp.type", "timestamps"],
  ["min.cleanable.dirty.ratio", "compaction.minDirtyRatio"],
  ["min.compaction.lag.ms", "compaction.minLagMs"],
  ["max.compaction.lag.ms", "compaction.maxLagMs"],
  ["delete.retention.ms", "compaction.deleteRetentionMs"],
  ["cleanup.policy", "cleanup"],
  ["compression.type", "compression"],
  ["index.interval.bytes", "indexIntervalBytes"],
]);
const KAFKA_WORDS = new RegExp(`(?<![\\w.])(?:${[...OPTIONS.keys()].join("|").replaceAll(".", "\\.")})(?![\\w.])`, "g");

/** A message in the words of the options here; what is said of files keeps the words that stand in them. */
function inWordsOfOptions({ code, message }: NativeError): string {
  if (code === "ERR_TIDELOG_CORRUPTION") return message;
  return message.replace(KAFKA_WORDS, (word) => OPTIONS.get(word)!);
}

/** Turns the binding's description of an error into the class a user catches. */
export function fromNative(native: NativeError, cause?: unknown): TidelogError {
  const error = { ...native, message: inWordsOfOptions(native) };
  const details = { retriable: error.retriable, indefinite: error.indefinite, cause };
  const numbers = error.numbers ?? [];
  switch (error.code) {
    case "ERR_TIDELOG_STORE_LOCKED":
      return new StoreLockedError(error.message, numbers[0], details);
    case "ERR_TIDELOG_OFFSET_OUT_OF_RANGE":
      return new OffsetOutOfRangeError(error.message, numbers, details);
    case "ERR_TIDELOG_CORRUPTION":
      return new CorruptionError(error.message, error.path, details);
    case "ERR_TIDELOG_CLOSED":
      return new ClosedError("the log", details);
    case "ERR_TIDELOG_INVALID_ARGUMENT":
      return new InvalidArgumentError(error.message, details);
    case "ERR_TIDELOG_INVALID_FILTER":
      return new InvalidFilterError(error.message, numbers[0] ?? Number.NaN, details);
    case "ERR_TIDELOG_PRODUCER_FENCED":
      return new ProducerFencedError(error.message, details);
    case "ERR_TIDELOG_FENCED_MEMBER":
      return new FencedMemberError(error.message, details);
    case "ERR_TIDELOG_OFFSET_CONFLICT":
      return new OffsetConflictError(error.message, numbers, details);
    case "ERR_TIDELOG_OUT_OF_ORDER_SEQUENCE":
      return new OutOfOrderSequenceError(error.message, numbers, details);
    case "ERR_TIDELOG_TRANSACTION_TOO_LARGE":
      return new TransactionTooLargeError(error.message, numbers, details);
    case "ERR_TIDELOG_TRANSACTION_TIMED_OUT":
      return new TransactionTimedOutError(error.message, details);
    default:
      return new TidelogError(isErrorCode(error.code) ? error.code : "ERR_TIDELOG_INTERNAL", error.message, details);
  }
}

/** Turns whatever a call of the binding threw into a TidelogError; the description travels as JSON in the message. */
export function fromThrown(thrown: unknown): TidelogError {
  if (thrown instanceof TidelogError) return thrown;
  const { code, message } = (thrown ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === "string" && code.startsWith("ERR_TIDELOG_") && typeof message === "string") {
    const described = parsed(message);
    if (described !== undefined) return fromNative({ ...described, code });
    return fromNative({ code, message, retriable: false, indefinite: false });
  }
  if (typeof message === "string") {
    return new TidelogError("ERR_TIDELOG_INTERNAL", `the binding failed: ${message}`, { cause: thrown });
  }
  return new TidelogError("ERR_TIDELOG_INTERNAL", "the binding failed", { cause: thrown });
}

function parsed(message: string): NativeError | undefined {
  try {
    const value: unknown = JSON.parse(message);
    if (typeof value === "object" && value !== null && "message" in value) return value as NativeError;
  } catch {
    // Not a description: a message for people.
  }
  return undefined;
}

function isErrorCode(code: string): code is ErrorCode {
  return (ERROR_CODES as readonly string[]).includes(code);
}
