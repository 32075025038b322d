// lmdb: numbers as 32-bit keys, raw buffers as values, one synchronous transaction a batch, which is its fastest
// documented way to take many records. Durable appends are its asynchronous puts, which it groups by itself.

import { closeSync, fdatasyncSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Database, RootDatabase } from "lmdb";
import type { Tally } from "../records.js";
import {
  type Contestant,
  eachOnItsOwn,
  type Getter,
  type OpenOptions,
  type Replay,
  type Session,
} from "./contestant.js";
import { installed } from "./installed.js";

const require = createRequire(import.meta.url);

export const lmdb: Contestant = {
  name: "lmdb",
  durableMode: "a transaction is synced before its promise resolves (overlappingSync off)",
  version: () => installed("lmdb").version,
  unavailable: () => installed("lmdb").unavailable,
  open: async (folder, options) => new LmdbSession(folder, options),
};

class LmdbSession implements Session {
  readonly together = eachOnItsOwn(this);
  readonly #folder: string;
  readonly #database: RootDatabase<Buffer, number>;
  #next: number;

  constructor(folder: string, options: OpenOptions) {
    const { open } = require("lmdb") as typeof import("lmdb");
    this.#folder = folder;
    this.#database = open<Buffer, number>({
      path: join(folder, "data.mdb"),
      noSubdir: true,
      encoding: "binary",
      keyEncoding: "uint32",
      ...(options.durable ? { overlappingSync: false } : {}),
    });
    this.#next = (this.#database.getStats() as { entryCount: number }).entryCount;
  }

  append(batch: readonly Buffer[]): void {
    const database: Database<Buffer, number> = this.#database;
    database.transactionSync(() => {
      for (const record of batch) database.putSync(this.#next++, record);
    });
  }

  async settled(): Promise<void> {}

  async sync(): Promise<void> {
    await this.#database.flushed;
    const fd = openSync(join(this.#folder, "data.mdb"), "r+");
    fdatasyncSync(fd);
    closeSync(fd);
  }

  replays(): Record<string, Replay> {
    const read = (tally: Tally): void => {
      for (const { value } of this.#database.getRange()) tally.add(value);
    };
    return { getRange: { sums: "values", read } };
  }

  gets(): Record<string, Getter> {
    const read = (numbers: readonly number[]): Uint8Array[] =>
      numbers.map((number) => {
        const record = this.#database.getBinary(number);
        if (record === undefined) throw new Error(`lmdb has no record ${number}`);
        return record;
      });
    return { "synchronous get": { together: 256, read } };
  }

  async appendDurably(record: Buffer): Promise<void> {
    await this.#database.put(this.#next++, record);
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}
