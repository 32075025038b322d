// What a group has done of what a consumer handed out: when a record counts as done, by the delivery, and what is
// committed then.

import type { LogContext } from "../context.js";
import { TidelogError } from "../errors.js";
import { Committer } from "./committer.js";
import type { Chunk } from "./fetcher.js";
import type { Delivery } from "./options.js";
import type { Place } from "./place.js";

/** The progress of one consumer's group. */
export class Progress {
  readonly committer: Committer;
  readonly #context: LogContext;
  readonly #delivery: Delivery;
  /** Whether records of the consumer are part of a transaction, so that it must not be moved. */
  held = false;
  /** Where the item that was handed out last came from, while it is not done. */
  #undone: Place | null = null;

  constructor(context: LogContext, group: string, delivery: Delivery) {
    this.#context = context;
    this.#delivery = delivery;
    this.committer = new Committer(context, group);
  }

  /** Has records of these places commit through this. */
  serve(places: readonly Place[]): void {
    for (const place of places) place.commit = (offset) => this.#commitBefore(place, offset);
  }

  /** A chunk was fetched, and is about to be handed out. */
  async fetched({ place, next }: Chunk): Promise<void> {
    if (this.#delivery !== "at-most-once" || this.held) return;
    const { committer } = this;
    try {
      committer.note(place, next);
      await committer.flush();
    } catch (error) {
      committer.forget(place);
      place.noted = -1;
      throw error;
    }
  }

  /** A place has moved on over what is not handed out; all that was before it is done. */
  passedOver(place: Place): void {
    if (this.held || this.#delivery === "manual") return;
    place.done = place.position;
    this.committer.note(place, place.position);
    this.committer.later();
  }

  /** Something was handed out from here; the place stands behind it. */
  handedOut(place: Place): void {
    if (this.#delivery === "at-least-once") this.#undone = place;
  }

  /** The next item is asked for, so the last one is done. */
  settle(): void {
    const place = this.#undone;
    if (place === null) return;
    this.#undone = null;
    place.done = place.position;
    this.committer.note(place, place.done);
    this.committer.later();
  }

  /** An iteration ends with the rest of a chunk in hand: what is not done is handed out again. */
  leave(chunk: Chunk | null): void {
    if (this.#undone !== null) this.#undone.position = this.#undone.done;
    this.#undone = null;
    if (this.#delivery === "at-most-once" && chunk !== null) {
      this.committer.noteBack(chunk.place, chunk.place.position);
    }
  }

  /** A place goes on somewhere else. */
  moved(place: Place): void {
    if (this.#undone === place) this.#undone = null;
    this.committer.forget(place);
  }

  /** Commits the positions: all that was handed out, the last one included. */
  async commit(places: readonly Place[]): Promise<void> {
    this.#checkFree();
    this.#undone = null;
    for (const place of places) {
      place.done = place.position;
      if (place.position === place.committed && place.noted <= place.position) continue;
      this.committer.noteBack(place, place.position);
    }
    await this.committer.flush();
  }

  async #commitBefore(place: Place, offset: number): Promise<void> {
    this.#checkFree();
    if (this.#undone === place && offset >= place.position) this.#undone = null;
    place.done = Math.max(place.done, offset);
    this.committer.note(place, offset);
    await this.committer.flush();
  }

  #checkFree(): void {
    this.#context.checkOpen();
    if (!this.held) return;
    throw new TidelogError(
      "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
      "records of the consumer are part of a transaction, which commits them",
    );
  }
}
