// How far something long has come: a line on a terminal that is written over, and nothing elsewhere.

import type { WriteStream } from "node:tty";
import { size } from "./bytes_text.js";

/** Less often than this, in ms, is enough for eyes. */
const INTERVAL_MS = 100;

export class Progress {
  readonly #stream: WriteStream | undefined;
  readonly #what: string;
  #last = 0;

  constructor(what: string, stream = process.stderr) {
    this.#what = what;
    this.#stream = stream.isTTY ? stream : undefined;
  }

  /** Shows bytes done of all. */
  update(done: number, total: number): void {
    const now = performance.now();
    if (this.#stream === undefined || now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    this.#stream.write(`\r\x1b[K${this.#what}: ${percent} %, ${size(done)} of ${size(total)}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#last > 0) this.#stream?.write("\r\x1b[K");
  }
}
