// Appending a whole data set: the rate at which it is accepted (every batch acknowledged), and the rate with one
// sync at the end.

import type { Contestant } from "../contestants/contestant.js";
import { Records } from "../records.js";
import type { DataSet } from "../workloads.js";
import { type Measure, measure, now, overall, perRecord } from "./measure.js";

/** Batches of one tinybench iteration. */
const SLICE = 20;

export async function append(
  contestant: Contestant,
  data: DataSet,
  folder: string,
  window?: number,
): Promise<Measure[]> {
  const records = new Records(data.size, data.batchLength);
  const options = { durable: false, recordSize: data.size };
  const session = await contestant.open(folder, window === undefined ? options : { ...options, window });
  const how = window === undefined ? "" : `, ${underWay(window)}`;
  const batches = data.count / data.batchLength;
  const start = now();
  const slices = await measure({ mode: `accepted${how}`, kind: "accepted" }, Math.ceil(batches / SLICE), (slice) => {
    const first = slice * SLICE;
    const end = Math.min(first + SLICE, batches);
    return perRecord((end - first) * data.batchLength, async () => {
      for (let number = first; number < end; number++) {
        const pending = session.append(records.batch(number));
        if (pending !== undefined) await pending;
      }
      if (end === batches) await session.settled();
    });
  });
  const accepted = now() - start;
  await session.sync();
  const synced = now() - start;
  await session.close();
  const withSync = { ...slices, mode: `with one final sync${how}`, kind: "synced" };
  return [overall(slices, data.count, accepted), overall(withSync, data.count, synced)];
}

/** How a row calls so many batches under way at once. */
function underWay(window: number): string {
  return window === 1 ? "one batch awaited at a time" : `${window} batches under way`;
}
