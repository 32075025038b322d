// A producer: takes records in, one or many at a time, and makes those wait for whom there is no room. The order of
// the calls is the order in the log.

import { abortable, checkAborted, onAbort } from "../abort.js";
import { CallSite } from "../call_site.js";
import { LogContext } from "../context.js";
import { AbortedError, ClosedError, InvalidArgumentError, type TidelogError } from "../errors.js";
import { checkMadeInside } from "../made_inside.js";
import type { ProducerMetrics } from "../metrics.js";
import { settled } from "../native.js";
import { checkInteger, checkOptions, checkSignal, shown } from "../options.js";
import type { ProducerRecord, RecordMetadata, SequencedMetadata } from "../record.js";
import { showAs } from "../shown_as.js";
import type { AnyTopic, Topic } from "../topic.js";
import type { TopicState } from "../topic_state.js";
import { BatchJob } from "./batch_job.js";
import { Channel } from "./channel.js";
import { appendIf, type Condition, conditionOf } from "./conditional.js";
import { packed, termsForLater } from "./encode.js";
import { Lane } from "./lane.js";
import {
  type CloseOptions,
  closeTimeout,
  type ProducerOptions,
  producerOptions,
  type SendOptions,
  type WaitOptions,
} from "./options.js";
import type { Partitioner } from "./partitioner.js";
import type { BatchResult } from "./result.js";
import { type Waiting, WaitingLine } from "./waiting_line.js";

type AnyRecord = ProducerRecord<unknown, unknown>;
/** A topic that takes these, given by its handle. */
// biome-ignore lint/suspicious/noExplicitAny: what is read from it does not matter here
export type Into<K, V> = Topic<K, V, any, any>;
export type BytesRecord = ProducerRecord<Uint8Array, Uint8Array>;
/** Options that make the answer one of a record's place, whatever else they say. */
type PlainOptions = SendOptions & { sequence?: undefined };
type SequenceOptions = SendOptions & { sequence: number };

let makeProducer: (context: LogContext, options: ProducerOptions | undefined) => Producer;
let metricsInside: (producer: Producer) => ProducerMetrics;

/**
 * Sends records. Those sent in one tick travel together: one crossing into the engine, and one sync for all.
 * A topic is given by its handle, or by its name for records of bytes.
 *
 * Make one and keep it: producers that send at the same time share syncs, but each costs some KB. One that is forgotten
 * goes with the garbage, once all it has taken in is answered; close it to wait for that, or to hear of what `trySend` could
 * not be told.
 */
