// better-sqlite3: a table of inputs, one of outputs and one of positions; a batch is read, written and its position moved in
// one transaction, in WAL mode with synchronous=FULL, one sync each; the database is locked for this process alone.

import { createRequire } from "node:module";
import { join } from "node:path";
import type { Database, Statement } from "better-sqlite3";
import { betterSqlite3 } from "../contestants/better_sqlite3.js";
import type { Tally } from "../records.js";
import type { Sizes } from "./cases.js";
import { numberOf } from "./numbered.js";
import type { Processing, Session, Way } from "./way.js";

const require = createRequire(import.meta.url);

export const sqlite: readonly Way[] = [
  {
    contestant: betterSqlite3.name,
    modes: { transactions: "begin, insert, commit", process: "one transaction each" },
    unavailable: () => undefined,
    open: async (folder, sizes) => new SqliteSession(join(folder, "records.sqlite"), sizes),
  },
];

class SqliteSession implements Session {
  readonly #database: Database;
  readonly #sizes: Sizes;
  readonly #insert: (record: Buffer) => void;

  constructor(path: string, sizes: Sizes) {
    const Sqlite = require("better-sqlite3") as typeof import("better-sqlite3");
    this.#sizes = sizes;
    this.#database = new Sqlite(path);
    this.#database.pragma("locking_mode = EXCLUSIVE");
    this.#database.pragma("journal_mode = WAL");
    this.#database.pragma("synchronous = FULL");
    this.#database.exec("CREATE TABLE records (number INTEGER PRIMARY KEY, value BLOB NOT NULL)");
    const insert = this.#database.prepare("INSERT INTO records (value) VALUES (?)");
    this.#insert = this.#database.transaction((record: Buffer) => void insert.run(record));
  }

  transact(record: Buffer): void {
    this.#insert(record);
  }

  committed(tally: Tally): void {
    const values = this.#database.prepare("SELECT value FROM records ORDER BY number").pluck();
    for (const value of values.iterate() as IterableIterator<Buffer>) tally.add(value);
  }

  async processing(records: readonly Buffer[], batch: number): Promise<Processing> {
    const { from } = this.#sizes.partitions;
    const [inputs, outputs, positions] = ["inputs", "outputs", "positions"].map((name) => `${name}_${batch}`);
    const database = this.#database;
    database.exec(`
      CREATE TABLE ${inputs} (part INTEGER, number INTEGER, value BLOB NOT NULL, PRIMARY KEY (part, number)) WITHOUT ROWID;
      CREATE TABLE ${outputs} (id INTEGER PRIMARY KEY, part INTEGER NOT NULL, value BLOB NOT NULL);
      CREATE TABLE ${positions} (part INTEGER PRIMARY KEY, number INTEGER NOT NULL);
    `);
    const lay = database.prepare(`INSERT INTO ${inputs} VALUES (?, ?, ?)`);
    const begin = database.prepare(`INSERT INTO ${positions} VALUES (?, 0)`);
    database.transaction(() => {
      records.forEach((record, i) => {
        lay.run(i % from, Math.floor(i / from), record);
      });
      for (let part = 0; part < from; part++) begin.run(part);
    })();
    database.pragma("wal_checkpoint(TRUNCATE)");
    const statements = {
      position: database.prepare(`SELECT number FROM ${positions} WHERE part = ?`).pluck(),
      read: database
        .prepare(`SELECT value FROM ${inputs} WHERE part = ? AND number >= ? ORDER BY number LIMIT ?`)
        .pluck(),
      write: database.prepare(`INSERT INTO ${outputs} (part, value) VALUES (?, ?)`),
      move: database.prepare(`UPDATE ${positions} SET number = ? WHERE part = ?`),
    };
    const reached = database.prepare(`SELECT number FROM ${positions}`).pluck();
    const outcome = database.prepare(`SELECT part, value FROM ${outputs}`);
    return {
      run: async () => this.#process(statements, batch),
      positions: async () => reached.all() as number[],
      outputs: async (see) => {
        for (const { part, value } of outcome.iterate() as IterableIterator<{ part: number; value: Buffer }>) {
          see(value, part);
        }
      },
    };
  }

  /** Batches of one partition and then of the next, in turn, until none has more. */
  #process(statements: Record<"position" | "read" | "write" | "move", Statement>, batch: number): void {
    const { from, to } = this.#sizes.partitions;
    const step = this.#database.transaction((part: number): number => {
      const position = statements.position.get(part) as number;
      const values = statements.read.all(part, position, batch) as Buffer[];
      for (const value of values) statements.write.run(numberOf(value) % to, value);
      statements.move.run(position + values.length, part);
      return values.length;
    });
    for (let moved = true; moved; ) {
      moved = false;
      for (let part = 0; part < from; part++) moved = step(part) > 0 || moved;
    }
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}
