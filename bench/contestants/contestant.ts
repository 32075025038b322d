// What a contestant must be able to do, so that each phase is written once and measures all of them alike.
// A contestant keeps records by number, from 0 on without a gap, and uses its own fastest documented way.

import type { Tally } from "../records.js";
import type { Phase } from "../workloads.js";

/** A store that takes part. */
export interface Contestant {
  readonly name: string;
  /** What its fsync-durable mode is, in words. */
  readonly durableMode: string;
  /** The phases it takes part in, if not in all. */
  readonly phases?: readonly Phase[];
  /** Batches that it takes at once: each number is a row of its own. Without any it is synchronous. */
  readonly windows?: readonly number[];
  /** It is no store but the limit of one, so it does not count as faster. */
  readonly isLimit?: boolean;
  /** The version that runs. */
  version(): string;
  /** Why it can't run here, if it can't. */
  unavailable(): string | undefined;
  /** Opens its store in an existing folder; the folder is empty the first time. */
  open(folder: string, options: OpenOptions): Promise<Session>;
}

export interface OpenOptions {
  /** Every acknowledged append must have been synced; else the page cache is enough. */
  readonly durable: boolean;
  /** Bytes of every record. */
  readonly recordSize: number;
  /** Batches under way at once, where the contestant has `windows`; the first of them if it is not given. */
  readonly window?: number;
}

/** An open store. */
export interface Session {
  /** Takes a batch; if it gives a promise, no more is handed over until that is settled. */
  append(batch: readonly Buffer[]): void | Promise<void>;
  /** Resolves once all batches taken are acknowledged. */
  settled(): Promise<void>;
  /** Resolves once all of them are on disk. */
  sync(): Promise<void>;
  /** Ways to read all records in order. A limit may keep nothing and have none. */
  replays(): Readonly<Record<string, Replay>>;
  /** Ways to read single records. */
  gets(): Readonly<Record<string, Getter>>;
  /** Appends one record and resolves, or returns, when it is on disk. */
  appendDurably(record: Buffer): void | Promise<void>;
  /** How the records of many callers at once become durable. */
  readonly together: Together;
  close(): Promise<void>;
}

/** What becomes of the records of callers that come at once. */
export interface Together {
  /** In words, for the table; empty if each caller just makes its own call. */
  readonly how: string;
  /** Appends them in order and resolves, or returns, when all are on disk. */
  append(records: readonly Buffer[]): unknown;
}

/** Each caller makes its own durable append, and awaits it. */
export function eachOnItsOwn(session: Pick<Session, "appendDurably">): Together {
  return { how: "", append: (records) => Promise.all(records.map((record) => session.appendDurably(record))) };
}

/** Reads all records, and feeds each to the tally: its value, or, where only that is looked at, its offset. */
export interface Replay {
  readonly sums: "values" | "offsets";
  read(tally: Tally): void | Promise<void>;
}

/** Reads the records of these numbers, asked for in one go; a synchronous store just loops. */
export interface Getter {
  /** How many are asked for in one go. */
  readonly together: number;
  read(numbers: readonly number[]): Uint8Array[] | Promise<Uint8Array[]>;
}