export class Producer implements AsyncDisposable {
  readonly #context: LogContext;
  /** Its lasting name, if it has one. */
  readonly name: string | undefined;
  readonly #limit: number;
  readonly #partitioner: Partitioner | undefined;
  readonly #channel: Channel;
  /** By topic id, so that the order of the calls holds for all handles of one topic. */
  readonly #lanes = new Map<string, Lane>();
  readonly #line: WaitingLine;
  #lastLane: Lane | undefined;
  #flushes: { upTo: number; resolve: () => void }[] = [];
  #ready: (() => void)[] = [];
  /** Names given to `trySend` of topics that could not be opened. */
  readonly #unopened = new Map<string, unknown>();
  /** The first failure of a record that nobody waits for. */
  #failure: TidelogError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(context: LogContext, given: ProducerOptions | undefined) {
    checkMadeInside(context instanceof LogContext, "Producer", "log.producer(options)");
    const { name, bufferBytes, partitioner } = producerOptions(given);
    this.#context = context;
    this.name = name;
    this.#limit = bufferBytes;
    this.#partitioner = partitioner;
    this.#channel = new Channel(context, name, () => this.#advance());
    this.#line = new WaitingLine(context, () => this.#advance());
  }

  static {
    makeProducer = (context, options) => new Producer(context, options);
    showAs(Producer, (producer) => ({
      ...(producer.name === undefined ? {} : { name: producer.name }),
      state: producer.#closing !== undefined ? "closed" : producer.#channel.isOpen ? "open" : "opening",
      inFlightBytes: producer.#channel.inFlight,
      bufferBytes: producer.#limit,
    }));
    metricsInside = (producer) => ({
      name: producer.name ?? null,
      inFlightBytes: producer.#channel.inFlight,
      bufferBytes: producer.#limit,
      waiting: producer.#line.length + producer.#ready.length,
    });
  }

  /**
   * Sends one record; resolves once it is as durable as its topic promises. Waits for room where
   * `bufferBytes` are on their way. The record is serialized and copied before this returns, also when it has to wait, so
   * that buffers and objects may be used again at once; sends that wait hold their bytes, so await some of them now and
   * then, or use `trySend`.
   *
   * With `expectOffset` or `sequence` it travels alone, behind what was sent before, and is appended only if that holds;
   * otherwise it rejects with `OffsetConflictError` or `OutOfOrderSequenceError`, and nothing was appended.
   */
  send(topic: string, record: BytesRecord, options?: PlainOptions): Promise<RecordMetadata>;
  send(topic: string, record: BytesRecord, options: SequenceOptions): Promise<SequencedMetadata>;
  // The compiler shows the complaint of the last one that could be meant, so those of handles stand behind.
  send<K, V>(
    topic: Into<K, V>,
    record: ProducerRecord<NoInfer<K>, NoInfer<V>>,
    options?: PlainOptions,
  ): Promise<RecordMetadata>;
  send<K, V>(
    topic: Into<K, V>,
    record: ProducerRecord<NoInfer<K>, NoInfer<V>>,
    options: SequenceOptions,
  ): Promise<SequencedMetadata>;
  send(
    topic: Into<unknown, unknown> | string,
    record: AnyRecord,
    options?: SendOptions,
  ): Promise<RecordMetadata | SequencedMetadata> {
    return new Promise((resolve, reject) => {
      if (options !== undefined) {
        this.#sendAs(topic, record, options, resolve, reject);
        return;
      }
      const state = this.#roomFor(topic);
      if (state !== undefined) this.#lane(state).add(record, resolve, reject);
      else this.#sendLater(topic, record, undefined, resolve, reject);
    });
  }

  /**
   * The sequence of the last record of this producer that a partition holds, null where it holds none. Of a named one
   * that is what was sent in earlier lives, too: a program that numbers its records after what it reads (lines of a file,
   * rows of a table) goes on behind the record that it stands for. Waits until the producer is open, not for sends that
   * are on their way.
   */
  async lastSequence(topic: AnyTopic | string, partition = 0): Promise<number | null> {
    this.#checkOpen();
    checkInteger("producer.lastSequence", "partition", partition);
    const state = this.#context.resolve(topic) ?? (await this.#context.open(topic as string));
    state.checkPartition(partition);
    const native = await this.#channel.opened();
    this.#checkOpen();
    const last = await settled(() => native.lastSequence(state.native, partition));
    return last < 0 ? null : last;
  }

  /**
   * Sends many records; the result tells the offset of each. The array and all that is in it are read, serialized and
   * copied before this returns, which takes a second for some million records, and what there is no room for waits in
   * memory: send more than that in several batches, and await each. Where it fails, `error.appended` tells which were
   * appended all the same: of each partition the first ones, of a batch of up to 256 KiB none unless the disk failed.
   */
  sendBatch(topic: string, records: readonly BytesRecord[], options?: WaitOptions): Promise<BatchResult>;
  sendBatch<K, V>(
    topic: Into<K, V>,
    records: readonly ProducerRecord<NoInfer<K>, NoInfer<V>>[],
    options?: WaitOptions,
  ): Promise<BatchResult>;
  sendBatch(
    topic: Into<unknown, unknown> | string,
    records: readonly AnyRecord[],
    options?: WaitOptions,
  ): Promise<BatchResult> {
    return new Promise((resolve, reject) => {
      if (!Array.isArray(records)) {
        throw new InvalidArgumentError(
          `producer.sendBatch: records must be an array, not ${shown(records)}; use send for one`,
        );
      }
      const signal = options === undefined ? undefined : this.#signalOf("sendBatch", options);
      this.#checkOpen();
      const known = this.#context.resolve(topic);
      // What was sent before must stay before.
      if (known !== undefined) this.#lane(known).flush();
      const job = new BatchJob(records.length, resolve, reject);
      job.read(
        records,
        // A copy: a send from inside of a serde may be by another handle of the topic.
        () => (known === undefined ? termsForLater(topic as string) : { ...this.#lane(known).renew() }),
        (piece) => {
          // Closed by the user's code that was called to serialize.
          if (this.#channel.refusal !== undefined) job.fail(this.#channel.refusal);
          else if (known !== undefined && !job.waits && this.#hasRoom) job.handOver(piece, known, this.#channel);
          else job.keep(piece);
        },
      );
      if (job.waits || (known === undefined && !job.failed)) {
        const run = (opened: TopicState | undefined) => job.run(this.#lane(opened!), this.#channel, this.#limit);
        this.#wait("producer.sendBatch", topic, (error) => job.fail(error as TidelogError), signal, run);
      } else {
        job.settle();
      }
    });
  }

  /**
   * Sends one record without a promise: false if there is no room, and then nothing was taken; await `ready()` and
   * try again. Throws if the record can't be serialized. What goes wrong later is told by the next `flush()` or `close()`.
   */
  trySend(topic: string, record: BytesRecord): boolean;
  trySend<K, V>(topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>): boolean;
  trySend(topic: Into<unknown, unknown> | string, record: AnyRecord): boolean {
    const state = this.#roomFor(topic);
    if (state !== undefined) {
      this.#lane(state).add(record, null, null);
      return true;
    }
    if (typeof topic === "string" && this.#context.resolve(topic) === undefined) this.#openFor(topic);
    return false;
  }

  /** Resolves once `trySend` has room. */
  async ready(options?: WaitOptions): Promise<void> {
    const signal = this.#signalOf("ready", options);
    this.#checkOpen();
    if (this.#line.isEmpty && !this.#full) return;
    await abortable("producer.ready", signal, (resolve) => this.#ready.push(resolve));
    this.#checkOpen();
  }

  /**
   * Resolves once everything sent before is durable: it survives power loss, also in `buffered` topics, which are synced
   * for that. Rejects with the first failure since the last flush of a record that went out by `trySend`; `send` and
   * `sendBatch` tell of their own.
   */
  async flush(options?: WaitOptions): Promise<void> {
    const signal = this.#signalOf("flush", options);
    this.#checkOpen();
    await abortable("producer.flush", signal, (resolve) => this.#whenSettled(resolve));
    const topics = [...this.#lanes.values()].map((lane) => lane.terms.topic);
    await Promise.all(topics.map((topic) => topic.syncBuffered()));
    this.#throwFailure();
  }

  /**
   * Sends what has been taken in, waits for the answers, and refuses whatever comes later. After `timeoutMs` it waits
   * no longer: those who do are told `ERR_TIDELOG_CLOSED`, with `indefinite` where a record was on its way already.
   */
  close(options?: CloseOptions): Promise<void> {
    const timeoutMs = closeTimeout("producer.close", options);
    this.#channel.refusal ??= new ClosedError("the producer");
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([new Promise<void>((resolve) => this.#whenSettled(resolve)), late]);
    clearTimeout(timer);
    this.#line.abandon(new ClosedError("the producer"));
    this.#channel.abandon();
    for (const resolve of this.#ready.splice(0)) resolve();
    this.#context.producers.delete(this);
    this.#throwFailure();
  }

  get #full(): boolean {
    return !this.#channel.isOpen || this.#channel.inFlight >= this.#limit;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError("the producer");
    if (this.#channel.failure !== undefined) throw this.#channel.failure;
    this.#context.checkOpen();
  }

  #signalOf(method: string, options: WaitOptions | undefined, others: readonly string[] = []): AbortSignal | undefined {
    const where = `producer.${method}`;
    checkOptions(where, options, [...others, "signal"]);
    const signal = checkSignal(where, options?.signal);
    checkAborted(where, signal);
    return signal;
  }

  /** The topic, if a record for it can be taken in at once. */
  #roomFor(topic: Into<unknown, unknown> | string): TopicState | undefined {
    this.#checkOpen();
    const state = this.#context.resolve(topic);
    return this.#hasRoom ? state : undefined;
  }

  get #hasRoom(): boolean {
    return this.#line.isEmpty && !this.#full;
  }

  /** A send with options. */
  #sendAs(
    topic: Into<unknown, unknown> | string,
    record: AnyRecord,
    options: SendOptions,
    resolve: (metadata: RecordMetadata | SequencedMetadata) => void,
    reject: (error: unknown) => void,
  ): void {
    const signal = this.#signalOf("send", options, ["expectOffset", "sequence"]);
    const condition = conditionOf(options, this.name !== undefined);
    const state = condition === undefined ? this.#roomFor(topic) : undefined;
    if (condition !== undefined) this.#sendIf(topic, record, signal, condition, resolve, reject);
    else if (state !== undefined) this.#lane(state).add(record, resolve, reject);
    else this.#sendLater(topic, record, signal, resolve, reject);
  }

  #sendIf(
    topic: Into<unknown, unknown> | string,
    record: AnyRecord,
    signal: AbortSignal | undefined,
    condition: Condition,
    resolve: (metadata: RecordMetadata | SequencedMetadata) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#checkOpen();
    const own = packed(termsForLater(this.#context.resolve(topic) ?? (topic as string)), record);
    const site = new CallSite();
    const refuse = (error: unknown) => reject(site.addTo(error));
    const append = (state: TopicState) => appendIf(this.#lane(state), this.#channel, own, condition, resolve, refuse);
    const state = this.#roomFor(topic);
    if (state !== undefined) append(state);
    else this.#waitToSend(topic, refuse, signal, append);
  }

  /** A send that has to wait: the record is serialized all the same, since the caller may use it again. */
  #sendLater(
    topic: Into<unknown, unknown> | string,
    record: AnyRecord,
    signal: AbortSignal | undefined,
    resolve: (metadata: RecordMetadata) => void,
    reject: (error: unknown) => void,
  ): void {
    const known = this.#context.resolve(topic);
    const terms = termsForLater(known ?? (topic as string));
    if (known !== undefined) {
      terms.partitionCount = known.partitionCount;
      terms.partitioner = this.#partitioner;
    }
    const own = packed(terms, record);
    this.#checkOpen();
    // Of a name, nothing but its look is known yet.
    const site = known === undefined ? new CallSite() : undefined;
    const refuse = site === undefined ? reject : (error: unknown) => reject(site.addTo(error));
    this.#waitToSend(topic, refuse, signal, (opened) => this.#lane(opened).addPacked(own, resolve, refuse));
  }

  #waitToSend(
    topic: Into<unknown, unknown> | string,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined,
    send: (opened: TopicState) => void,
  ): void {
    this.#wait("producer.send", topic, reject, signal, (opened) => {
      send(opened!);
      return true;
    });
  }

  /** Begins to open a topic that `trySend` was given by name, or tells that it could not be opened. */
  #openFor(topic: string): void {
    const error = this.#unopened.get(topic);
    if (error !== undefined) {
      this.#unopened.delete(topic);
      throw error;
    }
    this.#wait(
      "producer.trySend",
      topic,
      (error) => this.#unopened.set(topic, error),
      undefined,
      () => true,
    );
  }

  #lane(state: TopicState): Lane {
    let lane = this.#lastLane;
    if (lane !== undefined && lane.terms.topic === state) return lane;
    lane = this.#lanes.get(state.id);
    if (lane === undefined) {
      lane = new Lane(state, this.#channel, this.#partitioner, (error) => this.#unheard(error));
      this.#lanes.set(state.id, lane);
    }
    // Another handle of the topic may bring other serdes.
    lane.terms.topic = state;
    this.#lastLane = lane;
    return lane;
  }

  #wait(
    where: string,
    topic: Into<unknown, unknown> | string | undefined,
    fail: (error: unknown) => void,
    signal: AbortSignal | undefined,
    run: Waiting["run"],
  ): void {
    const waiting: Waiting = { topic, run, fail, gone: false };
    if (signal !== undefined) {
      waiting.left = onAbort([signal], () => {
        if (waiting.gone) return;
        waiting.gone = true;
        fail(new AbortedError(where, signal.reason));
        this.#advance();
      });
    }
    this.#line.push(waiting);
  }

  /** Something was answered, opened or given up: lets in whom there is room for, and wakes whoever waits for that. */
  #advance(): void {
    const { failure } = this.#channel;
    if (failure !== undefined) {
      this.#line.abandon(failure);
      for (const resolve of this.#ready.splice(0)) resolve();
    }
    this.#line.advance(() => this.#full);
    if (this.#ready.length > 0 && this.#line.isEmpty && !this.#full) {
      for (const resolve of this.#ready.splice(0)) resolve();
    }
    if (this.#flushes.length > 0) {
      const { oldest } = this.#channel;
      const done = this.#flushes.filter(({ upTo }) => upTo < oldest);
      if (done.length === 0) return;
      this.#flushes = this.#flushes.filter(({ upTo }) => upTo >= oldest);
      for (const { resolve } of done) resolve();
    }
  }

  /** Calls back once all that was taken in before is answered. */
  #whenSettled(resolve: () => void): void {
    const mark = () => {
      for (const lane of this.#lanes.values()) lane.flush();
      this.#flushes.push({ upTo: this.#channel.issued, resolve });
      return true;
    };
    if (this.#line.isEmpty) {
      mark();
      this.#advance();
    } else {
      this.#wait("producer.flush", undefined, resolve, undefined, mark);
    }
  }

  #unheard(error: TidelogError): void {
    this.#failure ??= error;
    this.#context.failed.add(this);
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    this.#context.failed.delete(this);
    if (failure !== undefined) throw failure;
  }
}

/** Makes the public handle. */
export function producerOf(context: LogContext, options: ProducerOptions | undefined): Producer {
  return makeProducer(context, options);
}

/** How full it is, for `log.metrics()`. */
export function metricsOfProducer(producer: Producer): ProducerMetrics {
  return metricsInside(producer);
}
