// Records of a consumer that a transaction takes: they are the transaction's until it ends, and its consumer's again if
// it is not committed.

import { performance } from "node:perf_hooks";
import { checkAborted, onAbort } from "../abort.js";
import { AbortedError, FencedMemberError, InvalidArgumentError, type TidelogError } from "../errors.js";
import type { ConsumerRecord } from "../record.js";
import { nextRecord, passOver } from "./hand_out.js";
import type { Place } from "./place.js";
import type { Progress, Taker } from "./progress.js";
import type { Reading } from "./reading.js";

/** How long a filter is looked for more with something in hand, in ms: a record, or what was passed over in a loop. */
const FILTER_MS = 50;

/** What one transaction has taken of one consumer. */
export class Taking implements Taker {
  readonly reading: Reading;
  readonly group: string;
  readonly #progress: Progress;
  /** Whose loop it is part of; one of its own if there is none. */
  readonly #loop: object | undefined;
  readonly #onLost: (error: TidelogError) => void;
  /** Where the places stood before. */
  readonly #before = new Map<Place, number>();
  /** Those of them of which records were taken, and not only passed over. */
  readonly #taken = new Set<Place>();
  /** Where places stood that the take under way has moved. */
  readonly #since = new Map<Place, number>();
  #begun = false;

  /**
   * `loop`: an iteration of the reading that has begun and goes on behind the transaction. `onLost`: what was taken is
   * somebody else's.
   */
  constructor(reading: Reading, loop: object | undefined, onLost: (error: TidelogError) => void) {
    if (reading.progress === undefined) {
      throw new InvalidArgumentError(
        "tx.take: the consumer has no group to commit for; give it one by its option group",
      );
    }
    this.reading = reading;
    this.#progress = reading.progress;
    this.group = reading.progress.committer.group;
    this.#loop = loop;
    this.#onLost = onLost;
  }

  has(place: Place): boolean {
    return this.#taken.has(place);
  }

  passedOver(place: Place, from: number): void {
    this.#moves(place, from);
  }

  leaves(place: Place): void {
    if (this.#taken.has(place)) return;
    // What was passed over is passed over again by whoever gets it.
    this.#before.delete(place);
    this.#since.delete(place);
  }

  lost(place: Place): void {
    this.leaves(place);
    if (!this.#taken.has(place)) return;
    const { topic, partition } = place;
    const what = `${topic.name}-${partition}, of which the transaction has taken records, is not the consumer's any more`;
    this.#onLost(new FencedMemberError(`${what}; whoever has it is given them again`));
  }

  /**
   * Takes up to `max` records that stand below the high watermarks of one moment, so that no transaction is half among
   * what it could see. Waits for one; none only where the consumer reads to an end and has reached it, or in a loop
   * where its filter has passed over some, so that this is committed.
   */
  async take(max: number, signals: readonly (AbortSignal | undefined)[]): Promise<ConsumerRecord<unknown, unknown>[]> {
    const { reading } = this;
    for (const signal of signals) checkAborted("tx.take", signal);
    await this.#begin();
    this.#since.clear();
    let ended: AbortSignal | undefined;
    const { timer, isLate } = this.#patience();
    const quiet = onAbort(signals, (signal) => {
      ended = signal;
      reading.wake();
    });
    const records: ConsumerRecord<unknown, unknown>[] = [];
    const hasMoved = () => this.#loop !== undefined && this.#since.size > 0;
    const isEnough = () => isLate() && (records.length > 0 || hasMoved());
    try {
      let narrow = false;
      const goOn = () => ended === undefined && (!narrow || reading.places.some(isBelowEnd)) && !isEnough();
      reading.widen();
      while (records.length < max && goOn()) {
        if (!(await reading.fetch(true, goOn))) break;
        const { chunk } = reading;
        if (chunk === null) continue;
        if (!narrow) reading.narrow();
        narrow = true;
        this.#takes(chunk.place);
        while (reading.chunk === chunk && records.length < max) {
          try {
            records.push(nextRecord(chunk, reading));
          } catch (error) {
            // Those before it first.
            if (records.length === 0) throw error;
            return records;
          }
        }
      }
      if (ended !== undefined) throw new AbortedError("tx.take", ended.reason);
      reading.checkOpen();
      if (records.length > 0) this.#progress.membership?.handedOut();
      return records;
    } catch (error) {
      for (const [place, position] of this.#since) {
        if (place.position !== position) reading.moveTo(place, position);
      }
      throw error;
    } finally {
      quiet();
      clearTimeout(timer);
    }
  }

  /** Takes the next record without handing it out: that at this offset, which could not be read. */
  pass(offset: number): void {
    const { chunk } = this.reading;
    if (chunk === null || chunk.rows.offset(chunk.row) !== offset) return;
    this.#takes(chunk.place);
    passOver(chunk, this.reading);
  }

  /** The offsets to commit with what was taken. */
  offsets(): Map<Place, number> {
    const offsets = new Map<Place, number>();
    for (const [place, before] of this.#before) {
      if (place.position !== before) offsets.set(place, place.position);
    }
    return offsets;
  }

  /** They are committed, and the consumer goes on behind them. */
  async done(): Promise<void> {
    for (const [place, offset] of this.offsets()) {
      place.committed = offset;
      place.done = offset;
      place.noted = offset;
    }
    await this.#end();
  }

  /** Gives back what was taken. */
  async putBack(): Promise<void> {
    for (const [place, before] of this.#before) this.reading.moveTo(place, before);
    await this.#end();
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    const { reading } = this;
    if (this.#loop === undefined) {
      this.#begun = true;
      try {
        await reading.begin(this);
      } catch (error) {
        this.#begun = false;
        throw error;
      }
    }
    this.#begun = true;
    this.#progress.hold(this);
    reading.checkOpen();
    // What a loop has committed must not come after what the transaction commits.
    await this.#progress.committer.settle();
  }

  async #end(): Promise<void> {
    this.#before.clear();
    this.#taken.clear();
    this.#progress.release();
    if (this.#begun && this.#loop === undefined) await this.reading.finish(this, "kept");
    this.#begun = false;
  }

  /** Records of a place are about to be taken. */
  #takes(place: Place): void {
    this.#moves(place, place.position);
    this.#taken.add(place);
  }

  #moves(place: Place, from: number): void {
    if (!this.#since.has(place)) this.#since.set(place, from);
    if (!this.#before.has(place)) this.#before.set(place, from);
  }

  /** How long to look for more where a filter may need long to find it. */
  #patience(): { timer: NodeJS.Timeout | undefined; isLate: () => boolean } {
    if (!this.reading.isFiltered) return { timer: undefined, isLate: () => false };
    const due = performance.now() + FILTER_MS;
    const timer = setTimeout(() => this.reading.wake(), FILTER_MS + 1).unref();
    return { timer, isLate: () => performance.now() >= due };
  }
}

/** Whether there is more in sight. */
function isBelowEnd({ paused, position, end }: Place): boolean {
  return !paused && position < end;
}
