// What is measured: sizes, counts and batch lengths. The full ones are meant for figures, the quick ones only to
// show that everything still runs.

/** One table of results. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly phase: "append" | "replay" | "random" | "durable";
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
  /** Durable appends, one awaited at a time, and by each of the concurrent callers. */
  readonly singles: number;
  readonly callers: number;
  readonly singlesPerCaller: number;
}

const GETS = { gets: 20_000, singles: 2_000, callers: 256, singlesPerCaller: 40 };
const FULL: readonly DataSet[] = [
  { name: "100", size: 100, count: 2_000_000, batchLength: 1_000, ...GETS },
  { name: "1k", size: 1_024, count: 500_000, batchLength: 100, ...GETS },
];
const QUICK: readonly DataSet[] = FULL.map((data) => ({
  ...data,
  count: data.count / 100,
  gets: 600,
  singles: 20,
  callers: 16,
  singlesPerCaller: 2,
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
    { name: "durable-1k", title: "Durable appends of single 1 KiB records", phase: "durable", data: large },
  ];
}

function appendTo(data: DataSet): Workload {
  const title = `Append ${spoken(data)} in batches of ${data.batchLength.toLocaleString("en")}`;
  return { name: `append-${data.name}`, title, phase: "append", data };
}

function replayOf(data: DataSet): Workload {
  return { name: `replay-${data.name}`, title: `Replay ${spoken(data)}, page cache warm`, phase: "replay", data };
}

function randomReadsOf(data: DataSet): Workload {
  const title = `Read ${data.gets.toLocaleString("en")} single records by offset, of ${spoken(data)}`;
  return { name: `random-${data.name}`, title, phase: "random", data };
}

function spoken(data: DataSet): string {
  return `${data.count.toLocaleString("en")} records of ${data.size === 1_024 ? "1 KiB" : `${data.size} B`}`;
}
