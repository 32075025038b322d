// One transaction: what is sent in it, the consumers whose records it has taken, and its one end.

import { performance } from "node:perf_hooks";
import { onAbort } from "../abort.js";
import type { Consumer } from "../consumer/consumer.js";
import { readingOf } from "../consumer/consumer.js";
import type { Reading } from "../consumer/reading.js";
import type { LogContext } from "../context.js";
import {
  publishError,
  publishTimed,
  startOf,
  transactionAborted,
  transactionBegun,
  transactionCommitted,
} from "../diagnostics.js";
import { AbortedError, InvalidArgumentError, TidelogError, TransactionTimedOutError } from "../errors.js";
import { direct, type NativeTransactionalProducer, type NativeTransactionNumber, tickets } from "../native.js";
import { fromNative } from "../native_errors.js";
import { checkInteger, checkOptions, checkSignal, shown } from "../options.js";
import type { BytesRecord, Into } from "../producer/producer.js";
import type { ConsumerRecord, ProducerRecord } from "../record.js";
import { showAs } from "../shown_as.js";
import type { TopicState } from "../topic_state.js";
import { numberText } from "./number.js";
import type { CheckedTransactionOptions, OffsetToCommit, TakeOptions } from "./options.js";
import { type TransactionResult, transactionResult } from "./result.js";
import { Sends } from "./sends.js";
import { type GroupOffsets, givenOffsets, Takings } from "./takings.js";

type AnyRecord = ProducerRecord<unknown, unknown>;

/** Records as a transaction takes them of a consumer: without a `commit` of their own. */
export type Taken<R> = R extends ConsumerRecord<infer K, infer V> ? ConsumerRecord<K, V> : never;

/**
 * How far a transaction is. `"unknown"`: its commit failed in such a way that only `log.transactionOutcome` can tell, once
 * the store has been opened again.
 */
export type TransactionState = "open" | "committing" | "committed" | "aborted" | "unknown";

/** What a transaction is part of. */
export interface TransactionOwner {
  readonly context: LogContext;
  readonly native: NativeTransactionalProducer;
  readonly id: string;
  readonly options: CheckedTransactionOptions;
  /** The transaction has ended, and another may begin. */
  ended(transaction: Transaction): void;
}

let makeTransaction: (owner: TransactionOwner, signal: AbortSignal | undefined) => Transaction;
let lend: (tx: Transaction, lender: string) => TransactionEnd;
let take: (tx: Transaction, reading: Reading, loop: object | undefined, options: TakeOptions) => Promise<AnyTaken>;
let pass: (tx: Transaction, reading: Reading, offset: number) => void;
let hasMoved: (tx: Transaction) => boolean;
let givenUp: (tx: Transaction) => boolean;
let fail: (tx: Transaction, error: TidelogError) => Promise<void>;
let failed: (tx: Transaction) => TidelogError | undefined;
let clock: (tx: Transaction) => void;
let over: (tx: Transaction) => Promise<TransactionOver>;

type AnyTaken = ConsumerRecord<unknown, unknown>[];

/** How a transaction has ended. */
export interface TransactionOver {
  /** Why it is not committed; undefined if it is, or was aborted by hand. */
  readonly failure: TidelogError | undefined;
}

/** The way to end a transaction that was lent to a function. */
export interface TransactionEnd {
  commit(): Promise<TransactionResult>;
  /** Aborts it, unless it was committed. */
  dispose(): Promise<void>;
  /** The error if the function has tried to end it: it is aborted then. */
  misuse(): TidelogError | undefined;
}

/**
 * Records and committed offsets that become visible together, durably, or not at all (KIP-98): until the commit they
 * are held in memory, and the log never holds what is not committed. All topics sent to must have durability `"fsync"`.
 *
 * A record that can't be serialized, or a topic that can't take part, throws at its `send`, and the others go on. What the
 * engine refuses later (too many bytes, a record too large, an id that another has taken over) ends the transaction: from
 * then on every call fails with it, the commit above all.
 */
