// One loop over a consumer's records or batches. What is at hand is given at once, without waiting for anything;
// calls that come before the last one is answered are answered in their order.

import { CallSite } from "../call_site.js";
import { publishError } from "../diagnostics.js";
import { TidelogError } from "../errors.js";
import type { Chunk } from "./fetcher.js";
import type { Reading } from "./reading.js";

/** Takes the next item out of a chunk, and moves the place on; null once the chunk is used up. */
export type HandOut<T> = (chunk: Chunk, reading: Reading) => T;

/** A loop. */
export class Iteration<T> implements AsyncIterableIterator<T> {
  readonly #reading: Reading;
  readonly #handOut: HandOut<T>;
  readonly #keepsBytes: boolean;
  #state: "new" | "running" | "done" = "new";
  /** Where the loop stands in the program: what it meets later has no line of that. */
  readonly #site = new CallSite();
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** `keepsBytes`: what is handed out stays valid for good. */
  constructor(reading: Reading, keepsBytes: boolean, handOut: HandOut<T>) {
    this.#reading = reading;
    this.#keepsBytes = keepsBytes;
    this.#handOut = handOut;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    const { chunk } = this.#reading;
    if (chunk !== null && this.#waiting === 0 && this.#state === "running") {
      try {
        this.#reading.settle();
        return Promise.resolve({ done: false, value: this.#handOut(chunk, this.#reading) });
      } catch (error) {
        return this.#failed(error);
      }
    }
    return this.#inTurn(() => this.#wait());
  }

  async return(): Promise<IteratorResult<T>> {
    await this.#finish("left");
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<T>> {
    await this.#finish("left");
    throw error;
  }

  #inTurn<R>(call: () => Promise<R>): Promise<R> {
    const turn = this.#waiting === 0 ? call() : this.#last.then(call);
    this.#waiting += 1;
    const done = turn.finally(() => {
      this.#waiting -= 1;
    });
    // Only when it is done counts: what came of it is not kept.
    this.#last = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  async #wait(): Promise<IteratorResult<T>> {
    if (this.#state === "done") return { done: true, value: undefined };
    try {
      if (this.#state === "new") {
        await this.#reading.begin(this);
        this.#state = "running";
      }
      this.#reading.settle();
      // A loop that was ended from outside while it waited has ended.
      while ((await this.#reading.fetch(this.#keepsBytes)) && !this.#over()) {
        const { chunk } = this.#reading;
        if (chunk !== null) return { done: false, value: this.#handOut(chunk, this.#reading) };
      }
      await this.#finish();
      return { done: true, value: undefined };
    } catch (error) {
      return this.#failed(error);
    }
  }

  #over(): boolean {
    return this.#state === "done";
  }

  /** Ends with an error. What can't be committed then does not hide it. */
  async #failed(error: unknown): Promise<never> {
    await this.#finish().catch(() => {});
    if (error instanceof TidelogError && error.code !== "ERR_TIDELOG_ABORTED") {
      publishError({ path: this.#reading.path, operation: "read", error });
    }
    throw this.#site.addTo(error);
  }

  async #finish(how: "left" | "ended" = "ended"): Promise<void> {
    this.#state = "done";
    await this.#reading.finish(this, how);
  }
}
