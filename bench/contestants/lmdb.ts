// lmdb: numbers as 32-bit keys, raw buffers as values, one synchronous transaction a batch, which is its fastest
// documented way to take many records. Rows that promise to survive only the death of the process write nothing to the
// disk by themselves (noSync), and tell lmdb that keys ascend (append). Durable appends are its asynchronous puts, which it
// groups by itself.

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
/** Numbers ascend: lmdb fills its pages one after the other and looks for no place. */
const ASCENDING = { append: true };

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
      // Both leave a database that is whole after the process was killed; only the first outlives the loss of power.
      ...(options.durable ? { overlappingSync: false } : { noSync: true, overlappingSync: false }),
      // Unused parts of a page may hold old memory, as they may in a file of our own.
      noMemInit: true,
    });
    this.#next = (this.#database.getStats() as { entryCount: number }).entryCount;
  }

  append(batch: readonly Buffer[]): void {
    const database: Database<Buffer, number> = this.#database;
    database.transactionSync(() => {
      for (const record of batch) database.putSync(this.#next++, record, ASCENDING);
    });
  }

  async settled(): Promise<void> {}

  async sync(): Promise<void> {
    const fd = openSync(join(this.#folder, "data.mdb"), "r+");
    fdatasyncSync(fd);
    closeSync(fd);
  }

  replays(): Record<string, Replay> {
    const read = (tally: Tally): void => {
      for (const { value } of this.#database.getRange()) tally.add(value);
    };
    // The buffer that this gives is overwritten by the next call, which a loop that keeps nothing can live with.
    const fast = (tally: Tally): void => {
      for (let number = 0; number < this.#next; number++) tally.add(this.#database.getBinaryFast(number)!);
    };
    return { getRange: { sums: "values", read }, "getBinaryFast, one buffer for all": { sums: "values", read: fast } };
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