export class Transaction implements AsyncDisposable {
  readonly #owner: TransactionOwner;
  readonly #sends: Sends;
  readonly #takings = new Takings((error) => void this.#fail(error));
  readonly #aborter = new AbortController();
  readonly #quiet: () => void;
  #state: TransactionState = "open";
  #number: NativeTransactionNumber | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Until when it must be committed; 0 while its clock does not run. */
  #deadline = 0;
  /** Whether its clock runs before it has begun, except while it waits for records. */
  #clocked = false;
  readonly #over: Promise<TransactionOver>;
  #tellOver!: (over: TransactionOver) => void;
  /** Whether a commit has been tried, so that nothing can be added. */
  #sealed = false;
  /** Whether it is to be aborted if the commit under way fails. */
  #doomed = false;
  /** Why it can't be committed any more. */
  #failure: TidelogError | undefined;
  /** Whether it was aborted by hand. */
  #givenUp = false;
  /** Which call ends it, if the function that has it must not. */
  #lender: string | undefined;
  /** Why it can't be committed, if that function has tried to end it. */
  #misuse: TidelogError | undefined;
  /** What the engine said to something that was sent. */
  #refused: TidelogError | undefined;
  #outcome: Promise<TransactionResult> | undefined;
  #ending: Promise<void> | undefined;

