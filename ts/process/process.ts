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
  HandlerError,
  InvalidArgumentError,
  ProducerFencedError,
  SerializationError,
  TidelogError,
} from "../errors.js";
import { DeadLetter } from "../handling/dead_letter.js";
import { Failures, type RecordAt } from "../handling/failures.js";
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

/** What a record has failed by so far. */
interface Attempts {
  attempts: number;
  cause: unknown;
}

/** A record that goes to the dead letter topic with the batch in hand. */
interface Burial extends Attempts {
  at: RecordAt;
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
  readonly #failures: Failures;
  readonly #attempts = new Map<string, Attempts>();
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
    failures: Failures,
  ) {
    this.#options = options;
    this.#handler = handler;
    this.#reading = reading;
    this.#producer = producer;
    this.#deadLetter = deadLetter;
    this.#failures = failures;
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
    const done = { handled: 0, dead: 0, buried: [] as Burial[] };
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
      const records = await this.#take(tx, done.buried);
      taken = records === "passed" ? 1 : records.length;
      since = startOf(processed);
      if (records === "passed") done.dead = 1;
      else if (records.length === 0 && !movesOn(tx)) return "end";
      else await this.#handle(tx, end, records, failure, done);
      await end.commit();
      publish();
      if (records !== "passed") for (const record of records) this.#attempts.delete(keyOf(record));
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
    for (const { at, attempts, cause } of done.buried) {
      this.#failures.buried(at, this.#deadLetter!.topic.name, attempts, cause);
    }
    this.#processed += done.handled;
    this.#deadLettered += done.dead;
    this.#failed = 0;
    this.#batch = this.#options.batch;
    return undefined;
  }

  /** The next records; "passed" if the first can't be read, and went to the dead letter topic. */
  async #take(tx: Transaction, buried: Burial[]): Promise<ConsumerRecord<unknown, unknown>[] | "passed"> {
    try {
      return await takeInLoop(tx, this.#reading, this, this.#batch);
    } catch (error) {
      if (!(error instanceof SerializationError) || this.#deadLetter === undefined) throw error;
      const { topic, partition, offset } = error;
      if (topic === undefined || partition === undefined || offset === undefined) throw error;
      passOverIn(tx, this.#reading, offset);
      // It will not become readable by being tried again.
      await this.#bury(tx, buried, { at: { topic, partition, offset }, attempts: 1, cause: error });
      return "passed";
    }
  }

  async #handle(
    tx: Transaction,
    end: TransactionEnd,
    records: readonly ConsumerRecord<unknown, unknown>[],
    failure: BatchFailure,
    done: { handled: number; dead: number; buried: Burial[] },
  ): Promise<void> {
    failure.taken = records.length;
    for (const record of records) {
      const known = this.#attempts.get(keyOf(record));
      if (known !== undefined && known.attempts >= this.#options.retry.attempts) {
        failure.at = undefined;
        await this.#bury(tx, done.buried, { at: placeOf(record), ...known });
        done.dead += 1;
      } else {
        failure.at = placeOf(record);
        await this.#call(tx, record);
        done.handled += 1;
      }
      // Ended in the middle, by its timeout for example: the commit says why.
      if (tx.state !== "open") await end.commit();
    }
    // What goes wrong from here on is nobody's fault, unless there is only one.
    if (records.length > 1) failure.at = undefined;
  }

  async #call(tx: Transaction, record: ConsumerRecord<unknown, unknown>): Promise<void> {
    try {
      await this.#handler(record, tx);
    } catch (cause) {
      // Why the transaction has ended says more than that the handler could not use it.
      if (cause !== undefined && cause === failureOf(tx)) throw cause;
      throw this.#failures.of(record, (this.#attempts.get(keyOf(record))?.attempts ?? 0) + 1, cause);
    }
  }

  /** Has a record sent to the dead letter topic by the transaction that takes it. */
  async #bury(tx: Transaction, buried: Burial[], burial: Burial): Promise<void> {
    const { at, cause, attempts } = burial;
    const { maxBytes } = this.#options.transaction;
    const letter = await this.#deadLetter!.letter(at, cause, attempts, maxBytes);
    if (letter === undefined) return;
    tx.send(this.#deadLetter!.topic, letter);
    buried.push(burial);
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
      attempts = (this.#attempts.get(keyOf(at))?.attempts ?? 0) + 1;
      const thrown = cause instanceof HandlerError ? cause.cause : cause;
      this.#attempts.set(keyOf(at), { attempts, cause: thrown });
      if (attempts >= retry.attempts) {
        if (this.#deadLetter !== undefined) return true;
        throw cause instanceof HandlerError ? this.#failures.ended(cause) : cause;
      }
      this.#failures.retry(at, attempts, pauseAfter(attempts, retry), thrown);
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

/** Where a record stands, without what it holds. */
function placeOf({ topic, partition, offset }: RecordAt): RecordAt {
  return { topic, partition, offset };
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
  const by = { where, group, id } as const;
  const dead = deadLetter === undefined ? undefined : await DeadLetter.open(context, deadLetter, by, topics);
  const producer = await openTransactional(context, where, id, transaction);
  try {
    const reading = new Reading(context, consumer);
    return await new Processing(options, handler, reading, producer, dead, new Failures(context, by)).run();
  } finally {
    await producer.close();
  }
}
