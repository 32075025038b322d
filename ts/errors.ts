// Every error a user can meet: one base class with a stable code, whether trying again can help and whether
// the outcome is unknown; subclasses where an error carries figures of its own. No decision anywhere is
// taken by looking at message text.

import { leaveOwnFramesOut, raiseStackLimit, restoreStackLimit } from "./call_site.js";
import type { BatchResult } from "./producer/result.js";

/** The codes, stable between releases. */
export const ERROR_CODES = [
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
  "ERR_TIDELOG_UNSUPPORTED_VERSION",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What an error says beside its code and message. */
export interface ErrorDetails {
  /** Whether the same call may succeed later with nothing mended in the program. Default false. */
  retriable?: boolean | undefined;
  /** Whether it is unknown if the records were stored. Default false: nothing was. */
  indefinite?: boolean | undefined;
  /** What led to it. */
  cause?: unknown;
}

/** The base of every error that this package throws or rejects with. */
export class TidelogError extends Error {
  override name = "TidelogError";
  /** Stable between releases; the message is not. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later with nothing mended in the program. */
  readonly retriable: boolean;
  /** True only when it is unknown whether the records were stored: they may be found later. */
  readonly indefinite: boolean;
  /** Of a failed `sendBatch`: which of its records were appended all the same, and where. */
  declare appended?: BatchResult;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const limit = raiseStackLimit();
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    restoreStackLimit(limit);
    leaveOwnFramesOut(this);
    this.code = code;
    this.retriable = details.retriable ?? false;
    this.indefinite = details.indefinite ?? false;
  }
}

/** The log, or the handle that was used, is closed. */
export class ClosedError extends TidelogError {
  override name = "ClosedError";
  constructor(what: string, details: ErrorDetails = {}) {
    super("ERR_TIDELOG_CLOSED", `${what} is closed; open a new one`, details);
  }
}

/** An `AbortSignal` ended the wait. Its reason is the `cause`. Named `AbortError`, as everywhere in Node. */
export class AbortedError extends TidelogError {
  override name = "AbortError";
  constructor(what: string, reason: unknown) {
    super("ERR_TIDELOG_ABORTED", `${what} was aborted by its signal`, { cause: reason });
  }
}

/** An argument or option is not what the call takes. */
export class InvalidArgumentError extends TidelogError {
  override name = "InvalidArgumentError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("ERR_TIDELOG_INVALID_ARGUMENT", message, details);
  }
}

/** A filter can't be compiled. The message says why, and shows the place. */
export class InvalidFilterError extends TidelogError {
  override name = "InvalidFilterError";
  /** Where in its text what is wrong begins: an index, as of `text[position]`; the length if something is missing. */
  readonly position: number;
  constructor(message: string, position: number, details: ErrorDetails = {}) {
    super("ERR_TIDELOG_INVALID_FILTER", message, details);
    this.position = position;
  }
}

/** A serde or schema refused a value, on its way in or out. */
export class SerializationError extends TidelogError {
  override name = "SerializationError";
  /** Where the record stands, when it was read. */
  readonly topic: string | undefined;
  readonly partition: number | undefined;
  readonly offset: number | undefined;
  constructor(message: string, cause?: unknown, place?: { topic: string; partition: number; offset: number }) {
    super("ERR_TIDELOG_SERIALIZATION", message, { cause });
    this.topic = place?.topic;
    this.partition = place?.partition;
    this.offset = place?.offset;
  }
}

/**
 * A handler given to `consumer.run` or `log.process` threw for a record, as often as it may be tried, and there is no dead
 * letter topic for it. What it threw last is the `cause`. The record is not committed, and comes first the next time.
 */
export class HandlerError extends TidelogError {
  override name = "HandlerError";
  /** Where the record stands. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** How often it was tried. */
  readonly attempts: number;
  constructor(
    message: string,
    at: { topic: string; partition: number; offset: number },
    attempts: number,
    cause: unknown,
  ) {
    super("ERR_TIDELOG_HANDLER_FAILED", message, {
      retriable: cause instanceof TidelogError && cause.retriable,
      cause,
    });
    this.topic = at.topic;
    this.partition = at.partition;
    this.offset = at.offset;
    this.attempts = attempts;
  }
}

/** The store is open for writing in another process. */
export class StoreLockedError extends TidelogError {
  override name = "StoreLockedError";
  /** The process that holds it, where it could be read. */
  readonly pid: number | undefined;
  constructor(message: string, pid: number | undefined, details: ErrorDetails) {
    super("ERR_TIDELOG_STORE_LOCKED", message, details);
    this.pid = pid;
  }
}

