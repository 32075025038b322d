// Which partitions of a consumer are paused: what was said last of each, of its topic or of all, so that it also holds for
// partitions that the consumer gets later.

import { type Choice, isChosen } from "./choice.js";

/** The pauses of one consumer. */
export class Pauses {
  /** In the order in which it was said; what says something of all that an earlier one does, takes its place. */
  #said: (Choice & { readonly isPaused: boolean })[] = [];

  /** Pauses or resumes. */
  say({ topic, partition }: Choice, isPaused: boolean): void {
    this.#said = this.#said.filter(
      (before) =>
        (topic !== undefined && topic !== before.topic) || (partition !== undefined && partition !== before.partition),
    );
    this.#said.push({ topic, partition, isPaused });
  }

  /** Whether a partition is paused. */
  has(topic: string, partition: number): boolean {
    return this.#said.filter((said) => isChosen(said, topic, partition)).at(-1)?.isPaused ?? false;
  }
}
