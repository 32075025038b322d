// Asking the person at the terminal before something is given up.

import { createInterface } from "node:readline/promises";
import { UsageError } from "./exit.js";

/** Whether the answer is yes. Where there is nobody to ask, it says that --yes is needed. */
export async function agreed(question: string, command: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UsageError("there is nobody to ask, as standard input is no terminal; --yes does it", command);
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `, { signal })).trim());
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  } finally {
    lines.close();
  }
}
