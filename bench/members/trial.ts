// One trial of members, in a process of its own: writes the store, or has one or four threads read it as members of one
// group, and checks that they were given what they should be. The time is that from the start of the first, which waits in
// its thread with the store open, to the last record; joining and sharing out are in it.

import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { open } from "tidelog";
import type { Outcome } from "../fork.js";
import { type Measure, measure, perRecord } from "../phases/measure.js";
import type { Order } from "../ways.js";
import { MODES, PARTITIONS, type Way } from "./cases.js";
import type { Member, Seen } from "./member.js";

const { way, sizes, folder }: Order<Way> = JSON.parse(process.argv[2] ?? "{}");
const measures = way === "write" ? await written() : [await read(way)];
process.send?.({ measures } satisfies Outcome);
process.disconnect?.();

async function written(): Promise<Measure[]> {
  const log = await open(folder, { durability: "buffered" });
  const topic = await log.topic("bench", { partitions: PARTITIONS });
  const producer = log.producer();
  const value = Buffer.alloc(sizes.size, 0x5a);
  const underWay: Promise<unknown>[] = [];
  for (let first = 0; first < sizes.count; first += sizes.batchLength) {
    const partition = (first / sizes.batchLength) % PARTITIONS;
    const records = Array.from({ length: sizes.batchLength }, () => ({ value, partition }));
    underWay.push(producer.sendBatch(topic, records));
    if (underWay.length === 16) await underWay.shift();
  }
  await Promise.all(underWay);
  await topic.sync();
  await log.close();
  return [];
}

async function read(way: Way): Promise<Measure> {
  const isOfBatches = way === "oneOfBatches" || way === "fourOfBatches";
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const member: Member = { folder, isOfBatches, progress, step: sizes.batchLength, count: sizes.count };
  const threads = Array.from({ length: way === "one" || way === "oneOfBatches" ? 1 : 4 }, () => thread(member));
  const each = (event: "message" | "exit") => Promise.all(threads.map((one) => once(one, event)));
  await each("message");
  const kind = isOfBatches ? "batches" : "records";
  const measured = await measure({ mode: MODES[way], kind }, sizes.scans, async (scan) => {
    progress[0] = 0;
    const time = await perRecord(sizes.count, async () => {
      const ended = Promise.race(threads.map((one) => once(one, "message")));
      for (const one of threads) one.postMessage(`readers-${way}-${process.pid}-${scan}`);
      await ended;
    });
    const stopped = each("message");
    for (const one of threads) one.postMessage("stop");
    const seen = (await stopped).map(([of]) => of as Seen);
    const total = (of: (one: Seen) => number) => seen.reduce((sum, one) => sum + of(one), 0);
    const perPartition = sizes.count / PARTITIONS;
    const expected = (PARTITIONS * perPartition * (perPartition - 1)) / 2;
    if (total(({ count }) => count) !== sizes.count || total(({ sum }) => sum) !== expected) {
      throw new Error(`${JSON.stringify(seen)}, not ${sizes.count} records with sum ${expected}`);
    }
    return time;
  });
  const ended = each("exit");
  for (const one of threads) one.postMessage("end");
  await ended;
  return measured;
}

function thread(member: Member): Worker {
  const file = fileURLToPath(new URL("member.ts", import.meta.url));
  // The loader of TypeScript is asked for by the bootstrap, as workers do not run --import themselves on every Node.
  const boot = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(file)}); })`;
  return new Worker(boot, { eval: true, workerData: member });
}
