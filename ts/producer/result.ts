// Where records went. The engine answers a group of records with runs of consecutive offsets; which record has
// which is worked out here, when somebody asks.

import { showAs } from "../shown_as.js";

/** Records of one partition with consecutive offsets. */
export interface Run {
  readonly partition: number;
  /** The offset of the first. */
  readonly baseOffset: number;
  readonly count: number;
  /** The time of their append in ms since 1970 where the topic uses that, else -1. */
  readonly timestamp: number;
}

/** Records that crossed together, and the engine's answer. */
export interface Part {
  count: number;
  /** The partition of each record; null when all went to `partition`. */
  partitions: Uint32Array | null;
  partition: number;
  /** The engine's runs, four numbers each: partition, base offset, count, time. */
  runs: readonly number[];
}

/**
 * Writes the offset of each record of a part into `out` from `at` on, -1 for one that was not appended, and into
 * `times` the time of its append where the topic uses that.
 */
export function resolveOffsets(part: Part, out: Float64Array, at: number, times?: Float64Array): void {
  const { count, partitions, runs } = part;
  if (partitions === null) {
    let i = 0;
    for (let run = 0; run < runs.length; run += 4) {
      const base = runs[run + 1]!;
      const length = runs[run + 2]!;
      for (let k = 0; k < length && i < count; k++, i++) {
        out[at + i] = base + k;
        if (times !== undefined && runs[run + 3]! >= 0) times[at + i] = runs[run + 3]!;
      }
    }
    out.fill(-1, at + i, at + count);
    return;
  }
  // Records of one partition stand in its runs in order, so each partition needs a cursor: run, and place in it.
  const cursors = new Map<number, { runs: number[]; run: number; used: number }>();
  for (let run = 0; run < runs.length; run += 4) {
    const cursor = cursors.get(runs[run]!);
    if (cursor === undefined) cursors.set(runs[run]!, { runs: [run], run: 0, used: 0 });
    else cursor.runs.push(run);
  }
  for (let i = 0; i < count; i++) {
    const cursor = cursors.get(partitions[i]!);
    const run = cursor?.runs[cursor.run];
    if (cursor === undefined || run === undefined) {
      out[at + i] = -1;
      continue;
    }
    out[at + i] = runs[run + 1]! + cursor.used;
    if (times !== undefined && runs[run + 3]! >= 0) times[at + i] = runs[run + 3]!;
    cursor.used += 1;
    if (cursor.used === runs[run + 2]) {
      cursor.run += 1;
      cursor.used = 0;
    }
  }
}

let makeResult: (count: number, parts: readonly Part[]) => BatchResult;

/** What `sendBatch` did: offsets for each record, in the order they were given. */
export class BatchResult {
  /** Number of records given. */
  readonly count: number;
  readonly #parts: readonly Part[];
  #offsets: Float64Array | undefined;

  private constructor(count: number, parts: readonly Part[]) {
    this.count = count;
    this.#parts = parts;
  }

  static {
    makeResult = (count, parts) => new BatchResult(count, parts);
    showAs(BatchResult, ({ count, appended, runs }) => ({ count, appended, runs }));
  }

  /** Runs of consecutive offsets, in order for each partition: the compact form of the same answer. */
  get runs(): Run[] {
    const runs: Run[] = [];
    for (const { runs: numbers } of this.#parts) {
      for (let i = 0; i < numbers.length; i += 4) {
        const [partition, baseOffset, count, timestamp] = numbers.slice(i, i + 4) as [number, number, number, number];
        runs.push({ partition, baseOffset, count, timestamp });
      }
    }
    return runs;
  }

  /** Number of records that were appended: all of them, unless this is the `appended` of an error. */
  get appended(): number {
    let sum = 0;
    for (const { runs } of this.#parts) for (let i = 2; i < runs.length; i += 4) sum += runs[i]!;
    return sum;
  }

  /** The offset of the record at `index` in the batch; -1 if it was not appended. */
  offset(index: number): number {
    return this.offsets()[index] ?? -1;
  }

  /** The partition of the record at `index` in the batch; -1 if it was never sent. */
  partition(index: number): number {
    let first = 0;
    for (const { count, partition, partitions } of this.#parts) {
      if (index >= first && index < first + count) {
        return partitions === null ? partition : partitions[index - first]!;
      }
      first += count;
    }
    return -1;
  }

  /** All offsets in the order of the batch, -1 for each record that was not appended. */
  offsets(): Float64Array {
    if (this.#offsets === undefined) {
      this.#offsets = new Float64Array(this.count).fill(-1);
      let at = 0;
      for (const part of this.#parts) {
        resolveOffsets(part, this.#offsets, at);
        at += part.count;
      }
    }
    return this.#offsets;
  }
}

/** Makes the public result. */
export function batchResult(count: number, parts: readonly Part[]): BatchResult {
  return makeResult(count, parts);
}
