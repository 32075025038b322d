// Single records, each on disk before its append is acknowledged: one awaited at a time, and many callers that each
// await their own. What was acknowledged is read back and counted, but for a limit, which keeps nothing.

import type { Contestant } from "../contestants/contestant.js";
import { Records, Tally } from "../records.js";
import { crowdName, type DataSet } from "../workloads.js";
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

  for (const { callers, each } of data.crowds) {
    const { how, append } = session.together;
    const name = crowdName(callers);
    const mode = how === "" ? name : `${name}, ${how}`;
    const start = now();
    // Callers start in step, so that records are taken in the order of their numbers.
    const many = await measure({ mode, kind: name }, each, async () => {
      const wave = Array.from({ length: callers }, () => records.record(sent++));
      const began = now();
      const pending = append(wave);
      if (pending instanceof Promise) await pending;
      return (now() - began) / callers;
    });
    measures.push(overall(many, callers * each, now() - start));
  }

  if (contestant.isLimit !== true) {
    const tally = new Tally();
    const way = Object.values(session.replays()).find((replay) => replay.sums === "values");
    await way?.read(tally);
    tally.mustEqual(records.expected(sent), `${contestant.name}, durable`);
  }
  await session.close();
  return measures;
}
