// What is measured of the engine alone, in Rust: what durability costs, what opening costs after it, and compaction. The
// program that does it is rust/src/bin/durability; the names of its rows stand here again where they are held against a limit.

import type { Table } from "../table.js";

const SYNCED = "fsync: synced to the disk before it is acknowledged";
const ON_DISK = { chart: "durability", limits: [] } as const;

/** All cases, in the order of the tables. The name is what the program is told. */
export const engineCases: readonly Table[] = [
  {
    ...ON_DISK,
    name: "sends",
    title: "One durable send of 1 KiB after the other, in Rust",
    counts: "sends",
    promise: SYNCED,
    shows: "rates",
    limits: [
      {
        row: { contestant: "tidelog", mode: "append to an fsync topic" },
        limit: { contestant: "file", mode: "pwrite of 4 KiB in place, fdatasync" },
        most: 1.3,
      },
      {
        row: { contestant: "tidelog", mode: "append to an fsync topic" },
        limit: { contestant: "file", mode: "pwrite of the batch in place, unaligned, fdatasync" },
      },
      {
        row: { contestant: "tidelog", mode: "a transaction of one record" },
        limit: { contestant: "tidelog", mode: "append to an fsync topic" },
      },
    ],
  },
  {
    ...ON_DISK,
    name: "groups",
    title: "A durable group of 16 batches of 4 KiB, in Rust",
    counts: "groups",
    promise: SYNCED,
    shows: "rates",
    limits: [
      {
        row: { contestant: "tidelog", mode: "a batch in each of 16 partitions" },
        limit: { contestant: "tidelog", mode: "16 batches in one partition" },
        most: 1.5,
      },
      {
        row: { contestant: "tidelog", mode: "16 batches in one partition" },
        limit: { contestant: "file", mode: "one pwrite of all in place, fdatasync" },
      },
    ],
  },
  {
    ...ON_DISK,
    name: "sizes",
    title: "Durable batches by size, in Rust",
    counts: "batches",
    promise: SYNCED,
    shows: "throughput",
    // Where a batch is written twice, it takes about twice as long as its limit, once it is large.
    limits: ["4 KiB", "16 KiB", "64 KiB", "256 KiB", "1 MiB", "4 MiB"].map((size) => ({
      row: { contestant: "tidelog", mode: `${size}, one awaited at a time` },
      limit: { contestant: "file", mode: `${size}, pwrite in place, fdatasync` },
    })),
  },
  {
    ...ON_DISK,
    name: "recovery-fsync",
    title: "Open after a kill, by what the process had written to an fsync topic",
    counts: "openings",
    promise:
      "every record that was acknowledged is there again; warm is what the killed process left in the page cache, cold is " +
      "after a sync with the caches dropped",
    shows: "times",
  },
  {
    ...ON_DISK,
    name: "recovery-buffered",
    title: "Open after a kill, by what the process had written to a buffered topic",
    counts: "openings",
    promise:
      "every record that was acknowledged is there again, and on disk now; warm is what the killed process left in the " +
      "page cache, not synced yet, cold is after a sync with the caches dropped",
    shows: "times",
  },
  {
    ...ON_DISK,
    name: "open-clean",
    title: "Open a store that was closed in order, beside an empty one",
    counts: "openings",
    promise: "all of it was on disk when it was closed",
    shows: "times",
  },
  {
    ...ON_DISK,
    name: "compaction",
    title: "Compacting a log in which each key was written at least four times, in Rust",
    counts: "records",
    promise:
      "the newest record of each key is there; what was compacted is durable, with the bound of its disk use lifted",
    shows: "throughput",
  },
];
