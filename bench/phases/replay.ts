// Reading a whole data set in order, several times, each time opened anew in a fresh process. Every pass is held to
// the count and the sum of what was written.

import type { Contestant } from "../contestants/contestant.js";
import { Records, Tally } from "../records.js";
import type { DataSet } from "../workloads.js";
import { type Measure, measure, perRecord } from "./measure.js";

const PASSES = 3;

export async function replay(contestant: Contestant, data: DataSet, folder: string): Promise<Measure[]> {
  const records = new Records(data.size, data.batchLength);
  const expected = { values: records.expected(data.count), offsets: records.expectedOffsets(data.count) };
  const session = await contestant.open(folder, { durable: false, recordSize: data.size });
  const measures: Measure[] = [];
  for (const [mode, way] of Object.entries(session.replays())) {
    const pass = async (): Promise<number> => {
      const tally = new Tally();
      const duration = await perRecord(data.count, () => way.read(tally));
      tally.mustEqual(expected[way.sums], `${contestant.name}, ${mode}`);
      return duration;
    };
    measures.push(await measure({ mode, kind: way.sums }, PASSES, pass));
  }
  await session.close();
  return measures;
}
