// How far a partition is done whose records are handled in any order: up to the first one that is not.

import type { Place } from "../consumer/place.js";

/** Records of one partition that were taken in, in their order. */
export class Track {
  readonly place: Place;
  /** For handlers: what they do is of no use any more. */
  readonly aborter = new AbortController();
  /** For pauses: there is no time to try again. */
  readonly ending = new AbortController();
  readonly #entries: Entry[] = [];
  #done = 0;

  /** Begins at the place's position. */
  constructor(place: Place) {
    this.place = place;
    place.done = place.position;
  }

  /** Whether all is done. */
  get isDone(): boolean {
    return this.#entries.length === this.#done;
  }

  /** A record was taken in; the place stands behind it. */
  add(): Entry {
    const entry = { behind: this.place.position, isDone: false };
    this.#entries.push(entry);
    return entry;
  }

  /** It is done. Gives whether more is done in a row than before: up to `place.done`. */
  finish(entry: Entry): boolean {
    entry.isDone = true;
    const before = this.#done;
    while (this.#entries[this.#done]?.isDone) this.place.done = this.#entries[this.#done++]!.behind;
    const moved = this.#done > before;
    if (this.#done > 1000 && this.#done * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#done);
      this.#done = 0;
    }
    return moved;
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
