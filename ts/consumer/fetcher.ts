// Fetches records of several partitions in turn: one read is under way while the one before is being consumed, so
// that never more than two are held, however many partitions there are. A partition with nothing to read costs a
// wait in the engine and no memory.

import { fetched, publishTimed, startOf } from "../diagnostics.js";
import { ClosedError, type TidelogError } from "../errors.js";
import { type Completion, direct, type NativeFilter, tickets } from "../native.js";
import { fromNative } from "../native_errors.js";
import { RecordRows } from "../record.js";
import type { Place } from "./place.js";

/** Records of one read that are being handed out. */
export interface Chunk {
  place: Place;
  /** That of the place when it was fetched: another one since says that it is not wanted any more. */
  epoch: number;
  rows: RecordRows;
  /** The next row to hand out, and the one behind the last. */
  row: number;
  end: number;
  /** Where the partition goes on behind this chunk. */
  next: number;
  highWatermark: number;
}

interface Pending {
  place: Place;
  epoch: number;
  from: number;
  since: number;
  completion: Completion | null;
}

/** What is done about an offset that is not held. */
export type OnOutOfRange = "error" | "earliest" | "latest";

/** How reads are made, and for whom. */
export interface FetchOptions {
  /** The store's folder. */
  path: string;
  readBytes: number;
  onOutOfRange: OnOutOfRange;
  filter: NativeFilter | undefined;
  /** Is told where a place has moved on from, over what was read, with nothing in it to be handed out. */
  passedOver(place: Place, from: number): void;
  /** Whether partitions may still come. */
  mayGrow(): boolean;
}

/** The reads of one consumer. */
export class Fetcher {
  readonly #places: Place[];
  readonly #options: FetchOptions;
  #rows = new RecordRows();
  /** Partitions that have something to read, in turn. */
  #line: Place[] = [];
  #pending: Pending | null = null;
  #error: TidelogError | undefined;
  #running = false;
  /** Wakes whoever waits for the next chunk. */
  #wake: (() => void) | undefined;

  constructor(places: readonly Place[], options: FetchOptions) {
    this.#places = [...places];
    this.#options = options;
  }

  /** Begins to fetch at the places' positions. */
  start(): void {
    this.#running = true;
    for (const place of this.#places) {
      place.fetchAt = place.position;
      this.#schedule(place);
    }
    this.#pump();
  }

