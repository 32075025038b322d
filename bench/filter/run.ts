// Runs the trials of filters: the store is written once, then in each round the ways of reading it take turns, beginning
// with another one.

import { fileURLToPath } from "node:url";
import { forked } from "../fork.js";
import type { Trial } from "../report/rows.js";
import { type FilterCase, MODES, type Way } from "./cases.js";
import type { Order } from "./trial.js";

export interface FilterOptions {
  readonly rounds: number;
  /** Where the store is made. */
  readonly folder: string;
}

/** Measures all rows of the table. */
export async function measureFilter(table: FilterCase, { rounds, folder }: FilterOptions): Promise<Trial[]> {
  const program = fileURLToPath(new URL("trial.ts", import.meta.url));
  const attempt = (way: Order["way"]) => {
    const order: Order = { way, sizes: table.sizes, folder };
    return forked(program, order, `${table.name}, ${way}`);
  };
  await attempt("write");
  const trials: Trial[] = [];
  const ways = Object.keys(MODES) as Way[];
  for (let round = 0; round < rounds; round++) {
    const start = round % ways.length;
    for (const way of [...ways.slice(start), ...ways.slice(0, start)]) {
      const { measures } = await attempt(way);
      for (const { mode, perSecond } of measures) {
        const rate = Math.round(perSecond).toLocaleString("en");
        process.stderr.write(`round ${round + 1}  ${table.name}  tidelog, ${mode}: ${rate}/s\n`);
      }
      trials.push({ round, contestant: "tidelog", workload: table.name, measures });
    }
  }
  return trials;
}
