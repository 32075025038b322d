// Measures ways of reading that Tidelog has, beside each other: the store is written once, then in each round the ways take
// turns, beginning with another one. Each trial is a process of its own.

import { fileURLToPath } from "node:url";
import { forked } from "./fork.js";
import type { Trial } from "./report/rows.js";
import type { Table } from "./table.js";

/** A table of ways. What runs its trials is the file `trial.ts` in the folder of its name. */
export interface WaysCase extends Table {
  readonly sizes: Sizes;
  /** What its rows are called, by way. */
  readonly modes: Readonly<Record<string, string>>;
}

export interface Sizes {
  /** Bytes of a record: key, header and value. */
  readonly size: number;
  readonly count: number;
  readonly batchLength: number;
  /** Times that each trial reads all. */
  readonly scans: number;
}

/** What a trial is asked for: writing the store, or reading it in one way. */
export interface Order<Way extends string, S extends Sizes = Sizes> {
  readonly way: Way | "write";
  readonly sizes: S;
  readonly folder: string;
}

export interface WaysOptions {
  readonly rounds: number;
  /** Where the store is made. */
  readonly folder: string;
}

/** Measures all rows of the table. */
export async function measureWays(table: WaysCase, { rounds, folder }: WaysOptions): Promise<Trial[]> {
  const program = fileURLToPath(new URL(`${table.name}/trial.ts`, import.meta.url));
  const attempt = (way: string) => {
    const order: Order<string> = { way, sizes: table.sizes, folder };
    return forked(program, order, `${table.name}, ${way}`);
  };
  await attempt("write");
  const trials: Trial[] = [];
  const ways = Object.keys(table.modes);
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