  private constructor(owner: TransactionOwner, signal: AbortSignal | undefined) {
    this.#owner = owner;
    this.#over = new Promise((resolve) => {
      this.#tellOver = resolve;
    });
    this.#sends = new Sends(owner.context, owner.native, owner.options.partitioner, (error) => this.#refuse(error));
    this.#quiet = onAbort([signal], () => void this.#fail(new AbortedError("the transaction", signal?.reason)));
  }

  static {
    showAs(Transaction, (tx) => ({
      id: tx.#owner.id,
      ...(tx.#number === undefined ? {} : { number: numberText(tx.#number) }),
      state: tx.#state,
    }));
    makeTransaction = (owner, signal) => new Transaction(owner, signal);
    lend = (tx, lender) => {
      tx.#lender = lender;
      return { commit: () => tx.#commitOnce(), dispose: () => tx.#dispose(), misuse: () => tx.#misuse };
    };
    take = (tx, reading, loop, options) => tx.#take(reading, loop, options);
    pass = (tx, reading, offset) => tx.#takings.pass(reading, offset);
    hasMoved = (tx) => tx.#takings.haveMoved;
    givenUp = (tx) => tx.#givenUp;
    fail = (tx, error) => tx.#fail(error);
    failed = (tx) => tx.#failure;
    clock = (tx) => tx.#startClock();
    over = (tx) => tx.#over;
  }

  /** How far it is. */
  get state(): TransactionState {
    return this.#state;
  }

  /**
   * Names it for ever, as a text that can be kept anywhere. Who keeps it before the commit can ask
   * `log.transactionOutcome` what became of it, even after a crash.
   */
  get number(): string {
    if (this.#number === undefined) {
      this.#checkUsable();
      this.#begin();
    }
    return numberText(this.#number!);
  }

  /** Aborts when the transaction does: by its timeout, its signal, a failure, or since the log is closed. */
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /**
   * Adds a record. Its offset is known once the commit has told it. Does not wait. A topic given by name must be open in
   * this log, by `log.topic` or `log.openTopic`.
   */
  send<K, V>(topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>): void;
  send(topic: string, record: BytesRecord): void;
  send(topic: Into<unknown, unknown> | string, record: AnyRecord): void {
    this.#checkUsable();
    this.#add(this.#topic("tx.send", topic), record);
  }

  /**
   * Adds many records. One that can't be serialized ends the transaction, so that no half of them is committed.
   */
  sendBatch<K, V>(topic: Into<K, V>, records: readonly ProducerRecord<NoInfer<K>, NoInfer<V>>[]): void;
  sendBatch(topic: string, records: readonly BytesRecord[]): void;
  sendBatch(topic: Into<unknown, unknown> | string, records: readonly AnyRecord[]): void {
    this.#checkUsable();
    if (!Array.isArray(records)) {
      throw new InvalidArgumentError(`tx.sendBatch: records must be an array, not ${shown(records)}; use send for one`);
    }
    const state = this.#topic("tx.sendBatch", topic);
    for (const [i, record] of records.entries()) {
      try {
        this.#add(state, record);
      } catch (error) {
        if (!(error instanceof TidelogError)) throw error;
        error.message = `record ${i} of the batch: ${error.message}`;
        void this.#fail(error);
        throw error;
      }
    }
  }

  /**
   * Commits offsets for a group with the transaction (KIP-447). `tx.take` does so by itself; this is for those who read
   * in other ways: by a consumer of the group, whose own the partitions must be when the transaction commits, or by the
   * name of a group without members. Does not wait.
   */
  sendOffsets(group: string | Consumer<unknown>, offsets: readonly OffsetToCommit[]): void {
    this.#checkUsable();
    const where = "tx.sendOffsets";
    const progress = readingOf(group)?.progress;
    const name = progress?.committer.group ?? group;
    const given = givenOffsets(where, name, offsets, (entry, topic) => this.#topic(entry, topic));
    this.#begin();
    try {
      this.#sendOffsets({ ...given, membership: progress?.membership });
    } catch (error) {
      void this.#fail(error as TidelogError);
      throw error;
    }
  }

  /**
   * Takes records of a consumer with a group: up to `max`, in order for each partition, below the ends that its partitions
   * had in one moment. Waits for at least one; gives none only if the consumer reads `until: "end"` and is there. They are
   * the transaction's: the group's offsets are committed with it, and where it is not committed, they are handed out again.
   * Until it has ended, the consumer can't be iterated, and no other transaction can take of it.
   */
  async take<R>(consumer: Consumer<R>, options?: TakeOptions): Promise<Taken<R>[]> {
    this.#checkUsable();
    const reading = readingOf(consumer);
    if (reading === undefined) {
      throw new InvalidArgumentError(`tx.take: consumer must be what log.consumer gave, not ${shown(consumer)}`);
    }
    return (await this.#take(reading, undefined, options)) as Taken<R>[];
  }

  /**
   * Makes it durable and visible, all at once; resolves then, with where its records are. Called again it gives the same
   * answer, and does nothing. Where it rejects, nothing of it happened, unless the error is `indefinite`; after one that
   * is `retriable`, such as `ERR_TIDELOG_STORAGE_FULL`, it may be called again, and otherwise the transaction is aborted.
   *
   * In a handler of `log.process`, which commits a whole batch of records, it is refused with
   * `ERR_TIDELOG_INVALID_TRANSACTION_STATE`, and the processing ends with that error.
   */
  commit(): Promise<TransactionResult> {
    return this.#refuseEnd() ?? this.#commitOnce();
  }

  /**
   * Drops it. Called again it does nothing; rejects where it is committed, or being committed. In a handler of
   * `log.process` it is refused, as `commit` is.
   */
  abort(): Promise<void> {
    return this.#refuseEnd() ?? this.#abort();
  }

  /** Aborts it, unless it was committed. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#refuseEnd() ?? this.#dispose();
  }

  #commitOnce(): Promise<TransactionResult> {
    if (this.#outcome === undefined) {
      try {
        this.#checkCommit();
      } catch (error) {
        return (this.#ending ?? Promise.resolve()).then(() => Promise.reject(error));
      }
      this.#outcome = this.#commit();
    }
    return this.#outcome;
  }

  async #abort(): Promise<void> {
    if (this.#state === "committing" || this.#state === "committed") {
      throw this.#invalid(`is ${this.#state === "committed" ? "" : "being "}committed and can't be aborted`);
    }
    if (this.#state === "open") this.#givenUp = true;
    await this.#fail(this.#invalid("was aborted"));
  }

  async #dispose(): Promise<void> {
    await this.#outcome?.catch(() => {});
    await this.#fail(this.#invalid("was aborted"));
  }

  /** Refuses an end by a function that the transaction is only lent to. What was sent so far is dropped with it. */
  #refuseEnd(): Promise<never> | undefined {
    if (this.#lender === undefined) return undefined;
    const error = this.#invalid(
      `is ended by ${this.#lender}, for all records of a batch together; a handler must neither commit nor abort it: ` +
        "return to commit, throw to abort",
    );
    if (this.#state === "open") {
      this.#misuse = error;
      void this.#fail(error);
    }
    const refused = Promise.reject(error);
    // The lender rejects with it as well.
    refused.catch(() => {});
    return refused;
  }

  #checkUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#state !== "open" || this.#sealed) {
      throw this.#invalid("is committed, or being committed; begin another");
    }
    this.#owner.context.checkOpen();
  }

  #invalid(what: string): TidelogError {
    return new TidelogError(
      "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
      `the transaction of ${shown(this.#owner.id)} ${what}`,
    );
  }

  #topic(where: string, topic: Into<unknown, unknown> | string): TopicState {
    const state = this.#owner.context.resolve(topic);
    if (state !== undefined) return state;
    throw new TidelogError(
      "ERR_TIDELOG_UNKNOWN_TOPIC",
      `${where}: topic ${shown(topic)} is not open in this log; await log.openTopic(${shown(topic)}) first`,
    );
  }

  #begin(): void {
    if (this.#number !== undefined) return;
    const { native } = this.#owner;
    try {
      this.#number = direct(() => native.begin());
      this.#sends.number = this.#number.number;
    } catch (error) {
      void this.#fail(error as TidelogError);
      throw error;
    }
    if (transactionBegun.hasSubscribers) transactionBegun.publish(this.#event(this.#number));
    this.#runClock();
  }

  #startClock(): void {
    this.#clocked = true;
    this.#runClock();
  }

  #runClock(): void {
    if (this.#deadline > 0 || this.#state !== "open") return;
    this.#deadline = performance.now() + this.#owner.options.timeoutMs;
    this.#watch();
  }

  /** Until a transaction has begun, waiting for records costs it no time. */
  #stopClock(): void {
    if (this.#number !== undefined) return;
    clearTimeout(this.#timer);
    this.#deadline = 0;
  }

  /** What diagnostics say of it. */
  #event(number: NativeTransactionNumber) {
    const { context, id } = this.#owner;
    return { path: context.path, id, number: numberText(number) };
  }

  #publishError(error: TidelogError): void {
    publishError({ path: this.#owner.context.path, operation: "transaction", error });
  }

  #watch(): void {
    const { timeoutMs } = this.#owner.options;
    this.#timer = setTimeout(() => {
      const text = `the transaction of ${shown(this.#owner.id)} was not committed within ${timeoutMs} ms, and is aborted`;
      const error = new TransactionTimedOutError(`${text}; do less in one, or raise timeoutMs`);
      this.#publishError(error);
      void this.#fail(error);
    }, this.#deadline - performance.now()).unref();
  }

  #sendOffsets({ group, topics, numbers, metadata, membership }: GroupOffsets): void {
    const { number } = this.#number!;
    const { native } = this.#owner;
    const member = membership?.checked();
    tickets().issue(
      (_completions, ticket) => {
        if (member === undefined) native.sendOffsets(ticket, number, group, topics, numbers, metadata);
        else native.sendOffsetsOf(ticket, number, member, topics, numbers, metadata);
      },
      ({ error }) => error && this.#refuse(fromNative(error)),
    );
  }

  #add(topic: TopicState, record: AnyRecord): void {
    this.#begin();
    this.#sends.add(topic, record);
    // A serde or a getter may have ended it.
    if (this.#failure !== undefined || this.#sealed) this.#checkUsable();
  }

  async #take(reading: Reading, loop: object | undefined, options: TakeOptions | undefined): Promise<AnyTaken> {
    const where = "tx.take";
    checkOptions(where, options, ["max", "signal"]);
    const max = checkInteger(where, "max", options?.max ?? 500, 1);
    const signal = checkSignal(where, options?.signal);
    this.#stopClock();
    try {
      const records = await this.#takings.take(reading, loop, max, [signal, this.signal]);
      if (this.#failure === undefined) this.#begin();
      return records;
    } catch (error) {
      if (this.#failure !== undefined) throw this.#failure;
      if (error instanceof TidelogError && error.code !== "ERR_TIDELOG_ABORTED") {
        publishError({ path: this.#owner.context.path, operation: "read", error });
      }
      throw error;
    } finally {
      if (this.#clocked && !this.#takings.isWaiting) this.#runClock();
    }
  }

  /** Refuses a commit that can't be. */
  #checkCommit(): void {
    this.#owner.context.checkOpen();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#takings.isWaiting) throw this.#invalid("waits for tx.take; await that before the commit");
  }

  async #commit(): Promise<TransactionResult> {
    const { native } = this.#owner;
    this.#state = "committing";
    clearTimeout(this.#timer);
    const since = startOf(transactionCommitted);
    try {
      if (!this.#sealed) this.#handOver();
      const number = this.#number;
      let result = transactionResult([], []);
      if (number !== undefined) {
        const { numbers } = await tickets().request((_completions, ticket) => native.commit(ticket, number.number));
        result = transactionResult(this.#sends.sent, numbers);
        publishTimed(transactionCommitted, since, () => this.#event(number));
      }
      this.#state = "committed";
      this.#quiet();
      await this.#takings.done();
      this.#ended();
      return result;
    } catch (error) {
      const failure = error as TidelogError;
      const number = this.#number;
      if (number !== undefined) publishTimed(transactionCommitted, since, () => this.#event(number), failure);
      if (failure !== this.#refused) this.#publishError(failure);
      this.#state = "open";
      if (failure.retriable && !failure.indefinite && !this.#doomed) {
        this.#outcome = undefined;
        this.#watch();
      } else {
        await this.#fail(failure, failure.indefinite ? "unknown" : "aborted");
      }
      throw failure;
    }
  }

  /** All that is left to be handed over before a commit, which is refused if any of it is. */
  #handOver(): void {
    this.#sealed = true;
    this.#sends.refusal = this.#invalid("is committed, or being committed; begin another");
    this.#sends.flush();
    if (this.#refused !== undefined) throw this.#refused;
    for (const offsets of this.#takings.offsets()) {
      this.#begin();
      this.#sendOffsets(offsets);
    }
  }

  /** The engine does not take what was handed over, and won't commit without it. */
  #refuse(error: TidelogError): void {
    if (this.#refused === undefined) this.#publishError(error);
    this.#refused ??= error;
    void this.#fail(error);
  }

  /** Ends it without a commit. */
  #fail(error: TidelogError, state: TransactionState = "aborted"): Promise<void> {
    if (this.#state === "committing") this.#doomed = true;
    if (this.#state === "open") {
      this.#state = state;
      this.#failure = error;
      this.#ending = this.#end();
      this.#ending.catch(() => {});
    }
    return this.#ending ?? Promise.resolve();
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#quiet();
    this.#sends.close();
    this.#aborter.abort(this.#failure);
    const number = this.#number;
    if (number !== undefined) {
      try {
        await tickets().request((_completions, ticket) => this.#owner.native.abort(ticket, number.number));
      } catch {
        // The engine has ended it already, or is closed.
      }
      if (transactionAborted.hasSubscribers && this.#state === "aborted") {
        transactionAborted.publish({ ...this.#event(number), reason: this.#failure! });
      }
    }
    await this.#takings.putBack();
    this.#ended();
  }

  #ended(): void {
    this.#owner.ended(this);
    this.#tellOver({ failure: this.#givenUp ? undefined : this.#failure });
  }
}

/** Makes the public handle. */
export function transactionOf(owner: TransactionOwner, signal: AbortSignal | undefined): Transaction {
  return makeTransaction(owner, signal);
}

/** Lends it to a function, which must not end it: only who holds what this gives can. */
export function lendTransaction(tx: Transaction, lender: string): TransactionEnd {
  return lend(tx, lender);
}

/** Takes records of a reading that is iterated by `loop`. */
export function takeInLoop(tx: Transaction, reading: Reading, loop: object, max: number): Promise<AnyTaken> {
  return take(tx, reading, loop, { max });
}

/** Takes the record that a take could not read without handing it out. */
export function passOverIn(tx: Transaction, reading: Reading, offset: number): void {
  pass(tx, reading, offset);
}

/** Whether its commit moves a group on, with or without records that were taken. */
export function movesOn(tx: Transaction): boolean {
  return hasMoved(tx);
}

/** Whether it was aborted by hand, and not by what went wrong. */
export function isGivenUp(tx: Transaction): boolean {
  return givenUp(tx);
}

/** Has its time run from now on, and not only from its first record: waiting for records is not counted. */
export function startClock(tx: Transaction): void {
  clock(tx);
}

/** Resolves once it has ended. */
export function endOf(tx: Transaction): Promise<TransactionOver> {
  return over(tx);
}

/** Why it can't be committed any more, if so. */
export function failureOf(tx: Transaction): TidelogError | undefined {
  return failed(tx);
}

/** Ends it, if it is open, because of something from outside. */
export function failTransaction(tx: Transaction, error: TidelogError): Promise<void> {
  return fail(tx, error);
}
