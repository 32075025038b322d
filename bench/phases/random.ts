// Reading single records by their offset, the same ones for every contestant, as many together as the contestant's
// way of reading asks for. All bytes of every record are compared, outside the measured time.

import type { Contestant, Getter } from "../contestants/contestant.js";
import { Records, random } from "../records.js";
import type { DataSet } from "../workloads.js";
import { type Measure, measure, now, overall } from "./measure.js";

export async function randomReads(contestant: Contestant, data: DataSet, folder: string): Promise<Measure[]> {
  const records = new Records(data.size, data.batchLength);
  const session = await contestant.open(folder, { durable: false, recordSize: data.size });
  const measures: Measure[] = [];
  for (const [mode, getter] of Object.entries(session.gets())) {
    const next = random(0x5eed);
    const numbers = Array.from({ length: data.gets }, () => next() % data.count);
    const iterations = Math.ceil(numbers.length / getter.together);
    let elapsed = 0;
    const measured = await measure(mode, iterations, async (iteration) => {
      const wanted = numbers.slice(iteration * getter.together, (iteration + 1) * getter.together);
      const duration = await readAndCompare(getter, wanted, records);
      elapsed += duration;
      return duration / wanted.length;
    });
    measures.push(overall(measured, numbers.length, elapsed));
  }
  await session.close();
  return measures;
}

async function readAndCompare(getter: Getter, wanted: readonly number[], records: Records): Promise<number> {
  const start = now();
  const pending = getter.read(wanted);
  const got = pending instanceof Promise ? await pending : pending;
  const duration = now() - start;
  if (got.length !== wanted.length) throw new Error(`${got.length} records came for ${wanted.length}`);
  wanted.forEach((number, i) => {
    if (!records.record(number).equals(got[i]!)) throw new Error(`record ${number} is not what was written`);
  });
  return duration;
}
