// What a group has done of what a consumer handed out: when a record counts as done, by the delivery, and what is
// committed then.

import type { LogContext } from "../context.js";
import { FencedMemberError, TidelogError } from "../errors.js";
import type { Membership } from "../group/membership.js";
import { Committer } from "./committer.js";
import type { Chunk } from "./fetcher.js";
import type { Delivery } from "./options.js";
import type { Place } from "./place.js";

/** A transaction that takes of a consumer. */
export interface Taker {
  /** Whether it has taken records of a place. */
  has(place: Place): boolean;
  /** A place has moved on from there over what is not handed out. */
  passedOver(place: Place, from: number): void;
  /** A place is about to go to somebody else, once nothing of it is in hand. */
  leaves(place: Place): void;
  /** A place is somebody else's: nothing that was taken of it can be committed. */
  lost(place: Place): void;
}

/** An item that was handed out and is not done. */
interface Undone {
  readonly place: Place;
  /** The offset behind it. */
  readonly next: number;
  /** Whether the place has gone on somewhere else since. */
  hasMoved: boolean;
}

/** What a run has done. */
export interface Handled {
  /** The record whose handler this is called from counts as done. */
  callerIsDone(): void;
  /** The offset of the first record of a place that is not done. */
  doneIn(place: Place): number;
}

/** The progress of one consumer's group. */
export class Progress {
  readonly committer: Committer;
  readonly #context: LogContext;
  readonly delivery: Delivery;
  readonly #membership: Membership | undefined;
  /** What a transaction has in hand, if one takes of the consumer. */
  #taker: Taker | undefined;
  /** Where the item that was handed out last came from, while it is not done. */
  #undone: Undone | null = null;
  /** The same, however it is committed, and its offset. */
  #inHand: Place | null = null;
  #inHandAt = -1;
  /** Those who wait until something is not in hand any more. */
  #waiting: (() => void)[] = [];

  constructor(context: LogContext, group: string, delivery: Delivery, membership: Membership | undefined) {
    this.#context = context;
    this.delivery = delivery;
    this.#membership = membership;
    this.committer = new Committer(context, group, membership);
  }

  /** The member that it commits for, if the group has members. */
  get membership(): Membership | undefined {
    return this.#membership;
  }

  /** Whether records of the consumer are part of a transaction, so that it must not be moved. */
  get held(): boolean {
    return this.#taker !== undefined;
  }

  /** A transaction begins to take. */
  hold(taker: Taker): void {
    this.#taker = taker;
  }

  /** It has ended. */
  release(): void {
    this.#taker = undefined;
    this.freed();
  }

