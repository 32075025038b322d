// How far a partition is done whose records are handled in any order: up to the first one that is not.

import { setMaxListeners } from "node:events";
import type { Place } from "../consumer/place.js";

/** Records of one partition that were taken in, in their order. */
export class Track {
  readonly place: Place;
  /** For handlers: what they do is of no use any more. */
  readonly aborter = new AbortController();
  /** For pauses: there is no time to try again. */
  readonly ending = new AbortController();
  /** The offset of the first record that is not done. */
  done: number;
  readonly #entries: Entry[] = [];
  #finished = 0;
  /** The offset behind the last record that a handler has asked to be committed. */
  #asked = -1;

  /** Begins at the place's position. */
  constructor(place: Place) {
    // As many handlers and pauses as may run listen to them.
    setMaxListeners(0, this.aborter.signal, this.ending.signal);
    this.place = place;
    this.done = place.position;
  }

  /** Whether all is done. */
  get isDone(): boolean {
    return this.#entries.length === this.#finished;
  }

  /** The offset up to which handlers have asked for a commit, as far as all before it is done. */
  get asked(): number {
    return Math.min(this.done, this.#asked);
  }

  /** A record was taken in; the place stands behind it. */
  add(): Entry {
    const entry = { behind: this.place.position, isDone: false };
    this.#entries.push(entry);
    return entry;
  }

  /** It is done. Gives whether more is done in a row than before: up to `done`. */
  finish(entry: Entry): boolean {
    entry.isDone = true;
    const before = this.#finished;
    while (this.#entries[this.#finished]?.isDone) this.done = this.#entries[this.#finished++]!.behind;
    const moved = this.#finished > before;
    if (this.#finished > 1000 && this.#finished * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#finished);
      this.#finished = 0;
    }
    return moved;
  }

  /** A handler asks that this and all before it be committed, as soon as all before it is done. */
  ask({ behind }: Entry): void {
    this.#asked = Math.max(this.#asked, behind);
  }

  /** Nobody waits for it any more. */
  abort(reason: unknown): void {
    this.ending.abort();
    this.aborter.abort(reason);
  }
}

/** A record that was taken in. */
export interface Entry {
  readonly behind: number;
  isDone: boolean;
}
