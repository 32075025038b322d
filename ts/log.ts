// An open log: topics, and the handles that are made from it and close with it.

import { type BackupOptions, type BackupReport, backupOf } from "./backup.js";
import { rejectAt } from "./call_site.js";
import { type Consumer, consumerOf } from "./consumer/consumer.js";
import type { ConsumerOptions, GroupRecordOf, RecordOf } from "./consumer/options.js";
import { LogContext } from "./context.js";
import { closed, publishError } from "./diagnostics.js";
import { InvalidArgumentError, TidelogError } from "./errors.js";
import { type Group, groupOf } from "./group/group.js";
import { checkMadeInside } from "./made_inside.js";
import { type Metrics, metricsOf } from "./metrics.js";
import { type NativeStore, type NativeTopic, settled } from "./native.js";
import { fromNative } from "./native_errors.js";
import { checkName, checkOptions, shown } from "./options.js";
import type { ProcessOptions, ProcessReport } from "./process/options.js";
import { type Handler, processRecords } from "./process/process.js";
import { type CloseOptions, closeTimeout, type ProducerOptions } from "./producer/options.js";
import { type Producer, producerOf } from "./producer/producer.js";
import { type Raw, rawOf } from "./raw.js";
import type { ConsumerRecord } from "./record.js";
import { bytes } from "./serdes/bytes.js";
import { type AnySerde, codecOf, type Read, type Sent, type Serde } from "./serdes/serde.js";
import { showAs } from "./shown_as.js";
import { type AnyTopic, type Topic, topicOf } from "./topic.js";
import { CONFIG_NAMES, checkSameConfig, type SerdeOptions, type TopicOptions, toNativeConfig } from "./topic_config.js";
import { TopicState } from "./topic_state.js";
import { numberOf } from "./transaction/number.js";
import type { RunOptions, TransactionOptions } from "./transaction/options.js";
import { openTransactional, type TransactionalProducer } from "./transaction/producer.js";
import { outcomeOf, type TransactionOutcome } from "./transaction/result.js";
import type { Transaction } from "./transaction/transaction.js";
import { runTransaction } from "./transaction/turns.js";

/** What opening a store found and did. */
export interface RecoveryReport {
  /** Whether it had been closed in order, so that nothing had to be checked. */
  readonly clean: boolean;
  /** Bytes that were read and checked. */
  readonly bytesChecked: number;
  /** Bytes of torn writes that were cut off ends; they are kept in `tornFiles`. */
  readonly bytesCut: number;
  readonly tornFiles: readonly string[];
  /** Damage among what had been stored for good. These partitions take no more records; the rest stays readable. */
  readonly damaged: readonly TidelogError[];
  readonly durationMs: number;
}

/** Bytes, the serde of keys and values for which none is given. */
type BytesSerde = Serde<Uint8Array, Buffer>;

/** A topic with types that follow from its serdes. */
export type TopicOf<K, V> = Topic<Sent<K>, Sent<V>, Read<K>, Read<V>>;

let makeLog: (native: NativeStore) => Log;

/** An open log. Closing it ends the loops of its consumers, then closes its producers with all they have taken in. */
export class Log implements AsyncDisposable {
  readonly #context: LogContext;
  readonly #native: NativeStore;
  /** Partitions for encoded record batches. */
  readonly raw: Raw;
  #closing: Promise<void> | undefined;

