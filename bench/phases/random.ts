// Reading single records by their offset, the same ones for every contestant, as many together as the contestant's
// way of reading asks for: once in a store that was just opened, and once more, other records, when whatever a
// contestant remembers is warm. All bytes of every record are compared, outside the measured time.

import type { Contestant, Getter } from "../contestants/contestant.js";
import { Records, random } from "../records.js";
import type { DataSet } from "../workloads.js";
import { type Measure, measure, now, overall } from "./measure.js";

const PASSES = [
  { name: "just opened", seed: 0x5eed },
  { name: "warm", seed: 0xfee1 },
];

export async function randomReads(contestant: Contestant, data: DataSet, folder: string): Promise<Measure[]> {
  const records = new Records(data.size, data.batchLength);
  const open = () => contestant.open(folder, { durable: false, recordSize: data.size });
  const measures: Measure[] = [];
  const first = await open();
  const modes = Object.keys(first.gets());
  await first.close();
  for (const mode of modes) {
    // Opened anew, so that one way of reading does not warm the store for the next.
    const session = await open();
    const getter = session.gets()[mode]!;
    for (const { name, seed } of PASSES) {
      const next = random(seed);
      const numbers = Array.from({ length: data.gets }, () => next() % data.count);
      measures.push(await readAll({ mode: `${mode}, ${name}`, kind: name }, getter, numbers, records));
    }
    await session.close();
  }
  return measures;
}

async function readAll(
  what: { mode: string; kind: string },
  getter: Getter,
  numbers: readonly number[],
  records: Records,
): Promise<Measure> {
  const iterations = Math.ceil(numbers.length / getter.together);
  let elapsed = 0;
  const measured = await measure(what, iterations, async (iteration) => {
    const wanted = numbers.slice(iteration * getter.together, (iteration + 1) * getter.together);
    const duration = await readAndCompare(getter, wanted, records);
    elapsed += duration;
    return duration / wanted.length;
  });
  return overall(measured, numbers.length, elapsed);
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