  /** Resolves once nothing of a place is in anybody's hand, a runner's among them. */
  async free(place: Place, runner: { has(place: Place): boolean } | undefined): Promise<void> {
    while (this.#taker?.has(place) || this.#inHand === place || runner?.has(place)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Something is not in hand any more. */
  freed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Has records of these places commit through this. */
  serve(places: readonly Place[]): void {
    for (const place of places) place.commit = (offset) => this.#commitBefore(place, offset);
  }

  /** A chunk was fetched, and is about to be handed out. */
  async fetched({ place, next }: Chunk): Promise<void> {
    if (this.delivery !== "at-most-once" || this.held) return;
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

  /** A place has moved on from there over what is not handed out; all that was before it is done. */
  passedOver(place: Place, from: number): void {
    if (this.#taker !== undefined) {
      this.#taker.passedOver(place, from);
    } else if (this.delivery !== "manual") {
      place.done = place.position;
      this.committer.note(place, place.position);
      this.committer.later();
    }
  }

  /** What stands at this offset was handed out; the place stands behind it. */
  handedOut(place: Place, offset: number): void {
    if (this.delivery === "at-least-once") this.#undone = { place, next: place.position, hasMoved: false };
    this.#inHand = place;
    this.#inHandAt = offset;
    this.#membership?.handedOut();
  }

  /** The next item is asked for, so the last one is done. */
  settle(): void {
    const undone = this.#undone;
    this.#inHand = null;
    if (undone !== null) {
      const { place, next, hasMoved } = undone;
      this.#undone = null;
      if (hasMoved) {
        this.committer.noteBefore(place, next);
      } else {
        place.done = next;
        this.committer.note(place, next);
      }
    }
    if (this.#waiting.length > 0) this.freed();
    if (undone !== null) this.committer.later();
  }

  /** All of a place before `place.done` has been handled. */
  handled(place: Place): void {
    if (this.delivery !== "at-least-once" || place.done <= place.noted) return;
    this.committer.note(place, place.done);
    this.committer.later();
  }

  /** An iteration ends with the rest of a chunk in hand: what is not done is handed out again. */
  leave(chunk: Chunk | null): void {
    if (this.#undone !== null && !this.#undone.hasMoved) this.#undone.place.position = this.#undone.place.done;
    this.#undone = null;
    this.#inHand = null;
    this.freed();
    if (chunk !== null) this.dropped(chunk);
  }

  /** The rest of a chunk is not handed out. */
  dropped({ place }: Chunk): void {
    // It was committed when it was fetched; of a transaction it was not.
    if (this.delivery === "at-most-once" && !this.held) this.committer.noteBack(place, place.position);
  }

  /** A place goes on somewhere else. What was done of it before stays to be committed. */
  moved(place: Place): void {
    if (this.#undone?.place === place) this.#undone.hasMoved = true;
  }

  /** A place is to go to somebody else, in order, with the rest of a chunk: whoever gets it goes on where this one was. */
  giveBack(place: Place, chunk: Chunk | null): void {
    this.#taker?.leaves(place);
    if (chunk?.place === place) this.dropped(chunk);
    if (this.delivery === "at-least-once" && place.committed < 0) this.committer.note(place, place.done);
  }

  /**
   * Whether nothing is lost when the consumer leaves its group between two loops: the next one begins where it stands, and
   * nothing that was read can still be committed by hand.
   */
  isSettled(places: readonly Place[]): boolean {
    return places.every(({ position, start, done, noted, committed }) =>
      this.delivery === "manual"
        ? position === start || position <= Math.max(noted, committed)
        : position === (committed < 0 ? done : committed),
    );
  }

  /** A place is somebody else's. */
  lost(place: Place): void {
    if (this.#undone?.place === place) this.#undone = null;
    this.committer.forget(place);
    if (this.#inHand === place) this.#inHand = null;
    this.#taker?.lost(place);
    this.freed();
  }

  /**
   * Commits what is done by now: of a run what its handlers have done, else all that was handed out, the last item
   * included, unless the consumer is `leaving` its group while it is in hand. `chunk` is in hand.
   */
  async commit(
    places: readonly Place[],
    chunk: Chunk | null,
    runner: Handled | undefined,
    leaving: boolean,
  ): Promise<void> {
    this.#checkFree();
    runner?.callerIsDone();
    for (const place of places) {
      const offset = leaving && this.#inHand === place ? this.#inHandAt : this.#doneIn(place, chunk, runner);
      if (offset === place.committed && place.noted <= offset) continue;
      this.committer.note(place, offset);
    }
    await this.committer.flush();
  }

  /** Commits what handlers of a run have asked for and done of a place. */
  async commitAsked(place: Place, asked: number): Promise<void> {
    this.#checkOwn(place);
    this.committer.note(place, asked);
    await this.committer.flush();
  }

  /** The same, soon, without anybody waiting for it. */
  asked(place: Place, asked: number): void {
    if (asked <= place.noted) return;
    this.committer.note(place, asked);
    this.committer.later();
  }

  #doneIn(place: Place, chunk: Chunk | null, runner: Handled | undefined): number {
    // Committed when it was fetched, the rest of it included: further back, a crash would have it handed out twice.
    if (this.delivery === "at-most-once") return chunk?.place === place ? chunk.next : place.position;
    if (runner !== undefined) return runner.doneIn(place);
    if (this.#undone?.place === place) this.#undone = null;
    place.done = place.position;
    return place.done;
  }

  async #commitBefore(place: Place, offset: number): Promise<void> {
    // Of a loop that has come to its end and left the group: there is nothing left to do.
    if (place.gone && offset <= place.committed) return;
    this.#checkOwn(place);
    if (this.#undone?.place === place && offset >= this.#undone.next) this.#undone = null;
    // One that lies behind the position is of before it was moved back.
    if (offset <= place.position) place.done = Math.max(place.done, offset);
    this.committer.note(place, offset);
    await this.committer.flush();
  }

  #checkOwn(place: Place): void {
    this.#checkFree();
    if (place.gone) {
      throw new FencedMemberError(`${place.topic.name}-${place.partition} is not the consumer's any more`);
    }
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
