// What is measured of filters: reading the few records that are wanted, by a filter, beside reading all and deciding in
// JavaScript.

import type { Sizes, WaysCase } from "../ways.js";

export interface FilterSizes extends Sizes {
  /** One in so many is kept. */
  readonly oneIn: number;
}

/** How the rows are called. */
export const MODES = {
  filter: "filter, batches",
  predicate: "predicate in JavaScript, batches of lazy records",
  filterSingly: "filter, record by record",
  predicateSingly: "predicate in JavaScript, record by record",
} as const;

export type Way = keyof typeof MODES;

/** The table of filters. */
export function filterCase(quick: boolean): WaysCase {
  const count = quick ? 100_000 : 10_000_000;
  const sizes: FilterSizes = { size: 100, count, batchLength: 1_000, oneIn: 100, scans: quick ? 1 : 3 };
  const row = (way: Way) => ({ contestant: "tidelog", mode: MODES[way] });
  return {
    name: "filter",
    title: `Find 1 % of ${count.toLocaleString("en")} records of ${sizes.size} B by a header and the key, page cache warm`,
    counts: "records",
    promise: "reads are of a buffered topic; all that is read is checked, also what is passed over",
    shows: "rates",
    chart: "summary",
    limits: [
      { row: row("filter"), limit: row("predicate"), most: 0.2 },
      { row: row("filterSingly"), limit: row("predicateSingly"), most: 0.2 },
    ],
    sizes,
    modes: MODES,
  };
}
