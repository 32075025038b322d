// Writers for crash tests: the next one is always started ahead and waits for its order, so that a crash costs no
// start of Node.js; what a writer tells goes to the oracle, down to its last whole line.

import { type Child, type Ended, start } from "../support/child.js";
import { STREAMS } from "./load.js";
import type { Oracle } from "./oracle.js";
import { type Order, told } from "./order.js";

/** A writer at work. */
export interface Writer {
  readonly child: Child;
  /** Resolves when it has told this word, or has ended. */
  until(word: string): Promise<void>;
  /** What it has told the test and not the oracle, by word. */
  readonly own: Map<string, string[]>;
  /** Its end, with everything that it told heard. */
  readonly over: Promise<Ended>;
}

/** Whoever uses one disposes of it, even when the test fails: the one that waits would wait for ever. */
export class Crew implements AsyncDisposable {
  readonly #oracle: Oracle;
  #spare: Child | undefined = start("crash_writer");
  #run = 0;

  constructor(oracle: Oracle) {
    this.#oracle = oracle;
  }

  /** Sends a writer to work. */
  async write(order: Omit<Order, "firstStream">): Promise<Writer> {
    const child = this.#spare ?? start("crash_writer");
    this.#spare = start("crash_writer");
    await child.line();
    const waiting = new Map<string, () => void>();
    const own = new Map<string, string[]>();
    const heard = (async () => {
      for (let line = await child.line(); line !== undefined; line = await child.line()) {
        const text = told(line);
        if (text === undefined) continue;
        const [word, ...rest] = text.split(" ") as [string, ...string[]];
        waiting.get(word)?.();
        if (OWN_WORDS.has(word)) own.set(word, rest);
        else this.#oracle.hear(text);
      }
      for (const resolve of waiting.values()) resolve();
    })();
    // Room for its own streams and for those of a thread in it.
    const firstStream = this.#run++ * 2 * STREAMS;
    child.tell(JSON.stringify({ ...order, firstStream } satisfies Order));
    return {
      child,
      own,
      until: (word) => Promise.race([new Promise<void>((resolve) => waiting.set(word, resolve)), heard]),
      over: heard.then(() => child.ended),
    };
  }

  /** Ends the one that still waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    const spare = this.#spare;
    this.#spare = undefined;
    spare?.kill();
    await spare?.ended;
  }
}

/** Told to the test, not to the oracle. */
const OWN_WORDS = new Set(["gave-up", "read", "closed", "terminated"]);
