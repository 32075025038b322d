// What a consumer asks of whoever handles several of its records at once.

import type { Place } from "./place.js";
import type { Handled } from "./progress.js";

/** Who handles several records of a consumer at once. */
export interface Runner extends Handled {
  /** Whether records are in hand. */
  readonly isBusy: boolean;
  /** Whether records of a place are. */
  has(place: Place): boolean;
  /** A place is about to go to somebody else, once nothing of it is in hand. */
  leave(place: Place): void;
  /** It is somebody else's. */
  lost(place: Place): void;
  /** It goes on somewhere else. */
  moved(place: Place): void;
  /** It is paused: what was taken in of it and has not begun waits. */
  hold(place: Place): void;
  /** It is not any more. */
  release(place: Place): void;
  /** It has moved on from there over what is not handed out. */
  passedOver(place: Place, from: number): void;
  /** The consumer closes: resolves once nothing more is done, or the time is up. */
  stop(timeoutMs: number): Promise<void>;
}
