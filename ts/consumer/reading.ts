// The state behind a consumer: its partitions, the chunk being handed out, who iterates, when records count as done, and
// how it ends. Only one iteration at a time; the places outlive it.

import type { LogContext } from "../context.js";
import { AbortedError, ClosedError, InvalidArgumentError, TidelogError } from "../errors.js";
import { direct } from "../native.js";
import { checkOptions } from "../options.js";
import { type Chunk, Fetcher } from "./fetcher.js";
import { placesNow, placesSoon } from "./opening.js";
import type { PartitionChoice, ReadingOptions, SeekTarget } from "./options.js";
import type { Place } from "./place.js";
import { Progress } from "./progress.js";

/** What a consumer does, without its public face. */
export class Reading {
  /** The chunk that is being handed out. */
  chunk: Chunk | null = null;
  /** What its group has done; none without a group. */
  readonly progress: Progress | undefined;
  #fetching = false;
  readonly #context: LogContext;
  readonly #options: ReadingOptions;
  readonly #opening: Promise<Place[]>;
  readonly #abort = () => this.#end();
  #places: Place[] | undefined;
  #fetcher: Fetcher | undefined;
  #iteration: object | undefined;
  readonly #closing = new AbortController();

  constructor(context: LogContext, options: ReadingOptions) {
    this.#context = context;
    this.#options = options;
    if (options.group !== undefined) this.progress = new Progress(context, options.group, options.delivery!);
    const places = placesNow(context, options);
    if (places !== undefined) {
      this.#opening = Promise.resolve(places);
      this.#opened(places);
    } else {
      this.#opening = placesSoon(context, options);
      // Whoever uses the consumer is told; nobody may.
      this.#opening.then((soon) => this.#opened(soon)).catch(() => {});
    }
  }

  /** The partitions, as far as they are known. */
  get places(): readonly Place[] {
    return this.#places ?? [];
  }

  /** The partitions, once all topics are open. */
  async open(): Promise<readonly Place[]> {
    this.checkOpen();
    return this.#opening;
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
    this.#options.signal?.addEventListener("abort", this.#abort);
    try {
      const places = await this.#opening;
      if (this.#over) return;
      const ends = this.#options.until === "end" ? this.#ends() : undefined;
      for (const [i, place] of places.entries()) {
        place.until = ends?.[i] ?? Number.POSITIVE_INFINITY;
        place.end = place.until;
      }
    } catch (error) {
      // Closed while its topics were being opened: the loop ends as any other does.
      if (!this.#over) throw error;
    }
  }

  /** Limits the iteration to what stands below the high watermarks of one moment: no transaction is half in it. */
  narrow(): void {
    const ends = this.#ends();
    for (const [i, place] of this.places.entries()) this.#fetcher!.limit(place, Math.min(place.until, ends[i]!));
    const { chunk } = this;
    if (chunk === null) return;
    const { rows, row, place } = chunk;
    while (chunk.end > row + 1 && rows.offset(chunk.end - 1) >= place.end) chunk.end -= 1;
    chunk.next = Math.min(chunk.next, place.end);
  }

  /** Lifts that again. */
  widen(): void {
    for (const place of this.places) {
      if (place.end === place.until) continue;
      place.end = place.until;
      this.#fetcher!.resume(place);
    }
  }

  #ends(): number[] {
    return direct(() => this.#context.native.highWatermarks(this.places.map(({ native }) => native)));
  }

  /**
   * Ends an iteration, and resolves once what was done is committed. The places stay behind the last record that was
   * handed out, or at it if it is not done. With `keep`, what has been fetched is kept for the next one.
   */
  async finish(iteration: object, keep = false): Promise<void> {
    if (this.#iteration !== iteration) return;
    this.#iteration = undefined;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.progress?.leave(this.chunk);
    if (!keep) this.chunk = null;
    this.#stop();
    try {
      await this.progress?.committer.flush();
    } finally {
      if (this.#iteration === undefined) this.#context.readings.delete(this);
    }
  }

  /**
   * The chunk to hand out from; null at the end, or when `goOn` says so. A loop that was begun before the close ends
   * with it.
   */
  async fetch(keepsBytes: boolean, goOn?: () => boolean): Promise<Chunk | null> {
    while (!this.#over && this.chunk === null) {
      if (!this.#fetching) {
        this.#fetching = true;
        this.#fetcher!.start();
      }
      this.chunk = await this.#fetcher!.next(keepsBytes, goOn);
      if (this.chunk === null) break;
      try {
        await this.progress?.fetched(this.chunk);
      } catch (error) {
        this.chunk = null;
        throw error;
      }
    }
    this.#checkSignal();
    return this.#over ? null : this.chunk;
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

  /** Commits the positions: all that was handed out, the last one included. */
  async commit(): Promise<void> {
    const places = await this.open();
    if (this.progress === undefined) {
      throw new InvalidArgumentError(
        "consumer.commit: the consumer has no group to commit for; give it one by its option group",
      );
    }
    await this.progress.commit(places);
  }

  async seek(target: SeekTarget, choice: PartitionChoice): Promise<void> {
    await this.open();
    const places = this.#chosen("consumer.seek", choice);
    this.#checkFree();
    const offsets = await Promise.all(places.map((place) => place.offsetOf(target)));
    this.checkOpen();
    this.#checkFree();
    for (const [i, place] of places.entries()) this.moveTo(place, offsets[i]!);
  }

  /** Goes on somewhere else in one place. */
  moveTo(place: Place, offset: number): void {
    this.progress?.moved(place);
    place.move(offset);
    this.#drop(place);
    this.#fetcher!.resume(place);
  }

  pause(choice: PartitionChoice): void {
    this.checkOpen();
    for (const place of this.#chosen("consumer.pause", choice)) {
      place.paused = true;
      this.#drop(place);
    }
  }

  resume(choice: PartitionChoice): void {
    this.checkOpen();
    for (const place of this.#chosen("consumer.resume", choice)) {
      place.paused = false;
      this.#fetcher!.resume(place);
    }
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

  /** Resolves once what was done is committed. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#end();
    await this.progress?.committer.flush();
  }

  /** Aborts when it is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
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
    this.progress?.serve(places);
    this.#fetcher = new Fetcher(places, this.#options, (place) => this.progress?.passedOver(place));
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
    checkOptions(where, choice, ["topic", "partition"]);
    if (this.#places === undefined) {
      throw new InvalidArgumentError(
        `${where}: topics given by name are still being opened; await consumer.lag() first`,
      );
    }
    const { topic, partition } = choice;
    const name = typeof topic === "string" || topic === undefined ? topic : topic.name;
    const chosen = this.#places.filter(
      (place) =>
        (name === undefined || place.topic.name === name) && (partition === undefined || place.partition === partition),
    );
    if (chosen.length === 0) {
      throw new InvalidArgumentError(`${where}: the consumer does not read ${name ?? "partition"} ${partition ?? ""}`);
    }
    return chosen;
  }
}
