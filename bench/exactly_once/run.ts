// Runs the trials of exactly once: in each round the ways take turns, beginning with another one.

import { fileURLToPath } from "node:url";
import { forked } from "../fork.js";
import type { Trial } from "../report/rows.js";
import type { Case } from "./cases.js";
import type { Order } from "./trial.js";
import { ways } from "./ways.js";

export interface ExactlyOnceOptions {
  readonly rounds: number;
  /** The names of those who take part. */
  readonly contestants: readonly string[];
  /** Makes a folder for a trial. */
  fresh(): string;
  /** Removes it. */
  remove(folder: string): void;
}

/** The trials of one table, and who could not take part, with the reason. */
export interface Measured {
  readonly trials: readonly Trial[];
  readonly leftOut: readonly string[];
}

/** Measures all rows of one table. */
export async function measureExactlyOnce(table: Case, options: ExactlyOnceOptions): Promise<Measured> {
  const asked = ways.filter(
    ({ contestant, modes }) => options.contestants.includes(contestant) && modes[table.name] !== undefined,
  );
  const able = asked.filter((way) => way.unavailable() === undefined);
  const trials: Trial[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const start = round % Math.max(able.length, 1);
    for (const way of [...able.slice(start), ...able.slice(0, start)]) {
      const { contestant, modes } = way;
      const folder = options.fresh();
      const order: Order = { way: ways.indexOf(way), kind: table.name, sizes: table.sizes, folder };
      const program = fileURLToPath(new URL("trial.ts", import.meta.url));
      const { measures } = await forked(program, order, `${contestant}, ${modes[table.name]}, ${table.name}`);
      options.remove(folder);
      for (const { mode, perSecond } of measures) {
        const rate = Math.round(perSecond).toLocaleString("en");
        process.stderr.write(`round ${round + 1}  ${table.name}  ${contestant}, ${mode}: ${rate}/s\n`);
      }
      trials.push({ round, contestant, workload: table.name, measures });
    }
  }
  return {
    trials,
    leftOut: asked
      .filter((way) => !able.includes(way))
      .map((way) => `${way.contestant} in \`${table.name}\` (${way.modes[table.name]}), ${way.unavailable()}`),
  };
}
