// What is measured: sizes, counts and batch lengths. The full ones are meant for figures, the quick ones only to
// show that everything still runs.

import type { Limit, Table } from "./table.js";

export type Phase = "append" | "replay" | "random" | "durable";

/** One table of results. */
export interface Workload extends Table {
  readonly phase: Phase;
  /** The data that it writes or reads. */
  readonly data: DataSet;
}

/** Records that are written once and read by several workloads. */
export interface DataSet {
  readonly name: string;
  /** Bytes of a record. */
  readonly size: number;
  readonly count: number;
  readonly batchLength: number;
  /** Single records read by offset. */
  readonly gets: number;
  /** Durable appends, one awaited at a time, and by many callers at once. */
  readonly singles: number;
  readonly crowds: readonly Crowd[];
}

/** So many concurrent callers, and what each of them appends, one after the other. */
export interface Crowd {
  readonly callers: number;
  readonly each: number;
}

const GETS = {
  gets: 20_000,
  singles: 2_000,
  crowds: [
    { callers: 256, each: 40 },
    { callers: 1_000, each: 50 },
  ],
};
const FULL: readonly DataSet[] = [
  { name: "100", size: 100, count: 2_000_000, batchLength: 1_000, ...GETS },
  { name: "1k", size: 1_024, count: 500_000, batchLength: 100, ...GETS },
];
const QUICK: readonly DataSet[] = FULL.map((data) => ({
  ...data,
  count: data.count / 100,
  gets: 600,
  singles: 20,
  crowds: data.crowds.map(({ callers }) => ({ callers, each: 1 })),
}));

/** All workloads, in the order of the tables. */
export function workloads(quick: boolean): readonly Workload[] {
  const [small, large] = quick ? QUICK : FULL;
  if (small === undefined || large === undefined) return [];
  return [
    appendTo(small),
    appendTo(large),
    replayOf(small),
    replayOf(large),
    randomReadsOf(small),
    randomReadsOf(large),
    durableAppendsOf(small),
    durableAppendsOf(large),
  ];
}

const RECORDS = { counts: "records", shows: "rates", chart: "summary", limits: [] } as const;
const CHECKED = "reads are of a buffered topic; Tidelog checks the CRC-32C of all that it reads";

function appendTo(data: DataSet): Workload {
  const title = `Append ${spoken(data)} in batches of ${data.batchLength.toLocaleString("en")}`;
  const promise =
    "not synced: what is accepted survives the process being killed, not power loss; with one final sync, all of it is " +
    "on disk at the end";
  return { ...RECORDS, name: `append-${data.name}`, title, promise, phase: "append", data };
}

function replayOf(data: DataSet): Workload {
  const title = `Replay ${spoken(data)}, page cache warm`;
  return { ...RECORDS, name: `replay-${data.name}`, title, promise: CHECKED, phase: "replay", data };
}

function randomReadsOf(data: DataSet): Workload {
  const title = `Read ${data.gets.toLocaleString("en")} single records by offset, of ${spoken(data)}`;
  return { ...RECORDS, name: `random-${data.name}`, title, promise: CHECKED, phase: "random", data };
}

function durableAppendsOf(data: DataSet): Workload {
  return {
    ...RECORDS,
    name: `durable-${data.name}`,
    title: `Durable appends of single records of ${size(data)}`,
    promise: "fsync: each record is synced to the disk before its append is acknowledged",
    phase: "durable",
    data,
    limits: [
      held("one awaited at a time"),
      ...data.crowds.map(({ callers }) => held(crowdName(callers), "in one write")),
    ],
  };
}

/** How a table calls so many callers at once. */
export function crowdName(callers: number): string {
  return `${callers.toLocaleString("en")} callers`;
}

function held(mode: string, how?: string): Limit {
  const limit = how === undefined ? mode : `${mode}, ${how}`;
  return { row: { contestant: "tidelog", mode }, limit: { contestant: "fdatasync", mode: limit } };
}

function spoken(data: DataSet): string {
  return `${data.count.toLocaleString("en")} records of ${size(data)}`;
}

function size(data: DataSet): string {
  return data.size === 1_024 ? "1 KiB" : `${data.size} B`;
}
