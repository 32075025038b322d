// Runs a trial in a process of its own: the order goes there as the only argument, the answer comes back over the IPC
// channel.

import { fork } from "node:child_process";
import type { Measure } from "./phases/measure.js";

/** What a trial answers. */
export interface Outcome {
  readonly measures: readonly Measure[];
}

/** Runs the module at `program` with an order; `name` says what failed, if it fails. */
export function forked(program: string, order: unknown, name: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const trial = fork(program, [JSON.stringify(order)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    let outcome: Outcome | undefined;
    trial.on("message", (message) => {
      outcome = message as Outcome;
    });
    trial.on("error", reject);
    trial.on("close", (code, signal) => {
      if (code === 0 && outcome !== undefined) resolve(outcome);
      else reject(new Error(`${name}: ended with ${signal ?? code}`));
    });
  });
}