  /** Stops fetching and lets go of what was fetched; the places keep their positions. */
  stop(): void {
    this.#running = false;
    for (const place of this.#places) this.drop(place);
    this.#line = [];
    this.#error = undefined;
    this.freeMemory();
    this.#wake?.();
  }

  /** Lets go of the memory that chunks are read into; one that is still being looked at keeps its own. */
  freeMemory(): void {
    this.#rows = new RecordRows();
  }

  /** Forgets what is fetched or under way for a partition; `from` is where to fetch on. */
  drop(place: Place, from = place.position): void {
    place.epoch += 1;
    place.fetchAt = from;
    if (place.wait !== 0) {
      const ticket = place.wait;
      place.wait = 0;
      tickets().forget(ticket);
      direct(() => place.native.cancelWait(tickets().completions, ticket));
    }
    if (place.queued) {
      place.queued = false;
      this.#line.splice(this.#line.indexOf(place), 1);
    }
    const pending = this.#pending;
    if (pending?.place === place && pending.completion !== null) {
      direct(() => tickets().completions.discard(pending.completion!.ticket));
      this.#pending = null;
      this.#pump();
    }
  }

  /** Reads another partition as well. */
  add(place: Place): void {
    this.#places.push(place);
    place.fetchAt = place.position;
    this.resume(place);
  }

  /** Reads a partition no more. */
  remove(place: Place): void {
    this.drop(place);
    place.paused = true;
    const index = this.#places.indexOf(place);
    if (index >= 0) this.#places.splice(index, 1);
    this.wake();
  }

  /** Reads no further than that in a partition, for now; what was fetched from beyond is not wanted yet. */
  limit(place: Place, end: number): void {
    place.end = end;
    if (place.fetchAt < end) return;
    this.drop(place, end);
  }

  /** Fetches again for a partition whose place has changed. */
  resume(place: Place): void {
    if (!this.#running) return;
    this.#schedule(place);
    this.#pump();
    this.#wake?.();
  }

  /**
   * The next chunk, once there is one; null when all partitions have reached their ends, or the fetcher was stopped.
   * `keepsBytes` says that records will point into the chunk's bytes for good. Gives up with null once `goOn` says no,
   * which it is asked whenever something has happened.
   */
  async next(keepsBytes: boolean, goOn?: () => boolean): Promise<Chunk | null> {
    while (this.#running && (goOn === undefined || goOn())) {
      if (this.#error !== undefined) {
        const error = this.#error;
        this.#error = undefined;
        throw error;
      }
      if (this.#pending?.completion) {
        const chunk = this.#take(this.#pending, this.#pending.completion, keepsBytes);
        if (chunk !== null) return chunk;
        continue;
      }
      if (!this.hasMore) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return null;
  }

  /** Whether there is something left before the ends, or may be. */
  get hasMore(): boolean {
    if (!this.#running) return false;
    if (this.#pending !== null || this.#line.length > 0 || this.#options.mayGrow()) return true;
    return this.#places.some((place) => place.fetchAt < place.end);
  }

  /** Has whoever waits for the next chunk look again. */
  wake(): void {
    this.#wake?.();
  }

  /** Puts a partition in the line if it has something to read, or waits until it has. */
  #schedule(place: Place): void {
    if (!this.#running || place.paused || place.queued || place.reading || place.wait !== 0) return;
    try {
      // An offset beyond the end goes in the line as well: the engine will say what is wrong with it.
      const isBeyond = place.fetchAt > place.end && !place.isBarred && place.fetchAt > place.native.highWatermark;
      if (place.fetchAt >= place.end && !isBeyond) return;
      if (place.native.highWatermark !== place.fetchAt) {
        place.queued = true;
        this.#line.push(place);
      } else {
        place.wait = tickets().issue(
          (completions, ticket) => place.native.waitFor(completions, ticket, place.fetchAt),
          ({ error }) => this.#woken(place, error ? fromNative(error) : undefined),
        );
      }
    } catch (error) {
      this.#fail(error as TidelogError);
    }
  }

  #woken(place: Place, error: TidelogError | undefined): void {
    place.wait = 0;
    if (error === undefined) {
      this.#schedule(place);
      this.#pump();
    } else {
      this.#fail(error);
    }
  }

  /** Has one read under way, if there is anything to read. */
  #pump(): void {
    while (this.#running && this.#pending === null && this.#line.length > 0) {
      const place = this.#line.shift()!;
      place.queued = false;
      const { readBytes, filter = null } = this.#options;
      const since = startOf(fetched);
      const pending: Pending = { place, epoch: place.epoch, from: place.fetchAt, since, completion: null };
      this.#pending = pending;
      place.reading = true;
      try {
        tickets().issue(
          (completions, ticket) => place.native.readRecords(completions, ticket, place.fetchAt, readBytes, filter),
          (completion) => this.#answered(pending, completion),
        );
      } catch (error) {
        place.reading = false;
        this.#pending = null;
        this.#fail(error as TidelogError);
      }
    }
  }

  #answered(pending: Pending, completion: Completion): void {
    const { place } = pending;
    place.reading = false;
    if (pending.epoch !== place.epoch || !this.#running) {
      if (!completion.error) direct(() => tickets().completions.discard(completion.ticket));
      this.#pending = null;
      this.#schedule(place);
      this.#pump();
      this.#wake?.();
      return;
    }
    const error = completion.error ? fromNative(completion.error) : undefined;
    this.#publish(pending, completion, error);
    if (error !== undefined) {
      this.#pending = null;
      // What "earliest" means moves on with retention until something is read.
      const onOutOfRange = place.begun === pending.from ? "earliest" : this.#options.onOutOfRange;
      if (error.code === "ERR_TIDELOG_OFFSET_OUT_OF_RANGE" && onOutOfRange !== "error") {
        const { logStartOffset, highWatermark } = place.native;
        place.position = onOutOfRange === "earliest" ? logStartOffset : highWatermark;
        place.fetchAt = place.position;
        if (place.begun >= 0) place.begun = logStartOffset;
        this.#schedule(place);
        this.#pump();
        this.#wake?.();
      } else {
        this.#fail(error);
      }
      return;
    }
    pending.completion = completion;
    this.#wake?.();
  }

  #publish({ place, from, since }: Pending, { numbers }: Completion, error: TidelogError | undefined): void {
    const event = () => {
      const [bytes = 0, , records = 0] = error === undefined ? numbers : [];
      return {
        path: this.#options.path,
        topic: place.topic.name,
        partition: place.partition,
        offset: from,
        records,
        bytes,
      };
    };
    publishTimed(fetched, since, event, error);
  }

  /** Brings a finished read into our memory and has the next one begin; null if there was nothing in it. */
  #take({ place, from }: Pending, { ticket, numbers }: Completion, keepsBytes: boolean): Chunk | null {
    const [bytesLength, tableLength, count, next, highWatermark] = numbers as [number, number, number, number, number];
    const rows = this.#rows;
    const { key, value } = place.topic;
    rows.prepare(bytesLength, tableLength, count, keepsBytes && (key.keepsBytes || value.keepsBytes));
    direct(() => tickets().completions.take(ticket, rows.bytes, rows.table));
    this.#pending = null;
    place.fetchAt = Math.min(next, place.end);
    if (count === 0 && next <= from && place.end !== Number.POSITIVE_INFINITY) {
      // Nothing where something was: a log that a crash or another process made shorter. There is no more to come.
      place.end = from;
    }
    this.#schedule(place);
    this.#pump();
    let row = 0;
    while (row < count && rows.offset(row) < from) row++;
    let end = count;
    while (end > row && rows.offset(end - 1) >= place.end) end--;
    if (row === end) {
      place.position = place.fetchAt;
      if (place.position > from) this.#options.passedOver(place, from);
      return null;
    }
    return { place, epoch: place.epoch, rows, row, end, next: place.fetchAt, highWatermark };
  }

  #fail(error: TidelogError): void {
    // The store was closed under us: whoever closes a log closes its consumers first, so this is another's doing.
    this.#error ??= error.code === "ERR_TIDELOG_CLOSED" ? new ClosedError("the log") : error;
    this.#wake?.();
  }
}
