// Standard output: waits where the reader is slow, and ends quietly where the reader has gone, as in
// `tidelog tail ... | head`.

import { once } from "node:events";
import type { Writable } from "node:stream";

/** Where a command prints. */
export class Output {
  readonly #stream: Writable;
  readonly #gone = new AbortController();

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // Windows says EOF or EINVAL where others say EPIPE; an output that can't be written has no reader either way.
      this.#gone.abort(error);
    });
  }

  /** Aborted once nobody reads any longer. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Prints, and waits while the reader is behind. */
  async write(text: string): Promise<void> {
    if (this.#gone.signal.aborted || text.length === 0) return;
    if (this.#stream.write(text)) return;
    await once(this.#stream, "drain", { signal: this.#gone.signal }).catch(() => {});
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
