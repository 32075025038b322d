// `consumer.run`: takes records in, has several handled at once, those of one key one after the other, and counts a
// partition as done up to its first record that is not.

import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { checkAborted, onAbort } from "../abort.js";
import { keepAlive } from "../alive.js";
import { Delivered } from "../consumer/delivered.js";
import type { Chunk } from "../consumer/fetcher.js";
import { nextRecord, passOver } from "../consumer/hand_out.js";
import type { Place } from "../consumer/place.js";
import type { Reading } from "../consumer/reading.js";
import type { Runner } from "../consumer/runner.js";
import type { LogContext } from "../context.js";
import { publishError } from "../diagnostics.js";
import {
  AbortedError,
  ClosedError,
  FencedMemberError,
  HandlerError,
  SerializationError,
  TidelogError,
} from "../errors.js";
import { DeadLetter } from "../handling/dead_letter.js";
import { Failures, type RecordAt } from "../handling/failures.js";
import { pauseAfter } from "../handling/retry.js";
import { type Producer, producerOf } from "../producer/producer.js";
import { bytesAt, type ConsumerRecord, keyBytesAt } from "../record.js";
import { type Job, Lines } from "./lines.js";
import type { CheckedRunOptions, ConsumerRunReport, HandlerContext } from "./options.js";
import { type Entry, Track } from "./track.js";

/** Records taken in for each handler that may run: so many may wait behind others of their keys. */
const AHEAD = 16;
/** The same in all, while handlers have nothing to do since those that wait are of a few keys: records, and their bytes. */
const AHEAD_MOST = 16_384;
const AHEAD_BYTES = 16 << 20;

/** The calls of handlers that the caller is inside of. */
const inside = new AsyncLocalStorage<readonly Call[]>();

/** Handles one record. */
export type RunHandler<R> = (record: R, context: HandlerContext) => unknown;

interface RecordJob extends Job {
  readonly track: Track;
  readonly entry: Entry;
  readonly at: RecordAt;
  /** What it is, or why it can't be read. */
  readonly record: ConsumerRecord<unknown, unknown> | SerializationError;
}

/** A call of a handler. What the handler has begun and not waited for is still inside of it once it has returned. */
interface Call {
  readonly run: Run;
  readonly job: RecordJob;
  hasReturned: boolean;
}

/** One call of `consumer.run`. */
export class Run implements Runner {
  readonly #context: LogContext;
  readonly #reading: Reading;
  readonly #handler: RunHandler<ConsumerRecord<unknown, unknown>>;
  readonly #options: CheckedRunOptions;
  readonly #deadLetter: DeadLetter | undefined;
  readonly #failures: Failures;
  readonly #lines: Lines<RecordJob>;
  readonly #tracks = new Map<Place, Track>();
  /** Records of places that are paused, which were taken in before that. */
  readonly #held = new Map<Place, RecordJob[]>();
  /** Records of each place that are in hand. */
  readonly #inHand = new Map<Place, number>();
  /** Whether records are committed before they are handled, so that those that were taken in must be. */
  readonly #once: boolean;
  #producer: Producer | undefined;
  #stopping = false;
  /** Nobody waits for the handlers any more. */
  #givenUp = false;
  #failure: { readonly cause: unknown } | undefined;
  #wake: (() => void)[] = [];
  #handled = 0;
  #deadLettered = 0;

