// What is told of handlers that fail: to `tidelog:retry` and `tidelog:deadletter`, to `log.metrics()`, and by the error that
// ends a run or a processing.

import type { LogContext } from "../context.js";
import { deadLettered, publishError, retried } from "../diagnostics.js";
import { HandlerError } from "../errors.js";
import { textOf } from "../thrown.js";

/** Names a record. */
export interface RecordAt {
  topic: string;
  partition: number;
  offset: number;
}

/** Which call the handlers belong to. */
export interface HandledBy {
  /** The call, for messages. */
  readonly where: "consumer.run" | "log.process";
  readonly group: string | undefined;
  /** The transactional id of a processing. */
  readonly id: string | undefined;
}

/** Counts of a log's handlers. */
export interface HandlerCounts {
  failures: number;
  retries: number;
  deadLettered: number;
}

/** The failures of one run or processing. */
export class Failures {
  readonly by: HandledBy;
  readonly #context: LogContext;

  constructor(context: LogContext, by: HandledBy) {
    this.#context = context;
    this.by = by;
  }

  /** What a handler threw, as an error that names the record. */
  of({ topic, partition, offset }: RecordAt, attempts: number, cause: unknown): HandlerError {
    this.#context.handlers.failures += 1;
    const times = attempts === 1 ? "once" : `${attempts} times`;
    const text = `${this.by.where}: the handler failed ${times} for ${topic}-${partition}, offset ${offset}: ${textOf(cause)}`;
    const help = "mend it, or give a deadLetter topic for such records; the record comes first the next time";
    return new HandlerError(`${text}; ${help}`, { topic, partition, offset }, attempts, cause);
  }

  /** The record will be handled again after a pause. */
  retry({ topic, partition, offset }: RecordAt, attempt: number, delayMs: number, error: unknown): void {
    this.#context.handlers.retries += 1;
    if (retried.hasSubscribers) {
      retried.publish({ ...this.#place(), topic, partition, offset, attempt, delayMs, error });
    }
  }

  /** The record is in the dead letter topic. */
  buried({ topic, partition, offset }: RecordAt, to: string, attempts: number, error: unknown): void {
    this.#context.handlers.deadLettered += 1;
    if (deadLettered.hasSubscribers) {
      deadLettered.publish({ ...this.#place(), topic, partition, offset, deadLetter: to, attempts, error });
    }
  }

  /** Nothing more is tried. */
  ended(error: HandlerError): HandlerError {
    const { topic, partition } = error;
    publishError({ path: this.#context.path, operation: "handle", topic, partition, error });
    return error;
  }

  #place() {
    const { group, id } = this.by;
    return { path: this.#context.path, group: group ?? null, id: id ?? null };
  }
}
