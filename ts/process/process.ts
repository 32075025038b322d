// `log.process`: reads records, has them handled, and commits what the handlers sent together with the offsets, a batch
// at a time, until it is told to stop. A batch that fails is aborted and taken again.

import { setTimeout as sleep } from "node:timers/promises";
import { checkAborted } from "../abort.js";
import { readingOptions } from "../consumer/options.js";
import { Reading } from "../consumer/reading.js";
import type { LogContext } from "../context.js";
import { processed, publishTimed, startOf } from "../diagnostics.js";
import {
  AbortedError,
  FencedMemberError,
  InvalidArgumentError,
  ProducerFencedError,
  SerializationError,
  TidelogError,
} from "../errors.js";
import { DeadLetter, type RecordAt } from "../handling/dead_letter.js";
import { pauseAfter } from "../handling/retry.js";
import { shown } from "../options.js";
import type { ConsumerRecord } from "../record.js";
import { openTransactional, type TransactionalProducer } from "../transaction/producer.js";
import {
  failureOf,
  lendTransaction,
  movesOn,
  passOverIn,
  type Transaction,
  type TransactionEnd,
  takeInLoop,
} from "../transaction/transaction.js";
import { type CheckedProcessOptions, type ProcessOptions, type ProcessReport, processOptions } from "./options.js";

/** Handles one record; what it sends goes by `tx`, which is committed when the batch is through. */
export type Handler<R> = (record: R, tx: Transaction) => unknown;

/** A record's failures so far. */
interface Failures {
  attempts: number;
  cause: unknown;
}

/** Why a batch was aborted. */
interface BatchFailure {
  cause: unknown;
  /** The record that is to blame, if one is. */
  at: RecordAt | undefined;
  /** Records that were in it. */
  taken: number;
  /** Whether trying again is of no use, since the handler is written wrong. */
  isFinal: boolean;
}

/** One call of `log.process`. */
class Processing {
  readonly #options: CheckedProcessOptions;
  readonly #handler: Handler<ConsumerRecord<unknown, unknown>>;
  readonly #reading: Reading;
  readonly #producer: TransactionalProducer;
  readonly #deadLetter: DeadLetter | undefined;
  readonly #failures = new Map<string, Failures>();
  /** Records to take at once; fewer for a while after a transaction that was too much. */
  #batch: number;
  /** Batches in a row that failed with no record to blame. */
  #failed = 0;
  #processed = 0;
  #deadLettered = 0;

  constructor(
    options: CheckedProcessOptions,
    handler: Handler<ConsumerRecord<unknown, unknown>>,
    reading: Reading,
    producer: TransactionalProducer,
    deadLetter: DeadLetter | undefined,
  ) {
    this.#options = options;
    this.#handler = handler;
    this.#reading = reading;
    this.#producer = producer;
    this.#deadLetter = deadLetter;
    this.#batch = options.batch;
  }