  constructor(
    context: LogContext,
    reading: Reading,
    handler: RunHandler<ConsumerRecord<unknown, unknown>>,
    options: CheckedRunOptions,
    deadLetter: DeadLetter | undefined,
    failures: Failures,
  ) {
    this.#context = context;
    this.#reading = reading;
    this.#handler = handler;
    this.#options = options;
    this.#deadLetter = deadLetter;
    this.#failures = failures;
    this.#once = reading.progress?.delivery === "at-most-once";
    this.#lines = new Lines(
      options.concurrency,
      (job) => this.#work(job),
      () => this.#turned(),
    );
  }

  async run(): Promise<ConsumerRunReport> {
    const { signal } = this.#options;
    const reading = this.#reading;
    await reading.begin(this);
    reading.runner = this;
    const quiet = onAbort([signal, reading.signal], ({ reason }) =>
      this.#abort(new AbortedError("consumer.run", reason)),
    );
    try {
      do {
        await this.#takeIn().catch((error) => this.#fail(error));
        // A handler may have the consumer go on somewhere else, where there is more.
        while (this.#isUnderWay && !this.#givenUp && !this.#hasMore) await this.#turn();
      } while (this.#hasMore);
    } finally {
      quiet();
      reading.runner = undefined;
      await this.#end();
    }
    if (this.#failure !== undefined) throw this.#failure.cause;
    return { handled: this.#handled, deadLettered: this.#deadLettered };
  }

  /** Takes nothing in any more, and resolves once the handlers have returned, or were told to give up. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stop();
    // The handler that closes its own consumer can't be waited for.
    const own = this.#caller() === undefined ? 0 : 1;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#turned();
    }, timeoutMs);
    while (this.#lines.size > own && !late) await this.#turn();
    clearTimeout(timer);
    if (this.#lines.size === 0) return;
    this.#givenUp = true;
    if (this.#lines.size > own) this.#abortAll(new ClosedError("the consumer"));
    this.#turned();
  }

  get isBusy(): boolean {
    return this.#inHand.size > 0;
  }

  has(place: Place): boolean {
    return (this.#inHand.get(place) ?? 0) > 0;
  }

  leave(place: Place): void {
    this.#tracks.get(place)?.ending.abort();
    if (this.#once) this.#release(place);
    else this.#withdraw(place);
  }

  hold(place: Place): void {
    const jobs = this.#lines.withdraw(({ track }) => track.place === place);
    for (const job of jobs) this.#letGo(job);
    if (jobs.length > 0) this.#held.set(place, [...(this.#held.get(place) ?? []), ...jobs]);
    this.#turned();
  }

  release(place: Place): void {
    this.#release(place);
    this.#turned();
  }

  #release(place: Place): void {
    const jobs = this.#held.get(place) ?? [];
    this.#held.delete(place);
    for (const job of jobs.sort((a, b) => a.at.offset - b.at.offset)) this.#add(job);
  }

  /** Whether anything is being handled, or shall be. */
  get #isUnderWay(): boolean {
    return this.#lines.size > 0 || this.#held.size > 0;
  }

  /** Whether there is more to take in. */
  get #hasMore(): boolean {
    return !this.#stopping && this.#reading.hasMore;
  }

  /** Whether no more is to be taken in for now. */
  get #isFull(): boolean {
    const { size, bytes, isBusy } = this.#lines;
    if (size < this.#options.concurrency * AHEAD) return false;
    // Where a few keys have most of the records, look for others further ahead. Not where what waits is committed already.
    return isBusy || this.#once || size >= AHEAD_MOST || bytes >= AHEAD_BYTES;
  }

  lost(place: Place): void {
    const { topic, partition } = place;
    this.#tracks.get(place)?.abort(new FencedMemberError(`${topic.name}-${partition} is not the consumer's any more`));
    this.moved(place);
  }

  moved(place: Place): void {
    this.#withdraw(place);
    // What is under way there says nothing of where it stands now.
    this.#tracks.delete(place);
  }

  passedOver(place: Place, from: number): void {
    if (this.#once) {
      this.#reading.progress?.passedOver(place, from);
      return;
    }
    // Done as soon as all before it is.
    const track = this.#trackOf(place);
    this.#finish(track, track.add());
  }

  callerIsDone(): void {
    const caller = this.#caller();
    if (caller !== undefined) this.#done(caller.job);
  }

  doneIn(place: Place): number {
    return this.#tracks.has(place) ? place.done : place.position;
  }

  /** The call of a handler that this comes from, while it has not returned. */
  #caller(): Call | undefined {
    return inside.getStore()?.find(({ run, hasReturned }) => run === this && !hasReturned);
  }

  #trackOf(place: Place): Track {
    let track = this.#tracks.get(place);
    if (track === undefined) {
      track = new Track(place);
      place.done = track.done;
      this.#tracks.set(place, track);
    }
    return track;
  }

  /** Commits a record by hand, and all before it: those that are not done yet as soon as they are. */
  async #commit(track: Track, entry: Entry): Promise<void> {
    track.ask(entry);
    this.#finish(track, entry);
    await this.#reading.progress?.commitAsked(track.place, track.asked);
  }

  #finish(track: Track, entry: Entry): void {
    const { place } = track;
    const moved = track.finish(entry);
    // Of a place that has gone on somewhere else it says nothing.
    if (!moved || this.#tracks.get(place) !== track) return;
    place.done = track.done;
    const { progress } = this.#reading;
    progress?.handled(place);
    progress?.asked(place, track.asked);
  }

  async #takeIn(): Promise<void> {
    while (!this.#stopping) {
      if (this.#isFull) {
        await this.#turn();
        continue;
      }
      if (this.#reading.chunk === null && !(await this.#reading.fetch(true, () => !this.#stopping))) return;
      const { chunk } = this.#reading;
      while (chunk !== null && this.#reading.chunk === chunk && !this.#isFull && !this.#stopping) this.#take(chunk);
    }
  }

  /** Takes the next record in. */
  #take(chunk: Chunk): void {
    const { place, rows, row } = chunk;
    const bytes = bytesAt(rows, row);
    const at = { topic: place.topic.name, partition: place.partition, offset: rows.offset(row) };
    const key = this.#lineOf(at, keyBytesAt(rows, row));
    const track = this.#trackOf(place);
    let record: RecordJob["record"];
    let entry: Entry;
    try {
      record = nextRecord(chunk, this.#reading);
      entry = track.add();
      if (place.commit !== undefined) record = new Delivered(record, () => this.#commit(track, entry));
    } catch (error) {
      if (!(error instanceof SerializationError) || this.#deadLetter === undefined) throw error;
      passOver(chunk, this.#reading);
      entry = track.add();
      record = error;
    }
    this.#add({ key, bytes, track, entry, at, record });
  }

  #add(job: RecordJob): void {
    const { place } = job.track;
    this.#inHand.set(place, (this.#inHand.get(place) ?? 0) + 1);
    this.#lines.add(job);
  }

  /** What one record at a time is handled of: a key, or, one at a time in all, the partition. */
  #lineOf({ topic, partition }: RecordAt, key: Buffer | undefined): string | undefined {
    if (this.#options.concurrency === 1) return `${topic}-${partition}`;
    return key === undefined ? undefined : `${topic}-${partition}:${key.toString("latin1")}`;
  }

  /** Has a record handled. */
  async #work(job: RecordJob): Promise<void> {
    try {
      this.#reading.progress?.membership?.handedOut();
      if (await this.#isDone(job)) this.#done(job);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#letGo(job);
    }
  }

  /** Whether it is handled, or buried; false if that was given up. */
  async #isDone(job: RecordJob): Promise<boolean> {
    const { record, track, at } = job;
    if (record instanceof SerializationError) {
      // It will not become readable by being tried again.
      await this.#bury(at, record, 1);
      return true;
    }
    const { signal } = track.aborter;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#call(job, record, { signal, attempt });
        if (!this.#givenUp) this.#handled += 1;
        return true;
      } catch (cause) {
        if (signal.aborted) return false;
        const error = this.#failures.of(at, attempt, cause);
        if (attempt < this.#options.retry.attempts) {
          if (!(await this.#pause(track, error))) return false;
        } else if (this.#deadLetter !== undefined) {
          await this.#bury(at, cause, attempt);
          return true;
        } else {
          throw this.#failures.ended(error);
        }
      }
    }
  }

  /** Calls the handler. */
  async #call(job: RecordJob, record: ConsumerRecord<unknown, unknown>, handlerContext: HandlerContext): Promise<void> {
    const call: Call = { run: this, job, hasReturned: false };
    try {
      await inside.run([...(inside.getStore() ?? []), call], () => this.#handler(record, handlerContext));
    } finally {
      call.hasReturned = true;
    }
  }

  /** False if there is no time to wait. */
  async #pause({ ending: { signal } }: Track, error: HandlerError): Promise<boolean> {
    if (!signal.aborted && !this.#stopping) {
      const delayMs = pauseAfter(error.attempts, this.#options.retry);
      this.#failures.retry(error, error.attempts, delayMs, error.cause);
      await sleep(delayMs, undefined, { signal }).catch(() => {});
    }
    return !signal.aborted && !this.#stopping;
  }

  async #bury(at: RecordAt, cause: unknown, attempts: number): Promise<void> {
    const letter = await this.#deadLetter!.letter(at, cause, attempts);
    if (letter !== undefined) {
      this.#producer ??= producerOf(this.#context, undefined);
      const { topic } = this.#deadLetter!;
      await this.#producer.send(topic, letter);
      this.#failures.buried(at, topic.name, attempts, cause);
    }
    this.#deadLettered += 1;
  }

  #done({ track, entry }: RecordJob): void {
    if (!this.#givenUp) this.#finish(track, entry);
  }

  #withdraw(place: Place): void {
    this.#held.delete(place);
    for (const job of this.#lines.withdraw(({ track }) => track.place === place)) this.#letGo(job);
    this.#turned();
  }

  #letGo({ track: { place } }: RecordJob): void {
    const left = this.#inHand.get(place)! - 1;
    if (left > 0) this.#inHand.set(place, left);
    else this.#inHand.delete(place);
    const { progress } = this.#reading;
    progress?.freed();
    // As long as some of them are done it is not stuck.
    if (this.isBusy) progress?.membership?.handedOut();
    else progress?.membership?.idle();
  }

  /** Lets nothing more begin, but what was committed already. */
  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const track of this.#tracks.values()) track.ending.abort();
    for (const place of [...this.#tracks.keys()]) {
      if (this.#once) this.#release(place);
      else this.#withdraw(place);
    }
    this.#reading.wake();
    this.#turned();
  }

  #fail(error: unknown): void {
    this.#failure ??= { cause: error };
    this.#stop();
  }

  #abort(error: unknown): void {
    this.#fail(error);
    this.#abortAll(error);
  }

  #abortAll(reason: unknown): void {
    for (const track of this.#tracks.values()) track.abort(reason);
  }

  /** What is not done is handed out again. */
  async #end(): Promise<void> {
    const reading = this.#reading;
    for (const track of this.#tracks.values()) {
      if (!this.#once && !track.isDone) track.place.position = track.place.done;
    }
    await reading.finish(this).catch((error) => this.#fail(error));
    await this.#producer?.close().catch((error) => this.#fail(error));
    const error = this.#failure?.cause;
    if (error instanceof TidelogError && !(error instanceof AbortedError) && !(error instanceof HandlerError)) {
      publishError({ path: reading.path, operation: "read", error });
    }
  }

  /** Resolves when something has happened. */
  #turn(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#wake.push(resolve));
    // A handler that runs has something of its own to wait for.
    return this.#lines.size > 0 ? turn : keepAlive(turn);
  }

  #turned(): void {
    for (const resolve of this.#wake.splice(0)) resolve();
  }
}

/** Has the records of a consumer handled. */
export async function runConsumer(
  context: LogContext,
  reading: Reading,
  handler: RunHandler<ConsumerRecord<unknown, unknown>>,
  options: CheckedRunOptions,
): Promise<ConsumerRunReport> {
  checkAborted("consumer.run", options.signal);
  reading.checkOpen();
  const { deadLetter } = options;
  const by = { where: "consumer.run", group: reading.group, id: undefined } as const;
  const dead = deadLetter === undefined ? undefined : await DeadLetter.open(context, deadLetter, by, reading.sources);
  return new Run(context, reading, handler, options, dead, new Failures(context, by)).run();
}
