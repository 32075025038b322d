// Tables of earlier runs, which stay where a run makes others only.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inWords, type Machine } from "../machine.js";
import type { Table } from "../table.js";
import type { Row } from "./rows.js";

/** A table's measured rows. */
export interface Measured {
  readonly workload: Table;
  readonly rows: readonly Row[];
  /** Where and when, if that was in another run than the other tables. */
  readonly taken?: string;
}

/** What an earlier run has left of a table; nothing where it has left none. */
export function kept(folder: string, name: string): Measured[] {
  const path = join(folder, `${name}.json`);
  if (!existsSync(path)) return [];
  const content = JSON.parse(readFileSync(path, "utf8")) as Measured & { machine: Machine; rounds: number };
  const { workload, rows, machine, rounds } = content;
  const load = `load average of the minute before ${machine.loadBefore}`;
  return [{ workload, rows, taken: `${inWords(machine)}; ${rounds} rounds, ${load}` }];
}
