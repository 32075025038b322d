// How far rows are from their limits, in words: what the disk gives beside them in the same run, and the bar where one was
// set.

import type { Limit, Table } from "../table.js";
import { type Row, rowAt } from "./rows.js";

/** One line a limit whose both rows were measured. */
export function limitsOf(tables: readonly { workload: Table; rows: readonly Row[] }[]): string[] {
  return tables.flatMap(({ workload, rows }) => workload.limits.flatMap((limit) => line(workload, limit, rows)));
}

function line({ title }: Table, { row, limit, most }: Limit, rows: readonly Row[]): string[] {
  const measured = rowAt(row, rows);
  const beside = rowAt(limit, rows);
  if (measured === undefined || beside === undefined) return [];
  const ratio = measured.p50 / beside.p50;
  const verdict = most === undefined ? "" : `; at most ${most} is the bar: ${ratio <= most ? "kept" : "**missed**"}`;
  return [
    `- ${title}: ${row.contestant} (${row.mode}) takes ${ratio.toFixed(2)} times as long as ${limit.contestant} ` +
      `(${limit.mode}), p50 ${micros(measured.p50)} µs beside ${micros(beside.p50)} µs${verdict}.`,
  ];
}

function micros(value: number): string {
  return value < 10 ? value.toPrecision(2) : Math.round(value).toLocaleString("en");
}
