// Where a record goes when it does not say so itself.

/**
 * Chooses a partition. `key` is a copy of the serialized key, or null for a record without one. Must return an integer
 * from 0 to `partitionCount` - 1. It is called before the call that sends the record returns, or, for a topic that was
 * given by its name, once that is open.
 */
export type Partitioner = (key: Uint8Array | null, partitionCount: number, topic: string) => number;

/** Moves on through the partitions, so that records without a key travel together and none is left out. */
export class Sticky {
  // Not the first one: many short-lived programs would all begin there.
  #next = Math.floor(Math.random() * 0x10000);

  /** The partition for the records that travel together now. */
  next(count: number): number {
    this.#next = (this.#next + 1) % 0x10000;
    return this.#next % count;
  }
}
