// better-sqlite3: one table by number, one transaction a batch, one process that keeps the database locked for itself. Where
// the death of the process is all that must be survived: synchronous=OFF, pages of 16 KiB, a rollback journal that is kept
// (an append changes few old pages, and a WAL would write every byte twice), and 100 rows an insert. Where every append must
// be durable: WAL with synchronous=FULL, one sync a transaction. It is synchronous by design: many callers at once are
// served by a program that puts what has gathered into one transaction.

import { closeSync, fdatasyncSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Database, Statement, Transaction } from "better-sqlite3";
import type { Tally } from "../records.js";
import type { Contestant, Getter, OpenOptions, Replay, Session } from "./contestant.js";
import { installed } from "./installed.js";

const require = createRequire(import.meta.url);
const PAGE = 1_000;
/** Rows of one insert. */
const ROWS = 100;
/** For both, so that reads of a store that either made go by memory and not by calls. */
const SHARED = ["locking_mode = EXCLUSIVE", "mmap_size = 17179869184"];
const ACCEPTED = ["page_size = 16384", ...SHARED, "journal_mode = PERSIST", "synchronous = OFF"];
const DURABLE = [...SHARED, "journal_mode = WAL", "synchronous = FULL"];

export const betterSqlite3: Contestant = {
  name: "better-sqlite3",
  durableMode:
    "one transaction a record in WAL mode with synchronous=FULL; of many callers one transaction, made by the program",
  version: () => installed("better-sqlite3").version,
  unavailable: () => installed("better-sqlite3").unavailable,
  open: async (folder, options) => new SqliteSession(join(folder, "records.sqlite"), options),
};

class SqliteSession implements Session {
  readonly together = { how: "in one transaction", append: (records: readonly Buffer[]) => this.append(records) };
  readonly #database: Database;
  readonly #insert: Statement;
  readonly #insertAll: Transaction<(batch: readonly Buffer[]) => void>;

  constructor(path: string, options: OpenOptions) {
    const Sqlite = require("better-sqlite3") as typeof import("better-sqlite3");
    this.#database = new Sqlite(path);
    for (const pragma of options.durable ? DURABLE : ACCEPTED) this.#database.pragma(pragma);
    this.#database.exec("CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY, value BLOB NOT NULL)");
    this.#insert = this.#database.prepare("INSERT INTO records (value) VALUES (?)");
    const rows = this.#database.prepare(`INSERT INTO records (value) VALUES ${Array(ROWS).fill("(?)").join(", ")}`);
    this.#insertAll = this.#database.transaction((batch: readonly Buffer[]) => {
      let at = 0;
      for (; at + ROWS <= batch.length; at += ROWS) rows.run(batch.slice(at, at + ROWS));
      for (; at < batch.length; at++) this.#insert.run(batch[at]);
    });
  }

  append(batch: readonly Buffer[]): void {
    this.#insertAll(batch);
  }

  async settled(): Promise<void> {}

  async sync(): Promise<void> {
    const fd = openSync(this.#database.name, "r+");
    fdatasyncSync(fd);
    closeSync(fd);
  }

  replays(): Record<string, Replay> {
    const page = this.#database.prepare("SELECT value FROM records WHERE number > ? ORDER BY number LIMIT ?").pluck();
    const read = (tally: Tally): void => {
      // SQLite counts rows from 1, and no row was ever deleted.
      for (let last = 0; ; last += PAGE) {
        const values = page.all(last, PAGE) as Buffer[];
        for (const value of values) tally.add(value);
        if (values.length < PAGE) return;
      }
    };
    return { "pages of 1,000 rows": { sums: "values", read } };
  }

  gets(): Record<string, Getter> {
    const get = this.#database.prepare("SELECT value FROM records WHERE number = ?").pluck();
    const read = (numbers: readonly number[]): Uint8Array[] => numbers.map((number) => get.get(number + 1) as Buffer);
    return { "synchronous get": { together: 256, read } };
  }

  appendDurably(record: Buffer): void {
    this.#insert.run(record);
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}
