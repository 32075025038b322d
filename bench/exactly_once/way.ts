// What somebody must be able to do to take part: one record a transaction, and consume-process-produce. A way is one client
// of one store with one promise; it is opened in a process of its own.

import type { Tally } from "../records.js";
import type { Kind, Sizes } from "./cases.js";

/** A way to do exactly once. */
export interface Way {
  /** Whose it is, as in the other tables. */
  readonly contestant: string;
  /** How tables call it; of a kind that is not named it does not take part in. */
  readonly modes: Partial<Record<Kind, string>>;
  /** The share of the transactions that it is asked for one after the other: those that take long need fewer. */
  readonly share?: number;
  /** Why it can't run here, beside what its contestant says. */
  unavailable(): string | undefined;
  /** Opens it in an empty folder. */
  open(folder: string, sizes: Sizes): Promise<Session>;
}

/** A store that is open, with its clients. */
export interface Session {
  /** Puts a record into a transaction of its own, and resolves, or returns, once that is committed. */
  transact(record: Buffer): void | Promise<void>;
  /** Feeds everything that was committed so to the tally, in order; a limit keeps nothing. */
  committed?(tally: Tally): void | Promise<void>;
  /** Lays records out, the record of number i in input partition i modulo their number, before the clock starts. */
  processing?(records: readonly Buffer[], batch: number): Promise<Processing>;
  /** Ways to send the same records: by name, in transactions and plainly. */
  priced?(batch: number): Promise<readonly Priced[]>;
  close(): Promise<void>;
}

/** Inputs that wait to be processed; each must come out in the output partition of its number modulo theirs. */
export interface Processing {
  /** Processes them all, exactly once; resolves once the last of them is committed. */
  run(): Promise<void>;
  /** What is committed of each input partition: the number of records that were processed. */
  positions(): Promise<readonly number[]>;
  /** Shows each value in the outputs, in any order. */
  outputs(see: (value: Uint8Array, partition: number) => void): Promise<void>;
}

/** A way to send batches. */
export interface Priced {
  readonly mode: string;
  send(records: readonly Buffer[]): Promise<void>;
  /** How many records are there. */
  count(): Promise<number>;
}
