// Who takes part.

import { betterSqlite3 } from "./better_sqlite3.js";
import type { Contestant } from "./contestant.js";
import { file } from "./file.js";
import { kafka } from "./kafka.js";
import { limit } from "./limit.js";
import { lmdb } from "./lmdb.js";
import { tidelog } from "./tidelog.js";

export const contestants: readonly Contestant[] = [tidelog, lmdb, betterSqlite3, kafka, file, limit];

/** The contestant of this name. */
export function contestantNamed(name: string): Contestant {
  const found = contestants.find((contestant) => contestant.name === name);
  if (found !== undefined) return found;
  throw new Error(`no contestant is called ${name}; there are ${contestants.map((one) => one.name).join(", ")}`);
}
