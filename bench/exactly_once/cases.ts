// What is measured of exactly once: transactions one after the other, consume-process-produce, and what a transaction costs
// beside plain sends of the same records.

import type { Table } from "../table.js";

export type Kind = "transactions" | "process" | "price";

/** One table of results. */
export interface Case extends Table {
  readonly name: Kind;
  readonly sizes: Sizes;
}

export interface Sizes {
  /** Bytes of a record. */
  readonly size: number;
  /** Transactions of one record, of whoever does thousands in a second. */
  readonly transactions: number;
  /** Transactions before the clock starts, in which clients find their broker and get their ids. */
  readonly warmUp: number;
  /** Records that are processed. */
  readonly count: number;
  readonly partitions: { readonly from: number; readonly to: number };
  /** Records of one transaction. */
  readonly batches: readonly number[];
  /** What is sent plainly and in transactions: so many batches of so many records. */
  readonly priced: readonly { readonly batch: number; readonly batches: number }[];
}

const FULL: Sizes = {
  size: 100,
  transactions: 2_000,
  warmUp: 50,
  count: 100_000,
  partitions: { from: 2, to: 3 },
  batches: [100, 1_000],
  priced: [
    { batch: 1, batches: 2_000 },
    { batch: 100, batches: 1_000 },
    { batch: 1_000, batches: 200 },
  ],
};
const QUICK: Sizes = {
  ...FULL,
  transactions: 50,
  warmUp: 2,
  count: 4_000,
  priced: FULL.priced.map(({ batch, batches }) => ({ batch, batches: batches / 100 })),
};

const SHOWN = { shows: "rates", chart: "exactly-once" } as const;
const SYNCED = "fsync: what is committed is synced to the disk before the commit is acknowledged";
const NOT_SYNCED = "but for rows that say `not synced`, which outlive the broker's process and not a loss of power";

/** All cases, in the order of the tables. */
export function exactlyOnceCases(quick: boolean): readonly Case[] {
  const sizes = quick ? QUICK : FULL;
  const { size, count, partitions } = sizes;
  const limit = { contestant: "fdatasync", mode: "one write, one fdatasync" };
  return [
    {
      ...SHOWN,
      name: "transactions",
      title: `Transactions of one record of ${size} B, each awaited before the next`,
      counts: "transactions",
      promise: `${SYNCED}; ${NOT_SYNCED}`,
      sizes,
      limits: ["log.transaction", "begin and commit"].map((mode) => ({ row: { contestant: "tidelog", mode }, limit })),
    },
    {
      ...SHOWN,
      name: "process",
      title:
        `Consume, process and produce ${spoken(count)} records of ${size} B exactly once, from ${partitions.from} partitions ` +
        `into ${partitions.to}`,
      counts: "records",
      promise: `${SYNCED}, each batch with the positions read; ${NOT_SYNCED}; every record must have come out once`,
      sizes,
      limits: [],
    },
    {
      ...SHOWN,
      name: "price",
      title: `Records of ${size} B in transactions and in plain sends, each awaited before the next`,
      counts: "records",
      promise: `fsync: synced to the disk before it is acknowledged; a plain batch may be there in part after a crash`,
      sizes,
      limits: sizes.priced.flatMap(({ batch }) =>
        [pricedMode("log.transaction", batch), pricedMode("begin and commit", batch)].map((mode) => ({
          row: { contestant: "tidelog", mode },
          limit: { contestant: "tidelog", mode: pricedMode(plain(batch), batch) },
        })),
      ),
    },
  ];
}

/** How the table of prices calls batches of so many records. */
export function pricedMode(how: string, batch: number): string {
  return `${how}, ${batchName(batch)}`;
}

/** How tables call transactions, or sends, of so many records. */
export function batchName(batch: number): string {
  return batch === 1 ? "single records" : `batches of ${spoken(batch)}`;
}

/** How records go out without a transaction. */
export function plain(batch: number): "send" | "sendBatch" {
  return batch === 1 ? "send" : "sendBatch";
}

function spoken(value: number): string {
  return value.toLocaleString("en");
}
