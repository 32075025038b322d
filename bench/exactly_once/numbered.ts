// Records that say which one they are, so that it can be told of each whether it came out, and how often.

import { Records } from "../records.js";

/** So many pseudo-random records, their number in the first four bytes. */
export function numbered(count: number, size: number): Buffer[] {
  const records = new Records(size, 1_000);
  return Array.from({ length: count }, (_, number) => {
    const record = Buffer.from(records.record(number));
    record.writeUInt32LE(number);
    return record;
  });
}

/** The number of a record, or of its copy in an output. */
export function numberOf(record: Uint8Array): number {
  return (record[0]! | (record[1]! << 8) | (record[2]! << 16) | (record[3]! << 24)) >>> 0;
}

/** Holds outputs against the inputs that they should be the copies of. */
export class Inspection {
  readonly #inputs: readonly Buffer[];
  readonly #partitions: number;
  readonly #seen: Uint8Array;

  constructor(inputs: readonly Buffer[], partitions: number) {
    this.#inputs = inputs;
    this.#partitions = partitions;
    this.#seen = new Uint8Array(inputs.length);
  }

  see(value: Uint8Array, partition: number): void {
    const number = numberOf(value);
    if (this.#inputs[number]?.equals(value) !== true) throw new Error(`an output is no input: number ${number}`);
    if (this.#seen[number] === 1) throw new Error(`record ${number} came out twice`);
    if (number % this.#partitions !== partition) throw new Error(`record ${number} is in partition ${partition}`);
    this.#seen[number] = 1;
  }

  /** Throws if an input did not come out. */
  finish(): void {
    const lost = this.#seen.indexOf(0);
    if (lost !== -1) throw new Error(`record ${lost} of ${this.#inputs.length} did not come out`);
  }
}
