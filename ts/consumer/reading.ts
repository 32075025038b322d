// The state behind a consumer: its partitions, the chunk being handed out, who iterates, and how it ends. Only one
// iteration at a time; the places outlive it.

import type { LogContext } from "../context.js";
import { AbortedError, ClosedError, InvalidArgumentError, TidelogError } from "../errors.js";
import { checkOptions } from "../options.js";
import { type Chunk, Fetcher } from "./fetcher.js";
import type { PartitionChoice, ReadingOptions, SeekTarget } from "./options.js";
import { Place } from "./place.js";

/** What a consumer does, without its public face. */
export class Reading {
  /** The chunk that is being handed out. */
  chunk: Chunk | null = null;
  readonly #context: LogContext;
  readonly #options: ReadingOptions;
  readonly #opening: Promise<Place[]>;
  readonly #abort = () => this.#end();
  #places: Place[] | undefined;
  #fetcher: Fetcher | undefined;
  #iteration: object | undefined;
  #closed = false;

  constructor(context: LogContext, options: ReadingOptions) {
    this.#context = context;
    this.#options = options;
    const places = placesNow(context, options);
    if (places !== undefined && typeof options.from === "string") {
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
    if (this.#closed) throw new ClosedError("the consumer");
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
      for (const place of places) {
        place.end = this.#options.until === "end" ? place.native.highWatermark : Number.POSITIVE_INFINITY;
      }
      this.#fetcher!.start();
    } catch (error) {
      // Closed while its topics were being opened: the loop ends as any other does.
      if (!this.#over) throw error;
    }
  }

  /** Ends an iteration. The places stay behind the last record that was handed out. */
  finish(iteration: object): void {
    if (this.#iteration !== iteration) return;
    this.#iteration = undefined;
    this.#context.readings.delete(this);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.chunk = null;
    this.#fetcher?.stop();
  }

  /** The chunk to hand out from; null at the end. A loop that was begun before the close ends with it. */
  async fetch(keepsBytes: boolean): Promise<Chunk | null> {
    if (!this.#over) this.chunk ??= await this.#fetcher!.next(keepsBytes);
    this.#checkSignal();
    return this.#over ? null : this.chunk;
  }

  async seek(target: SeekTarget, choice: PartitionChoice): Promise<void> {
    await this.open();
    const places = this.#chosen("consumer.seek", choice);
    const offsets = await Promise.all(places.map((place) => place.offsetOf(target)));
    this.checkOpen();
    for (const [i, place] of places.entries()) {
      place.position = offsets[i]!;
      this.#drop(place);
      this.#fetcher!.resume(place);
    }
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

  close(): void {
    this.#closed = true;
    this.#end();
  }

  get #over(): boolean {
    return this.#closed || this.#options.signal?.aborted === true;
  }

  #checkSignal(): void {
    const { signal } = this.#options;
    if (signal?.aborted) throw new AbortedError("reading", signal.reason);
  }

  #opened(places: Place[]): void {
    this.#places = places;
    this.#fetcher = new Fetcher(places, this.#options.readBytes, this.#options.onOutOfRange);
  }

  /** Ends a loop that is under way. */
  #end(): void {
    this.chunk = null;
    this.#fetcher?.stop();
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

/** The partitions to read, if all their topics are open; those that begin at a time stand at the log start yet. */
function placesNow(context: LogContext, { wanted, from }: ReadingOptions): Place[] | undefined {
  const places: Place[] = [];
  const seen = new Set<string>();
  for (const { topic, partition, offset } of wanted) {
    const state = context.resolve(topic);
    if (state === undefined) return undefined;
    const numbers = partition === undefined ? Array.from({ length: state.partitionCount }, (_, n) => n) : [partition];
    for (const number of numbers) {
      const id = `${state.name}-${number}`;
      if (seen.has(id)) throw new InvalidArgumentError(`log.consumer: ${id} is given twice`);
      seen.add(id);
      const place = new Place(state, number, 0);
      place.position = offset ?? (from === "latest" ? place.native.highWatermark : place.native.logStartOffset);
      places.push(place);
    }
  }
  return places;
}

async function placesSoon(context: LogContext, options: ReadingOptions): Promise<Place[]> {
  const { wanted, from } = options;
  for (const { topic } of wanted) {
    if (typeof topic === "string" && context.resolve(topic) === undefined) await context.open(topic);
  }
  const places = placesNow(context, options)!;
  if (typeof from === "string") return places;
  const given = new Set(wanted.filter(({ offset }) => offset !== undefined).map(keyOf));
  for (const place of places) {
    if (!given.has(`${place.topic.name}-${place.partition}`)) place.position = await place.offsetOf(from);
  }
  return places;
}

function keyOf({ topic, partition }: ReadingOptions["wanted"][number]): string {
  return `${typeof topic === "string" ? topic : topic.name}-${partition}`;
}
