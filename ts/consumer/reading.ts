// The state behind a consumer: its partitions, the chunk being handed out, who iterates, when records count as done, and
// how it ends. Only one iteration at a time; the places outlive it.

import { onAbort } from "../abort.js";
import { keepAlive } from "../alive.js";
import type { LogContext } from "../context.js";
import { publishError } from "../diagnostics.js";
import { AbortedError, ClosedError, InvalidArgumentError, TidelogError } from "../errors.js";
import { Membership, type Owner } from "../group/membership.js";
import type { TopicPartition } from "../group/strategies/strategy.js";
import { direct } from "../native.js";
import type { AnyTopic } from "../topic.js";
import type { TopicState } from "../topic_state.js";
import type { Target } from "./bounds.js";
import { choiceOf, isChosen, nameOf, notRead } from "./choice.js";
import { isFenced } from "./committer.js";
import { type Chunk, Fetcher } from "./fetcher.js";
import { Listener } from "./listener.js";
import { placesGained, placesNow, placesSoon, topicsOf } from "./opening.js";
import type { PartitionChoice, ReadingOptions } from "./options.js";
import { Pauses } from "./pauses.js";
import type { Place } from "./place.js";
import { Progress } from "./progress.js";
import type { Runner } from "./runner.js";

/** What a consumer does, without its public face. */
export class Reading {
  /** The chunk that is being handed out. */
  chunk: Chunk | null = null;
  /** Who handles its records, if it is one who handles several at once. */
  runner: Runner | undefined;
  /** What its group has done; none without a group. */
  readonly progress: Progress | undefined;
  #fetching = false;
  readonly #context: LogContext;
  readonly #options: ReadingOptions;
  /** Resolves once its topics are open; of a member, before it has partitions. */
  readonly #opening: Promise<Place[]>;
  readonly #membership: Membership | undefined;
  /** Of a member: its topics. */
  #topics: readonly TopicState[] = [];
  /** Whether a member has been told what it has, and whether that is all that is meant for it. */
  #told = false;
  #complete = false;
  /** Whether what it has handed out is not its own to commit any more, since it was expelled. */
  #isExpelled = false;
  readonly #listener: Listener;
  /** While it leaves its group in order: nothing is read any more, and what is done can still be committed. */
  #leaving: Promise<void> | undefined;
  /** Why it can't go on. */
  #failure: TidelogError | undefined;
  /** Whether only what stands below the ends of one moment is read now. */
  #narrow = false;
  /** Listens to the signal no longer. */
  #quiet: (() => void) | undefined;
  #places: Place[] | undefined;
  readonly #pauses = new Pauses();
  #fetcher: Fetcher | undefined;
  #iteration: object | undefined;
  /** Whether the last iteration has come to its end. */
  #hasEnded = false;
  /** Those who wait for partitions to change hands. */
  readonly #turns: (() => void)[] = [];
  readonly #closing = new AbortController();

