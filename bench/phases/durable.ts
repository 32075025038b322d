// Single records, each on disk before its append is acknowledged: one awaited at a time, and, where appends are
// asynchronous, many callers that each await their own. What was acknowledged is read back and counted.

import type { Contestant } from "../contestants/contestant.js";
import { Records, Tally } from "../records.js";
import type { DataSet } from "../workloads.js";
import { type Measure, measure, now, overall } from "./measure.js";

export async function durable(contestant: Contestant, data: DataSet, folder: string): Promise<Measure[]> {
  const records = new Records(data.size, data.batchLength);
  const session = await contestant.open(folder, { durable: true, recordSize: data.size });
  const measures: Measure[] = [];
  let sent = 0;

  const start = now();
  const single = await measure({ mode: "one awaited at a time", kind: "single" }, data.singles, async () => {
    const began = now();
    const pending = session.appendDurably(records.record(sent++));
    if (pending !== undefined) await pending;
    return now() - began;
  });
  measures.push(overall(single, data.singles, now() - start));

  if (session.concurrentAppends) {
    const start = now();
    // Callers start in step, so that records are taken in the order of their numbers.
    const many = await measure(
      { mode: `${data.callers} callers`, kind: "concurrent" },
      data.singlesPerCaller,
      async () => {
        const began = now();
        await Promise.all(Array.from({ length: data.callers }, () => session.appendDurably(records.record(sent++))));
        return (now() - began) / data.callers;
      },
    );
    measures.push(overall(many, data.callers * data.singlesPerCaller, now() - start));
  }

  const tally = new Tally();
  const way = Object.values(session.replays()).find((replay) => replay.sums === "values");
  await way?.read(tally);
  tally.mustEqual(records.expected(sent), `${contestant.name}, durable`);
  await session.close();
  return measures;
}
