// What a member tells its rebalance listener: each partition's coming and going once, the one after the other, and no longer
// than a time limit is waited for it.

import { TidelogError } from "../errors.js";
import { asError } from "../thrown.js";
import type { RebalanceListener } from "./options.js";
import type { Place } from "./place.js";

/** The listener of one member. */
export class Listener {
  readonly #given: RebalanceListener;
  readonly #timeoutMs: number;
  readonly #turned: () => void;
  /** Places that it was told of, and not yet that they are gone. */
  readonly #known = new Set<Place>();
  #telling = 0;

  /** Waits so long for each call. `turned` hears when one begins. */
  constructor(given: RebalanceListener, timeoutMs: number, turned: () => void) {
    this.#given = given;
    this.#timeoutMs = timeoutMs;
    this.#turned = turned;
  }

  /** Whether it is being told something. */
  get isTelling(): boolean {
    return this.#telling > 0;
  }

  /** These are about to be read. */
  async assigned(places: readonly Place[]): Promise<void> {
    for (const place of places) this.#known.add(place);
    await this.#tell("assigned", places, this.#timeoutMs);
  }

  /** These are given up; what it was told of before is left out. */
  async revoked(places: readonly Place[], timeoutMs = this.#timeoutMs): Promise<void> {
    await this.#tell("revoked", this.#forget(places), timeoutMs);
  }

  /** These are somebody else's. */
  async lost(places: readonly Place[]): Promise<void> {
    await this.#tell("lost", this.#forget(places), this.#timeoutMs);
  }

  #forget(places: readonly Place[]): Place[] {
    return places.filter((place) => this.#known.delete(place));
  }

  async #tell(name: keyof RebalanceListener, places: readonly Place[], timeoutMs: number): Promise<void> {
    const listener = this.#given[name];
    if (listener === undefined || places.length === 0) return;
    const partitions = places.map(({ topic, partition }) => ({ topic: topic.name, partition }));
    this.#telling += 1;
    this.#turned();
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(tooSlow(name, timeoutMs)), timeoutMs);
      });
      await Promise.race([listener.call(this.#given, partitions), late]);
    } catch (thrown) {
      throw asError(thrown, "ERR_TIDELOG_LISTENER_FAILED", `onRebalance.${name}`);
    } finally {
      clearTimeout(timer);
      this.#telling -= 1;
    }
  }
}

function tooSlow(name: string, timeoutMs: number): TidelogError {
  return new TidelogError(
    "ERR_TIDELOG_LISTENER_FAILED",
    `onRebalance.${name} has not returned for ${timeoutMs} ms; have it return sooner, or raise maxPollIntervalMs`,
  );
}