/** The offset asked for is not, or no longer, held. */
export class OffsetOutOfRangeError extends TidelogError {
  override name = "OffsetOutOfRangeError";
  /** The offset asked for. */
  readonly offset: number;
  /** The first offset held. */
  readonly logStartOffset: number;
  /** The offset after the last one that may be read. */
  readonly highWatermark: number;
  constructor(message: string, numbers: readonly number[], details: ErrorDetails) {
    super("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", message, details);
    this.offset = numbers[0] ?? Number.NaN;
    this.logStartOffset = numbers[1] ?? Number.NaN;
    this.highWatermark = numbers[2] ?? Number.NaN;
  }
}

/** Stored bytes are not what was written. They are never served; what lies around them stays readable. */
export class CorruptionError extends TidelogError {
  override name = "CorruptionError";
  /** The damaged file. */
  readonly path: string | undefined;
  constructor(message: string, path: string | undefined, details: ErrorDetails) {
    super("ERR_TIDELOG_CORRUPTION", message, details);
    this.path = path;
  }
}

/** The buffer given to a raw read can't hold the next batch. */
export class BufferTooSmallError extends TidelogError {
  override name = "BufferTooSmallError";
  /** The bytes that the next batch needs. */
  readonly needed: number;
  constructor(needed: number, given: number) {
    super(
      "ERR_TIDELOG_BUFFER_TOO_SMALL",
      `the next batch has ${needed} bytes and the buffer ${given}; give a larger one`,
    );
    this.needed = needed;
  }
}

/**
 * Another has taken the name or transactional id over since (KIP-98): this producer's time is up, and nothing of what
 * it asked for was done. Let the other one work; to take over from it, make a new producer.
 */
export class ProducerFencedError extends TidelogError {
  override name = "ProducerFencedError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("ERR_TIDELOG_PRODUCER_FENCED", message, details);
  }
}

/**
 * A member of a group wanted to commit for a partition that is not its own any more: it was expelled, or has given the
 * partition up. Nothing was committed; whoever owns it now begins at what was committed before. A loop goes on by itself.
 */
export class FencedMemberError extends TidelogError {
  override name = "FencedMemberError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("ERR_TIDELOG_FENCED_MEMBER", message, details);
  }
}

/** A record was not appended, since it would not have got the offset that its sender expected: somebody was faster. */
export class OffsetConflictError extends TidelogError {
  override name = "OffsetConflictError";
  /** The offset that was expected. */
  readonly expected: number;
  /** The offset that the record would have got. */
  readonly actual: number;
  constructor(message: string, numbers: readonly number[], details: ErrorDetails) {
    super("ERR_TIDELOG_OFFSET_CONFLICT", message, details);
    this.expected = numbers[0] ?? Number.NaN;
    this.actual = numbers[1] ?? Number.NaN;
  }
}

/** A sequence that leaves some out: those before it were never stored. Nothing was appended. */
export class OutOfOrderSequenceError extends TidelogError {
  override name = "OutOfOrderSequenceError";
  /** The sequence that is next. */
  readonly expected: number;
  /** The one that was given. */
  readonly given: number;
  constructor(message: string, numbers: readonly number[], details: ErrorDetails) {
    super("ERR_TIDELOG_OUT_OF_ORDER_SEQUENCE", message, details);
    this.expected = numbers[0] ?? Number.NaN;
    this.given = numbers[1] ?? Number.NaN;
  }
}

/** A transaction holds more than its `maxBytes`. Only an abort is left to it. */
export class TransactionTooLargeError extends TidelogError {
  override name = "TransactionTooLargeError";
  /** Bytes that it would have held. */
  readonly size: number;
  /** Bytes that it may hold. */
  readonly limit: number;
  constructor(message: string, numbers: readonly number[], details: ErrorDetails) {
    super("ERR_TIDELOG_TRANSACTION_TOO_LARGE", message, details);
    this.size = numbers[0] ?? Number.NaN;
    this.limit = numbers[1] ?? Number.NaN;
  }
}

/** A transaction was not committed within its `timeoutMs`, and is aborted. */
export class TransactionTimedOutError extends TidelogError {
  override name = "TransactionTimedOutError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("ERR_TIDELOG_TRANSACTION_TIMED_OUT", message, details);
  }
}
