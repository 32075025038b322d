// Chance from a seed, so that what a run did can be done again.

import { random } from "../../bench/records.js";

export class Dice {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = random(Math.imul(seed + 1, 0x9e3779b1));
    // The first numbers of near seeds are near each other.
    for (let i = 0; i < 8; i++) this.#next();
  }

  /** A whole number from 0 up to `end`. */
  below(end: number): number {
    return Math.floor((this.#next() / 2 ** 32) * end);
  }

  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True `percent` times in a hundred. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