  private constructor(native: NativeStore) {
    checkMadeInside(typeof native?.openTopic === "function", "Log", "await open(path)");
    this.#native = native;
    this.#context = new LogContext(native);
    this.raw = rawOf(this.#context);
  }

  static {
    showAs(Log, (log) => ({
      path: log.path,
      id: log.id,
      readOnly: log.readOnly,
      state: log.#context.closed ? "closed" : log.#closing !== undefined ? "closing" : "open",
    }));
    makeLog = (native) => new Log(native);
  }

  /** The store's folder. */
  get path(): string {
    return this.#native.path;
  }

  /** The store's id. */
  get id(): string {
    return this.#native.id;
  }

  /** Whether it was opened beside a writer. */
  get readOnly(): boolean {
    return this.#native.readOnly;
  }

  /** What opening it found and did. */
  get recovery(): RecoveryReport {
    const { damaged, ...report } = this.#native.recovery;
    return { ...report, damaged: damaged.map((error) => fromNative(error)) };
  }

  /**
   * Opens a topic, or creates it. Only the options given are compared with those of one that exists; where they
   * differ it fails with `ERR_TIDELOG_TOPIC_EXISTS`.
   */
  async topic<K extends AnySerde = BytesSerde, V extends AnySerde = BytesSerde>(
    name: string,
    options?: TopicOptions<K, V>,
  ): Promise<TopicOf<K, V>> {
    const where = `log.topic(${shown(name)})`;
    this.#context.checkOpen();
    checkTopicName(where, name);
    checkOptions(where, options, ["key", "value", ...CONFIG_NAMES]);
    const config = toNativeConfig(where, options ?? {});
    const make = this.#maker<K, V>(where, options);
    const found = await this.#find(name);
    if (found !== undefined) {
      checkSameConfig(name, config, found.config());
      return make(found);
    }
    try {
      return make(await settled(() => this.#native.createTopic(name, config)));
    } catch (error) {
      // Somebody else may have been faster; a name that only resembles an existing one is still refused.
      const other = hasCode(error, "ERR_TIDELOG_TOPIC_EXISTS") ? await this.#find(name) : undefined;
      if (other === undefined) throw error;
      checkSameConfig(name, config, other.config());
      return make(other);
    }
  }

  /** Opens a topic that exists. */
  async openTopic<K extends AnySerde = BytesSerde, V extends AnySerde = BytesSerde>(
    name: string,
    options?: SerdeOptions<K, V>,
  ): Promise<TopicOf<K, V>> {
    const where = `log.openTopic(${shown(name)})`;
    this.#context.checkOpen();
    checkTopicName(where, name);
    checkOptions(where, options, ["key", "value"]);
    const make = this.#maker<K, V>(where, options);
    return make(await this.#context.openNative(name));
  }

  /** The names of all topics, sorted. */
  async topics(): Promise<string[]> {
    this.#context.checkOpen();
    return (await settled(() => this.#native.topics())).sort();
  }

  /** Deletes a topic with all its records. Handles of it fail with `ERR_TIDELOG_TOPIC_DELETED` from then on. */
  async deleteTopic(name: string): Promise<void> {
    this.#context.checkOpen();
    checkTopicName("log.deleteTopic", name);
    await this.#context.deleteTopic(name);
  }

  /**
   * A snapshot of what the store has done and how it stands: counts, lags, sizes, how long syncs take. For monitoring: it
   * costs some microseconds a partition, and waits for the disk on a thread of libuv's if it has to.
   */
  async metrics(): Promise<Metrics> {
    this.#context.checkOpen();
    return metricsOf(this.#context);
  }

  /** A producer. */
  producer(options?: ProducerOptions): Producer {
    this.#context.checkOpen();
    const producer = producerOf(this.#context, options);
    this.#context.producers.add(producer);
    return producer;
  }

  /**
   * Runs a function in a transaction: what it sends by `tx`, and the offsets of what it takes, become durable and visible
   * together when it returns, or not at all when it throws (KIP-98). Resolves with what the function returned, once that
   * is so; rejects with what it threw, or with why the commit failed.
   *
   * Functions of one id run one after the other. `timeoutMs` is the time of one from its call on, without what `tx.take` waits
   * for records. When it is over, the signal aborts, or the log closes, the call rejects and the next one has its turn,
   * whether or not the function has returned: pass `tx.signal` on to what it waits for. A call inside a function
   * that would wait for that function itself, directly or by another id, rejects with
   * `ERR_TIDELOG_INVALID_TRANSACTION_STATE`.
   *
   * The id is taken over with its first transaction in this log: who had
   * it before is fenced, and if somebody takes it from here, every call rejects with `ProducerFencedError`.
   */
  transaction<T>(id: string, call: (tx: Transaction) => T | Promise<T>, options?: RunOptions): Promise<T> {
    return runTransaction(this.#context, id, call, options);
  }

  /**
   * Takes a transactional id over, durably, and gives a producer whose transactions are begun and ended by hand. Whoever
   * had the id before gets `ProducerFencedError` from then on.
   */
  async transactionalProducer(id: string, options?: TransactionOptions): Promise<TransactionalProducer> {
    return openTransactional(this.#context, "log.transactionalProducer", id, options);
  }

  /**
   * What became of a transaction, by the number that `tx.number` gave: for those who were never told, because the process
   * ended or the commit failed with an `indefinite` error. Final unless it is `"open"`. Rejects with
   * `ERR_TIDELOG_UNKNOWN_OUTCOME` where it is not remembered: it is of the last 64 transactions of the id, each time that it
   * was taken over, and of the last five of these times.
   */
  async transactionOutcome(id: string, number: string): Promise<TransactionOutcome> {
    const where = "log.transactionOutcome";
    this.#context.checkOpen();
    checkName(where, "id", id);
    const named = numberOf(where, number);
    return outcomeOf(await settled(() => this.#native.transactionOutcome(id, named)));
  }

  /**
   * Reads topics, has each record handled, and commits what the handlers sent by `tx` together with the offsets read, a
   * batch at a time: each record counts exactly once in what comes out, whatever ends the process in between. Begins
   * where the group has committed, of which it is a member while it runs.
   *
   * Handlers run one after the other. When one fails, its batch is aborted, and after a pause all of it is handled again:
   * effects outside the log happen again then, and should be such that this does no harm.
   *
   * Resolves at the end if it runs `until: "end"`, or when the log closes. Rejects with `AbortError` when its signal
   * aborts: a batch that is not being committed by then is aborted. Rejects with `ProducerFencedError` when another takes
   * its `id` over, with a `HandlerError` that has what the handler threw as its `cause` when trying again did not help, and
   * with what else went wrong.
   */
  process<const T extends AnyTopic | string>(
    options: ProcessOptions<T>,
    handler: (record: RecordOf<T>, tx: Transaction) => unknown,
  ): Promise<ProcessReport> {
    return rejectAt(() => processRecords(this.#context, options, handler as Handler<ConsumerRecord<unknown, unknown>>));
  }

  /** The names of all groups that have members or have committed something, sorted. */
  async groups(): Promise<string[]> {
    this.#context.checkOpen();
    return (await settled(() => this.#native.groups())).sort();
  }

  /** A group by its name, to look at and to set back. */
  group(name: string): Group {
    return groupOf(this.#context, name);
  }

  /**
   * A consumer of partitions, or of whole topics; with a `group`, one that goes on where the group has committed. A log
   * opened read-only has no members of groups, whatever the delivery: `group` is refused there with
   * `ERR_TIDELOG_READ_ONLY`.
   */
  consumer<const T extends readonly (AnyTopic | string)[]>(
    options: ConsumerOptions<T> & { group: string },
  ): Consumer<GroupRecordOf<T[number]>>;
  consumer<const T extends readonly (AnyTopic | string)[]>(options: ConsumerOptions<T>): Consumer<RecordOf<T[number]>>;
  consumer<const T extends readonly (AnyTopic | string)[]>(options: ConsumerOptions<T>): Consumer<RecordOf<T[number]>> {
    this.#context.checkOpen();
    if (this.readOnly && options?.group !== undefined) {
      throw new TidelogError(
        "ERR_TIDELOG_READ_ONLY",
        "log.consumer: a log opened read-only can't commit for a group; read without the option group, and give in assign " +
          "the offsets of log.group(name).describe() to begin where a group has committed",
      );
    }
    return consumerOf(this.#context, options);
  }

  /** Makes everything that has been appended so far durable; of use for `buffered` topics. */
  async sync(): Promise<void> {
    this.#context.checkOpen();
    await settled(() => this.#native.sync());
  }

  /**
   * Copies the store as it is at one moment into a folder that is empty or not there yet, while everything goes on. The
   * folder is then a store of its own, which `open` opens as after an orderly close: with all records that were
   * acknowledged before the call, `buffered` ones too, each transaction whole or not in it, and what is known of
   * producers, transactions and committed offsets. All of it is durable.
   *
   * Files that are never written again are shared with the folder where it is on the same file system, and take no space;
   * the rest is copied. Until the promise resolves the folder is no store; after a crash in between, the next backup into
   * it clears it.
   *
   * Rejects with `ERR_TIDELOG_READ_ONLY` in a log opened `readOnly`, with `InvalidArgumentError` for a folder that holds
   * anything or lies in the store's, and with `ERR_TIDELOG_STORAGE_FULL` where there is no room.
   *
   * ```js
   * const { bytesLinked, bytesCopied } = await log.backup("/backups/monday", { signal: AbortSignal.timeout(60_000) });
   * ```
   */
  async backup(folder: string | URL, options?: BackupOptions): Promise<BackupReport> {
    this.#context.checkOpen();
    return backupOf(this.#native, folder, options);
  }

  /**
   * Ends the loops of consumers, committing what was done, aborts transactions that are open and waits for commits under
   * way, then closes producers with all they have taken in, then the store. `timeoutMs` bounds each of these waits. Rejects with the first failure that nobody else was told.
   */
  close(options?: CloseOptions): Promise<void> {
    const timeoutMs = closeTimeout("log.close", options);
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const { readings, members, producers, failed, transactional } = this.#context;
    const inputs = () => [
      ...[...new Set([...readings, ...members])].map((reading) => within(timeoutMs, reading.close(timeoutMs))),
      ...[...transactional].map((producer) => producer.close({ timeoutMs })),
    ];
    const outputs = () => [...new Set([...producers, ...failed])].map((producer) => producer.close({ timeoutMs }));
    const closing = await Promise.allSettled([...inputs(), ...outputs()]);
    this.#context.closed = true;
    // Made while the others were closing.
    await Promise.allSettled([...inputs(), ...outputs()]);
    const { path, id } = this;
    closing.push(...(await Promise.allSettled([settled(() => this.#native.close())])));
    if (closed.hasSubscribers) closed.publish({ path, id });
    const failure = closing.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) {
      publishError({ path, operation: "close", error: failure.reason as TidelogError });
      throw failure.reason;
    }
  }

  async #find(name: string): Promise<NativeTopic | undefined> {
    try {
      return this.readOnly ? await this.#context.openNative(name) : await settled(() => this.#native.openTopic(name));
    } catch (error) {
      if (hasCode(error, "ERR_TIDELOG_UNKNOWN_TOPIC") && !this.readOnly) return undefined;
      throw error;
    }
  }

  #maker<K, V>(where: string, options: { key?: unknown; value?: unknown } | undefined) {
    const key = codecOf(where, "key", options?.key ?? bytes());
    const value = codecOf(where, "value", options?.value ?? bytes());
    return (native: NativeTopic): TopicOf<K, V> => {
      this.#context.remember(native);
      return topicOf(new TopicState(this.#context, native, key, value)) as TopicOf<K, V>;
    };
  }
}

/** Makes the public handle. */
export function logOf(native: NativeStore): Log {
  return makeLog(native);
}

/** Waits for what is under way, but no longer than that. */
async function within(timeoutMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function checkTopicName(where: string, name: unknown): void {
  if (typeof name !== "string") throw new InvalidArgumentError(`${where}: name must be a string, not ${shown(name)}`);
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof TidelogError && error.code === code;
}