  async run(): Promise<ProcessReport> {
    const { signal } = this.#options;
    try {
      await this.#reading.begin(this);
      let going = true;
      while (going && !signal?.aborted) {
        const failure = await this.#next();
        going = failure === undefined || (failure !== "end" && (await this.#recover(failure)));
      }
    } finally {
      await this.#reading.finish(this);
      await this.#reading.close(0);
      await this.#producer.close();
    }
    if (signal?.aborted) throw new AbortedError("log.process", signal.reason);
    return { processed: this.#processed, deadLettered: this.#deadLettered };
  }

  /** One batch, in a transaction. */
  async #next(): Promise<BatchFailure | "end" | undefined> {
    const { signal } = this.#options;
    let tx: Transaction | undefined;
    let end: TransactionEnd | undefined;
    const failure: BatchFailure = { cause: undefined, at: undefined, taken: 0, isFinal: false };
    const done = { handled: 0, dead: 0 };
    let since = Number.NaN;
    let taken = 0;
    const publish = (error?: unknown) => {
      const { id, group } = this.#options;
      const event = () => ({ path: this.#reading.path, id, group, records: taken, deadLettered: done.dead });
      publishTimed(processed, since, event, error);
    };
    try {
      tx = this.#producer.begin({ signal });
      end = lendTransaction(tx, "log.process");
      const records = await this.#take(tx);
      taken = records === "passed" ? 1 : records.length;
      since = startOf(processed);
      if (records === "passed") done.dead = 1;
      else if (records.length === 0 && !movesOn(tx)) return "end";
      else await this.#handle(tx, end, records, failure, done);
      await end.commit();
      publish();
      if (records !== "passed") for (const record of records) this.#failures.delete(keyOf(record));
    } catch (error) {
      // A handler that fails since its partitions are gone is not to blame.
      const ended = tx === undefined ? undefined : failureOf(tx);
      const isFinal = end?.misuse() !== undefined;
      const cause = isFinal || ended instanceof FencedMemberError ? ended : error;
      publish(cause);
      return { ...failure, cause, isFinal };
    } finally {
      // Of use where it was not committed; the records are the consumer's again then.
      await end?.dispose();
    }
    this.#processed += done.handled;
    this.#deadLettered += done.dead;
    this.#failed = 0;
    this.#batch = this.#options.batch;
    return undefined;
  }

  /** The next records; "passed" if the first can't be read, and went to the dead letter topic. */
  async #take(tx: Transaction): Promise<ConsumerRecord<unknown, unknown>[] | "passed"> {
    try {
      return await takeInLoop(tx, this.#reading, this, this.#batch);
    } catch (error) {
      if (!(error instanceof SerializationError) || this.#deadLetter === undefined) throw error;
      const { topic, partition, offset } = error;
      if (topic === undefined || partition === undefined || offset === undefined) throw error;
      passOverIn(tx, this.#reading, offset);
      // It will not become readable by being tried again.
      await this.#bury(tx, { topic, partition, offset }, error, 1);
      return "passed";
    }
  }

  async #handle(
    tx: Transaction,
    end: TransactionEnd,
    records: readonly ConsumerRecord<unknown, unknown>[],
    failure: BatchFailure,
    done: { handled: number; dead: number },
  ): Promise<void> {
    failure.taken = records.length;
    for (const record of records) {
      const known = this.#failures.get(keyOf(record));
      if (known !== undefined && known.attempts >= this.#options.retry.attempts) {
        failure.at = undefined;
        await this.#bury(tx, record, known.cause, known.attempts);
        done.dead += 1;
      } else {
        failure.at = record;
        await this.#handler(record, tx);
        done.handled += 1;
      }
      // Ended in the middle, by its timeout for example: the commit says why.
      if (tx.state !== "open") await end.commit();
    }
    // What goes wrong from here on is nobody's fault, unless there is only one.
    if (records.length > 1) failure.at = undefined;
  }

  /** Has a record sent to the dead letter topic by the transaction that takes it. */
  async #bury(tx: Transaction, at: RecordAt, cause: unknown, attempts: number): Promise<void> {
    const letter = await this.#deadLetter!.letter(at, cause, attempts);
    if (letter !== undefined) tx.send(this.#deadLetter!.topic, letter);
  }

  /** Decides what becomes of a failure: false ends the processing, true tries again, after a pause where that is due. */
  async #recover({ cause, at, taken, isFinal }: BatchFailure): Promise<boolean> {
    if (isFinal) throw cause;
    if (this.#reading.isClosed) return false;
    if (cause instanceof ProducerFencedError) throw cause;
    const { retry, signal } = this.#options;
    // Whoever has got the partitions handles it.
    if (cause instanceof FencedMemberError) return signal?.aborted !== true;
    if (isTooMuch(cause) && taken > 1) {
      this.#batch = taken >> 1;
      return true;
    }
    let attempts: number;
    if (at === undefined) {
      attempts = ++this.#failed;
      const retriable = cause instanceof TidelogError && cause.retriable;
      if (signal?.aborted) return false;
      if (!retriable || attempts >= retry.attempts) throw cause;
    } else {
      if (signal?.aborted) return false;
      attempts = (this.#failures.get(keyOf(at))?.attempts ?? 0) + 1;
      this.#failures.set(keyOf(at), { attempts, cause });
      if (attempts >= retry.attempts) {
        if (this.#deadLetter === undefined) throw cause;
        return true;
      }
    }
    const { closing } = this.#reading;
    const ended = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    await sleep(pauseAfter(attempts, retry), undefined, { signal: ended }).catch(() => {});
    return true;
  }
}

/** Whether less in one transaction may help. */
function isTooMuch(error: unknown): boolean {
  const code = error instanceof TidelogError ? error.code : undefined;
  return code === "ERR_TIDELOG_TRANSACTION_TOO_LARGE" || code === "ERR_TIDELOG_TRANSACTION_TIMED_OUT";
}

function keyOf({ topic, partition, offset }: RecordAt): string {
  return `${topic}-${partition}-${offset}`;
}

/** Consumes, processes and produces, until it is told to stop. */
export async function processRecords(
  context: LogContext,
  given: ProcessOptions,
  handler: Handler<ConsumerRecord<unknown, unknown>>,
): Promise<ProcessReport> {
  const where = "log.process";
  const options = processOptions(given);
  if (typeof handler !== "function") {
    throw new InvalidArgumentError(`${where}: give a function that handles a record, not ${shown(handler)}`);
  }
  const { id, topics, group, membership, start, filter, until, onOutOfRange, signal, transaction, deadLetter } =
    options;
  checkAborted(where, signal);
  context.checkOpen();
  const consumer = readingOptions({
    ...membership,
    topics,
    group,
    delivery: "manual",
    from: start,
    filter,
    until,
    onOutOfRange,
  });
  const dead = deadLetter === undefined ? undefined : await DeadLetter.open(context, deadLetter);
  const producer = await openTransactional(context, where, id, transaction);
  try {
    const reading = new Reading(context, consumer);
    return await new Processing(options, handler, reading, producer, dead).run();
  } finally {
    await producer.close();
  }
}