  constructor(context: LogContext, options: ReadingOptions) {
    this.#context = context;
    this.#options = options;
    const { group, membership, onRebalance } = options;
    this.#listener = new Listener(onRebalance, membership?.maxPollIntervalMs ?? 0, () => this.#turned());
    if (membership !== undefined) {
      this.#membership = new Membership(context, membership, this.#owner());
    }
    if (group !== undefined) this.progress = new Progress(context, group, options.delivery!, this.#membership);
    const places = this.#membership === undefined ? placesNow(context, options) : undefined;
    if (this.#membership !== undefined) {
      this.#opening = topicsOf(context, options).then((topics) => {
        this.#topics = topics;
        this.#opened([]);
        return [];
      });
      this.#opening.catch(() => {});
    } else if (places !== undefined) {
      this.#opening = Promise.resolve(places);
      this.#opened(places);
    } else {
      this.#opening = placesSoon(context, options);
      // Whoever uses the consumer is told; nobody may.
      this.#opening.then((soon) => this.#opened(soon)).catch(() => {});
    }
  }

  /** The group that it reads for, if any. */
  get group(): string | undefined {
    return this.#options.group;
  }

  /** The topics that it reads, as they were given. */
  get sources(): readonly (AnyTopic | string)[] {
    return this.#options.wanted.map(({ topic }) => topic);
  }

  /** The store's folder. */
  get path(): string {
    return this.#context.path;
  }

  /** The partitions, as far as they are known. */
  get places(): readonly Place[] {
    return this.#places ?? [];
  }

  /** The partitions, once all topics are open. */
  async open(): Promise<readonly Place[]> {
    this.checkOpen();
    await this.#opening;
    this.#join();
    // Not for all that is to come: somebody may hold it who waits for this. Nor does a listener wait for itself.
    await this.#turn(() => this.#told || this.#listener.isTelling);
    return this.places;
  }

  /** Becomes a member, unless it is one, or can't be. */
  #join(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#membership === undefined || this.#membership.member !== undefined || this.isClosed) return;
    this.#told = false;
    this.#complete = false;
    this.#isExpelled = false;
    this.#membership.join(this.#topics);
    this.#context.members.add(this);
  }

  /** Resolves once that holds of a member, or it can't go on. */
  async #turn(holds: () => boolean): Promise<void> {
    while (this.#membership !== undefined && !this.#over && this.#failure === undefined && !holds()) {
      await keepAlive(new Promise<void>((resolve) => this.#turns.push(resolve)));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Something has happened that others may wait for. */
  #turned(): void {
    for (const resolve of this.#turns.splice(0)) resolve();
    this.wake();
  }

  /** What is done with the partitions that it gets as a member, and gives up. */
  #owner(): Owner {
    return {
      gain: async (partitions, isMember) => {
        // What comes while it leaves is for others.
        const isStill = () => isMember() && this.#leaving === undefined && !this.#over;
        const places = await placesGained(this.#context, this.#options, this.#topics, partitions);
        if (!isStill()) return;
        this.progress!.serve(places);
        this.#places!.push(...places);
        // The listener may look at them, and seek, before anything is read.
        for (const place of places) {
          place.bar();
          place.paused = this.#pauses.has(place.topic.name, place.partition);
        }
        await this.#listener.assigned(places);
        const ends = await this.#endsOf(places);
        if (!isStill()) return;
        for (const [i, place] of places.entries()) {
          place.until = ends[i]!;
          // While a transaction takes, it sees what it saw when it began.
          place.end = this.#narrow ? place.position : place.until;
          this.#fetcher!.add(place);
        }
        this.#turned();
      },
      giveUp: async (partitions, isStill) => {
        const places = this.#those(partitions);
        for (const place of places) {
          place.bar();
          this.progress!.giveBack(place, this.chunk);
          this.#drop(place);
        }
        for (const place of places) {
          this.runner?.leave(place);
          await this.progress!.free(place, this.runner);
        }
        if (!isStill()) return;
        await this.#listener.revoked(places);
        await this.progress!.committer.settle();
        this.#let(places);
      },
      lose: (reason) => {
        this.#isExpelled = true;
        this.#context.members.delete(this);
        const places = [...this.places];
        for (const place of places) this.runner?.lost(place);
        this.#let(places);
        for (const place of places) this.progress!.lost(place);
        this.#told = false;
        this.#complete = false;
        this.#listener.lost(places).catch((error) => this.#failed(error));
        if (reason.code !== "ERR_TIDELOG_CLOSED") publishError({ path: this.path, operation: "read", error: reason });
        this.#turned();
      },
      fail: (error) => this.#failed(error),
      told: (complete) => {
        this.#told = true;
        this.#complete = complete;
        this.#turned();
      },
    };
  }

  #failed(error: TidelogError): void {
    this.#failure ??= error;
    this.#turned();
  }

  #those(partitions: readonly TopicPartition[]): Place[] {
    return this.places.filter((place) =>
      partitions.some(({ topic, partition }) => place.topic.name === topic && place.partition === partition),
    );
  }

  /** Reads these no more. */
  #let(places: readonly Place[]): void {
    for (const place of places) {
      const index = this.#places!.indexOf(place);
      if (index < 0) continue;
      place.gone = true;
      this.runner?.moved(place);
      if (this.chunk?.place === place) this.chunk = null;
      this.#fetcher!.remove(place);
      this.#places!.splice(index, 1);
    }
    this.#turned();
  }

  checkOpen(): void {
    if (this.isClosed) throw new ClosedError("the consumer");
    this.#checkSignal();
    this.#context.checkOpen();
  }

  /**
   * Begins an iteration, if there is none. Only while there is one is the consumer known to the log and to its signal,
   * so that one that was read to its end and dropped leaves nothing behind.
   */
  async begin(iteration: object): Promise<void> {
    this.checkOpen();
    if (this.#iteration !== undefined) {
      throw new TidelogError(
        "ERR_TIDELOG_ALREADY_ITERATED",
        "the consumer is being iterated already; end that loop first, or make a second consumer",
      );
    }
    this.#iteration = iteration;
    this.#context.readings.add(this);
    this.#quiet = onAbort([this.#options.signal], () => this.#end());
    try {
      await this.#opening;
      if (this.#over) return;
      this.#join();
      const places = [...this.places];
      const ends = await this.#endsOf(places);
      for (const [i, place] of places.entries()) {
        if (place.isBarred) continue;
        place.until = ends[i]!;
        place.end = place.until;
      }
    } catch (error) {
      // Closed while its topics were being opened: the loop ends as any other does.
      if (!this.#over) throw error;
    }
  }

  /** Limits the iteration to what stands below the high watermarks of one moment: no transaction is half in it. */
  narrow(): void {
    const ends = this.#ends(this.places);
    this.#narrow = true;
    for (const [i, place] of this.places.entries()) this.#fetcher!.limit(place, Math.min(place.until, ends[i]!));
    const { chunk } = this;
    if (chunk === null) return;
    const { rows, row, place } = chunk;
    while (chunk.end > row + 1 && rows.offset(chunk.end - 1) >= place.end) chunk.end -= 1;
    chunk.next = Math.min(chunk.next, place.end);
  }

  /** Lifts that again. */
  widen(): void {
    this.#narrow = false;
    for (const place of this.places) {
      if (place.end === place.until) continue;
      place.end = place.until;
      this.#fetcher!.resume(place);
    }
  }

  /** Where reading that begins now ends in these. */
  #endsOf(places: readonly Place[]): readonly number[] | Promise<number[]> {
    const { until } = this.#options;
    // Of one moment for all.
    if (until === "end") return this.#ends(places);
    return Promise.all(places.map((place) => place.endOf(until)));
  }

  #ends(places: readonly Place[]): number[] {
    return direct(() => this.#context.native.highWatermarks(places.map(({ native }) => native)));
  }

  /**
   * Ends an iteration, which has come to its end or was `"left"`, and resolves once what was done is committed. The places stay behind the last record that was
   * handed out, or at it if it is not done. With `"kept"`, what has been fetched is kept for the next one.
   */
  async finish(iteration: object, how: "left" | "ended" | "kept" = "ended"): Promise<void> {
    if (this.#iteration !== iteration) return;
    this.#iteration = undefined;
    this.#hasEnded = how === "ended";
    this.#quiet?.();
    this.progress?.leave(this.chunk);
    if (how !== "kept") this.chunk = null;
    this.#stop();
    this.#membership?.rest();
    try {
      await this.progress?.committer.settle();
    } finally {
      if (this.#iteration === undefined) this.#context.readings.delete(this);
      // Its signal has ended it for good.
      if (this.#over) await this.#leave(this.#options.membership?.maxPollIntervalMs ?? 0);
      else if (how !== "kept" && this.#isDone(how)) await this.#retire();
    }
  }

  /**
   * Whether to go on: then there was a chunk to hand out from, which is gone again if its place was paused, moved or
   * given up since. False at the end, or when `goOn` says so. A loop that was begun before the close ends with it.
   */
  async fetch(keepsBytes: boolean, goOn?: () => boolean): Promise<boolean> {
    if (!this.runner?.isBusy) this.#membership?.idle();
    while (!this.#over && this.chunk === null) {
      // It may have been expelled since.
      this.#join();
      if (!this.#fetching) {
        this.#fetching = true;
        this.#fetcher!.start();
      }
      const member = this.#membership?.member;
      const isMember = () => this.#failure === undefined && this.#membership?.member === member;
      const next = this.#fetcher!.next(keepsBytes, () => isMember() && (goOn === undefined || goOn()));
      const chunk = await keepAlive(next);
      if (chunk === null) {
        if (!isMember() && !this.#over && (goOn === undefined || goOn())) continue;
        break;
      }
      // Paused, moved or given up since it was fetched: this comes in a turn of its own.
      if (chunk.epoch !== chunk.place.epoch) continue;
      this.chunk = chunk;
      try {
        await this.progress?.fetched(this.chunk);
      } catch (error) {
        this.chunk = null;
        // Somebody else's by now, who reads it.
        if (!chunk.place.gone || !isFenced(error)) throw error;
      }
    }
    this.#checkSignal();
    return !this.#over && this.chunk !== null;
  }

  /** Whether there is, or may come, more to hand out to one that is under way. */
  get hasMore(): boolean {
    return !this.#over && this.#failure === undefined && this.#fetching && this.#fetcher!.hasMore;
  }

  /** Whether there may be much to read between one record and the next. */
  get isFiltered(): boolean {
    return this.#options.filter !== undefined;
  }

  /** Has whoever waits in `fetch` look again. */
  wake(): void {
    this.#fetcher?.wake();
  }

  /** The next item is asked for, so the last one is done; unless the close has come between. */
  settle(): void {
    if (!this.isClosed) this.progress?.settle();
  }

  /** Commits what is done when it is called: a loop may go on before anything is waited for. */
  async commit(): Promise<void> {
    if (this.#leaving === undefined) this.checkOpen();
    if (this.progress === undefined) {
      throw new InvalidArgumentError(
        "consumer.commit: the consumer has no group to commit for; give it one by its option group",
      );
    }
    const isReady = this.#membership === undefined ? this.#places !== undefined : this.#membership.member !== undefined;
    if (!isReady) {
      if (this.#isExpelled) throw this.#membership!.fenced();
      await this.open();
    }
    const leaving = this.#leaving !== undefined;
    await this.progress.commit(this.places, this.chunk, this.runner, leaving);
    // That was what it stayed for.
    if (!leaving && this.#hasEnded && this.#iteration === undefined && this.#isDone("ended")) await this.#retire();
  }

  async seek(target: Target, choice: PartitionChoice): Promise<void> {
    await this.open();
    const places = this.#chosen("consumer.seek", choice);
    this.#checkFree();
    const offsets = await Promise.all(places.map((place) => place.offsetOf(target)));
    this.checkOpen();
    this.#checkFree();
    for (const [i, place] of places.entries()) {
      if (this.chunk?.place === place) this.progress?.dropped(this.chunk);
      this.moveTo(place, offsets[i]!);
      if ("to" in target && target.to === "earliest") place.begun = offsets[i]!;
    }
  }

  /** Goes on somewhere else in one place. */
  moveTo(place: Place, offset: number): void {
    this.progress?.moved(place);
    this.runner?.moved(place);
    place.move(offset);
    this.#drop(place);
    this.#fetcher!.resume(place);
  }

  pause(choice: PartitionChoice): void {
    for (const place of this.#say("consumer.pause", choice, true)) {
      place.paused = true;
      if (this.chunk?.place === place) this.progress?.dropped(this.chunk);
      this.#drop(place);
      this.runner?.hold(place);
    }
    if (this.places.every(({ paused }) => paused)) this.#fetcher?.freeMemory();
  }

  resume(choice: PartitionChoice): void {
    for (const place of this.#say("consumer.resume", choice, false)) {
      place.paused = false;
      this.#fetcher!.resume(place);
      this.runner?.release(place);
    }
  }

  /** Keeps in mind what is paused, and gives the partitions that it changes something for. */
  #say(where: string, choice: PartitionChoice, isPaused: boolean): Place[] {
    this.checkOpen();
    const chosen = choiceOf(where, choice);
    const places = this.places.filter((place) => isChosen(chosen, place.topic.name, place.partition));
    // What a member has changes hands at any time; what else there is, is known once topics are open.
    const isKnown = this.#membership === undefined && this.#places !== undefined;
    const wanted = this.#options.wanted.some(({ topic, partition }) => isChosen(chosen, nameOf(topic), partition));
    if (!wanted || (isKnown && places.length === 0)) throw notRead(where, chosen);
    this.#pauses.say(chosen, isPaused);
    return places.filter(({ paused }) => paused !== isPaused);
  }

  /** The one place that is meant. */
  async placeOf(choice: PartitionChoice): Promise<Place> {
    await this.open();
    const chosen = this.#chosen("consumer.position", choice);
    if (chosen.length !== 1) {
      throw new InvalidArgumentError(
        `consumer.position: ${chosen.length} partitions are meant; say which by topic and partition`,
      );
    }
    return chosen[0]!;
  }

  /** Resolves once what was done is committed; handlers that run have so long to return. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing.abort();
    if (this.#membership !== undefined) for (const place of this.places) this.progress!.giveBack(place, this.chunk);
    this.#end();
    this.#turned();
    try {
      await this.runner?.stop(timeoutMs);
    } finally {
      await this.#leave(timeoutMs);
    }
  }

  /** Whether it leaves its group after a loop. A live one that was left goes on, and so does one that commits by hand. */
  #isDone(how: "left" | "ended"): boolean {
    const { until, delivery } = this.#options;
    if (this.#membership?.member === undefined) return false;
    if (how === "left" && (until === "live" || delivery === "manual")) return false;
    return this.progress!.isSettled(this.places);
  }

  /** Leaves its group, and has it again with the next loop. */
  async #retire(): Promise<void> {
    try {
      await this.#leave(this.#options.membership!.maxPollIntervalMs);
    } finally {
      this.#let([...this.places]);
    }
  }

  /** Leaves its group in order: its listener may commit, what is done is committed, and others have its partitions. */
  #leave(timeoutMs: number): Promise<void> {
    this.#leaving ??= this.#leaveInOrder(timeoutMs).finally(() => {
      this.#leaving = undefined;
    });
    return this.#leaving;
  }

  async #leaveInOrder(timeoutMs: number): Promise<void> {
    const { progress } = this;
    try {
      const places = this.#membership?.member === undefined ? [] : this.places;
      for (const place of places) progress!.giveBack(place, this.chunk);
      await progress?.committer.settle();
      if (this.#membership?.member !== undefined) await this.#listener.revoked(this.places, timeoutMs);
    } finally {
      try {
        await progress?.committer.settle();
      } finally {
        this.#membership?.leave();
        this.#context.members.delete(this);
      }
    }
  }

  /** Aborts when it is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** What ends it from outside. */
  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  get #over(): boolean {
    return this.isClosed || this.#options.signal?.aborted === true;
  }

  #checkSignal(): void {
    const { signal } = this.#options;
    if (signal?.aborted) throw new AbortedError("reading", signal.reason);
  }

  #opened(places: Place[]): void {
    this.#places = places;
    for (const place of places) place.paused = this.#pauses.has(place.topic.name, place.partition);
    this.progress?.serve(places);
    const { readBytes, onOutOfRange, filter, until } = this.#options;
    this.#fetcher = new Fetcher(places, {
      path: this.path,
      readBytes,
      onOutOfRange,
      filter,
      passedOver: (place, from) => (this.runner ?? this.progress)?.passedOver(place, from),
      mayGrow: () => this.#membership !== undefined && (until === "live" || !this.#complete),
    });
  }

  /** Ends a loop that is under way. */
  #end(): void {
    this.chunk = null;
    this.#stop();
  }

  #stop(): void {
    this.#fetching = false;
    this.#fetcher?.stop();
  }

  #checkFree(): void {
    if (this.progress?.held !== true) return;
    throw new TidelogError(
      "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
      "consumer.seek: records of the consumer are part of a transaction; seek once that has ended",
    );
  }

  /** What was fetched is no longer what comes next. */
  #drop(place: Place): void {
    if (this.chunk?.place === place) this.chunk = null;
    this.#fetcher!.drop(place);
  }

  #chosen(where: string, choice: PartitionChoice): Place[] {
    const chosen = choiceOf(where, choice);
    const places = this.places.filter((place) => isChosen(chosen, place.topic.name, place.partition));
    // A member may have none at all, and may not know.
    const all = chosen.topic === undefined && chosen.partition === undefined;
    if (places.length === 0 && !(all && this.#membership !== undefined)) throw notRead(where, chosen);
    return places;
  }
}
