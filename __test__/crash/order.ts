// What a test tells a crash writer to do, as one line, and how the writer tells its own lines.

import { writeSync } from "node:fs";
import type { LoadOptions } from "./load.js";

export interface Order extends LoadOptions {
  folder: string;
  seed: number;
  /** Streams of this writer are numbered from here. */
  firstStream: number;
  /** Reads everything when it has given up, before it closes, and tells how much that was. */
  readAtLast?: boolean;
  /** Ends by `process.exit()`, without closing, this many ms after it has begun to write. */
  exitAfterMs?: number;
  /** Has a worker write as well, terminates it this many ms after it has begun, and goes on itself. */
  terminateAfterMs?: number;
}

/**
 * Says a line at once, from whatever thread: it is on its way before this returns, and no crash can take it back.
 * The full stop shows that all of it has arrived.
 */
export function tell(line: string): void {
  const text = `${line} .\n`;
  for (;;) {
    try {
      writeSync(1, text);
      return;
    } catch (error) {
      // The pipe may have been set not to wait; a line is too short to be taken in part.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(nobody, 0, 0, 1);
    }
  }
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** A line that was told, or undefined if the end of it is missing. */
export function told(line: string): string | undefined {
  return line.endsWith(" .") ? line.slice(0, -2) : undefined;
}
