// From trials to rows: the median over the rounds, its spread, and how it stands to Tidelog's row in the same run.

import type { Measure } from "../phases/measure.js";
import type { Place, Table } from "../table.js";

/** One trial's answer, as it is kept in the raw results. */
export interface Trial {
  readonly round: number;
  readonly contestant: string;
  readonly workload: string;
  readonly measures: readonly Measure[];
}

export interface Row {
  readonly contestant: string;
  readonly mode: string;
  readonly kind: string;
  /** Records per second: the median of the rounds, the slowest and the fastest. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Microseconds of one record, medians of the rounds. */
  readonly p50: number;
  readonly p99: number;
  /** Bytes of one operation. */
  readonly bytes?: number;
  /** Bytes that opening a store read and checked. */
  readonly checked?: number;
  /** The most memory in bytes that the process had. */
  readonly peak?: number;
}

/** Fastest first; where what is shown is no rate, in the order in which they were measured, kind by kind. */
export function rowsOf(workload: Table, trials: readonly Trial[]): Row[] {
  const groups = new Map<string, { contestant: string; mode: string; kind: string; measures: Measure[] }>();
  for (const trial of trials) {
    if (trial.workload !== workload.name) continue;
    for (const measure of trial.measures) {
      const key = `${trial.contestant}\n${measure.mode}`;
      const group = groups.get(key) ?? {
        contestant: trial.contestant,
        mode: measure.mode,
        kind: measure.kind,
        measures: [],
      };
      group.measures.push(measure);
      groups.set(key, group);
    }
  }
  const rows = [...groups.values()].map(({ contestant, mode, kind, measures }) => {
    // Where times are shown, the usual one counts, and not what a single slow one does to the mean.
    const rates = measures.map(({ perSecond, p50 }) => (workload.shows === "times" ? 1e6 / p50 : perSecond));
    return {
      contestant,
      mode,
      kind,
      median: median(rates),
      min: Math.min(...rates),
      max: Math.max(...rates),
      p50: median(measures.map((measure) => measure.p50)),
      p99: median(measures.map((measure) => measure.p99)),
      ...ofEvery(measures, "bytes"),
      ...ofEvery(measures, "checked"),
      ...ofEvery(measures, "peak"),
    };
  });
  return workload.shows === "rates" ? rows.sort((a, b) => b.median - a.median) : rows;
}

function ofEvery<N extends "bytes" | "checked" | "peak">(
  measures: readonly Measure[],
  name: N,
): Partial<Record<N, number>> {
  const values = measures.map((measure) => measure[name]).filter((value) => value !== undefined);
  return values.length === 0 ? {} : ({ [name]: median(values) } as Partial<Record<N, number>>);
}

/** MiB of a row in a second. */
export function throughput(row: Row): number {
  return ((row.bytes ?? 0) * row.median) / 2 ** 20;
}

/** The row that stands at a place. */
export function rowAt(place: Place, rows: readonly Row[]): Row | undefined {
  return rows.find(({ contestant, mode }) => contestant === place.contestant && mode === place.mode);
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Rows of other contestants that do the same thing as this one, and faster. */
export function fasterPeers(row: Row, rows: readonly Row[]): Row[] {
  return rows.filter(
    (other) => other.contestant !== row.contestant && other.kind === row.kind && other.median > row.median,
  );
}
