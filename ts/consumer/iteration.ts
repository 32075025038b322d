// One loop over a consumer's records or batches. What is at hand is given at once, without waiting for anything;
// calls that come before the last one is answered are answered in their order.

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
        return Promise.resolve({ done: false, value: this.#handOut(chunk, this.#reading) });
      } catch (error) {
        return Promise.reject(this.#failed(error));
      }
    }
    return this.#inTurn(() => this.#wait());
  }

  return(): Promise<IteratorResult<T>> {
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<IteratorResult<T>> {
    this.#finish();
    return Promise.reject(error);
  }

  #inTurn<R>(call: () => Promise<R>): Promise<R> {
    const turn = this.#waiting === 0 ? call() : this.#last.then(call);
    this.#waiting += 1;
    const done = turn.finally(() => {
      this.#waiting -= 1;
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async #wait(): Promise<IteratorResult<T>> {
    if (this.#state === "done") return { done: true, value: undefined };
    try {
      if (this.#state === "new") {
        await this.#reading.begin(this);
        this.#state = "running";
      }
      const chunk = await this.#reading.fetch(this.#keepsBytes);
      // A loop that was ended from outside while it waited has ended.
      if (chunk === null || this.#over()) {
        this.#finish();
        return { done: true, value: undefined };
      }
      return { done: false, value: this.#handOut(chunk, this.#reading) };
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #over(): boolean {
    return this.#state === "done";
  }

  #failed(error: unknown): unknown {
    this.#finish();
    if (error instanceof TidelogError && error.code !== "ERR_TIDELOG_ABORTED")
      publishError({ operation: "read", error });
    return error;
  }

  #finish(): void {
    this.#state = "done";
    this.#reading.finish(this);
  }
}
