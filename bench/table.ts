// What a table of results says of itself, whoever measured it: what is counted, what had been promised when it counted as
// done, and which rows are held against which limit.

/** One table of results. */
export interface Table {
  readonly name: string;
  readonly title: string;
  /** What an operation is, in the plural. */
  readonly counts: string;
  /** What an operation that counts as done survives. */
  readonly promise: string;
  /** What people look for in it, and what its bars in the chart show. */
  readonly shows: "rates" | "throughput" | "times";
  readonly limits: readonly Limit[];
  /** The chart that it is in. */
  readonly chart: "summary" | "durability" | "exactly-once";
}

/** A row's median time beside that of another one, its limit. */
export interface Limit {
  readonly row: Place;
  readonly limit: Place;
  /** How many times as long it may take; where nothing is said, it is only told. */
  readonly most?: number;
}

export interface Place {
  readonly contestant: string;
  readonly mode: string;
}
