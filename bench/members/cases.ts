// What is measured of groups: four members in four threads, which share a topic, beside one in one thread.

import type { WaysCase } from "../ways.js";

export const PARTITIONS = 8;

/** How the rows are called. */
export const MODES = {
  one: "one member, record by record",
  four: "four members in four threads, record by record",
  oneOfBatches: "one member, batches, offset of each lazy record",
  fourOfBatches: "four members in four threads, batches, offset of each lazy record",
} as const;

export type Way = keyof typeof MODES;

/** The table of members. */
export function membersCase(quick: boolean): WaysCase {
  const count = quick ? 80_000 : 8_000_000;
  const row = (way: Way) => ({ contestant: "tidelog", mode: MODES[way] });
  const size = 100;
  return {
    name: "members",
    title: `A group reads ${count.toLocaleString("en")} records of ${size} B in ${PARTITIONS} partitions, page cache warm`,
    counts: "records",
    promise: "reads are of a buffered topic; all that is read is checked, and commits are durable",
    shows: "rates",
    chart: "summary",
    limits: [
      { row: row("four"), limit: row("one"), most: 1 },
      { row: row("fourOfBatches"), limit: row("oneOfBatches"), most: 1 },
    ],
    sizes: { size, count, batchLength: 1_000, scans: quick ? 1 : 3 },
    modes: MODES,
  };
}
