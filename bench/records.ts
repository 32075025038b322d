// The records that every contestant is given, and the sum that shows that it gave all of them back, in order.
// Record i is the same bytes in every process, so that a reader can be checked without what the writer knew.

/** Different batches before they repeat: a prime, so that a shift by a round number of batches changes the sum. */
const DISTINCT_BATCHES = 17;

/** Pseudo-random records, made before the clock starts and sent over and over. */
export class Records {
  readonly batches: readonly (readonly Buffer[])[];
  readonly size: number;
  readonly batchLength: number;

  constructor(size: number, batchLength: number) {
    this.size = size;
    this.batchLength = batchLength;
    const next = random(0x7e1de);
    this.batches = Array.from({ length: DISTINCT_BATCHES }, () =>
      Array.from({ length: batchLength }, () => {
        const record = Buffer.alloc(size);
        for (let i = 0; i < size; i++) record[i] = next() & 0xff;
        return record;
      }),
    );
  }

  /** The batch of this number, counted from the first one sent. */
  batch(number: number): readonly Buffer[] {
    return this.batches[number % DISTINCT_BATCHES]!;
  }

  /** The record of this number, which is its offset. */
  record(number: number): Buffer {
    return this.batch(Math.floor(number / this.batchLength))[number % this.batchLength]!;
  }

  /** What a full replay of `count` records must sum up to. */
  expected(count: number): Tally {
    const tally = new Tally();
    for (let i = 0; i < count; i++) tally.add(this.record(i));
    return tally;
  }

  /** What a replay must sum up to that looks at offsets only. */
  expectedOffsets(count: number): Tally {
    const tally = new Tally();
    for (let i = 0; i < count; i++) tally.addOffset(i);
    return tally;
  }
}

/** Count and order-dependent sum over the first and last byte of each record. */
export class Tally {
  count = 0;
  sum = 0;

  add(value: Uint8Array): void {
    this.sum = (Math.imul(this.sum, 31) + value[0]! * 256 + value[value.length - 1]!) | 0;
    this.count++;
  }

  /** For reads that look at offsets only. */
  addOffset(offset: number): void {
    this.sum = (Math.imul(this.sum, 31) + offset) | 0;
    this.count++;
  }

  mustEqual(other: Tally, what: string): void {
    if (this.count === other.count && this.sum === other.sum) return;
    throw new Error(
      `${what}: ${this.count} records with sum ${this.sum}, but ${other.count} with ${other.sum} were written`,
    );
  }
}

/** A small fast generator (xorshift32), so that every contestant is asked for the same records. */
export function random(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
