// Standard output: waits where the reader is slow, ends quietly where the reader has gone, as in
// `tidelog tail ... | head`, and fails where it can't be written, as on a full disk.

import { once } from "node:events";
import type { Writable } from "node:stream";
import { Refusal } from "./exit.js";

/** How systems say that a reader has gone; Windows says EOF or EINVAL where others say EPIPE. */
const READER_GONE = new Set(["EPIPE", "ECONNRESET", "EOF", ...(process.platform === "win32" ? ["EINVAL"] : [])]);

/** Where a command prints. */
export class Output {
  readonly #stream: Writable;
  readonly #gone = new AbortController();
  #failure: NodeJS.ErrnoException | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (!READER_GONE.has(error.code ?? "")) this.#failure ??= error;
      this.#gone.abort(error);
    });
  }

  /** Aborted once nothing more can be printed: the reader has gone, or writing has failed. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Prints, and waits while the reader is behind. */
  async write(text: string): Promise<void> {
    if (this.#gone.signal.aborted || text.length === 0) return;
    if (this.#stream.write(text)) return;
    await once(this.#stream, "drain", { signal: this.#gone.signal }).catch(() => {});
  }

  /** Waits until all is written; rejects where that has failed. */
  async finish(): Promise<void> {
    if (!this.#gone.signal.aborted) {
      // Called back once everything before is written, or has failed; the error comes as an event, too, just behind.
      await new Promise((resolve) => this.#stream.write("", () => setImmediate(resolve)));
    }
    if (this.#failure !== undefined) {
      throw new Refusal(`the output can't be written (${this.#failure.message}); what was printed is not complete`);
    }
  }

  /** Prints a line. */
  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** Prints a value as indented JSON. */
  json(value: unknown): Promise<void> {
    return this.line(JSON.stringify(value, null, 2));
  }

  /** Prints rows in columns, the first row as their heads; numbers to the right. */
  async table(rows: readonly (readonly (string | number)[])[]): Promise<void> {
    const widths: number[] = [];
    for (const row of rows) {
      for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, String(cell).length);
    }
    const numeric = widths.map((_, i) => rows.slice(1).every((row) => typeof row[i] === "number"));
    const lines = rows.map((row) =>
      row
        .map((cell, i) => (numeric[i] ? String(cell).padStart(widths[i] ?? 0) : String(cell).padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    );
    await this.write(`${lines.join("\n")}\n`);
  }
}
