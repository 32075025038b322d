// One trial of filters, in a process of its own: writes the store, or reads it in one way, and checks that it was given
// what it should be.

import { type ConsumerOptions, type ConsumerRecord, header, type Log, open, string, type Topic } from "tidelog";
import type { Outcome } from "../fork.js";
import { type Measure, measure, perRecord } from "../phases/measure.js";
import type { Order } from "../ways.js";
import { type FilterSizes, MODES, type Way } from "./cases.js";

type Keyed = Topic<string, Uint8Array, string, Buffer>;
type Found = ConsumerRecord<string, Buffer>;

const FILTER = "headers.region = 'eu' AND key LIKE 'o-%'";
const EU = Buffer.from("eu");

/** The same, as it is written where speed counts: the bytes of the header are compared, nothing is decoded in vain. */
const isWanted = (record: Found) => header(record, "region")?.equals(EU) === true && record.key!.startsWith("o-");

const { way, sizes, folder }: Order<Way, FilterSizes> = JSON.parse(process.argv[2] ?? "{}");
const log = await open(folder, { durability: "buffered" });
const topic = await log.topic("bench", { key: string() });
const measures = way === "write" ? await written(log, topic) : [await read(way)];
await log.close();
process.send?.({ measures } satisfies Outcome);
process.disconnect?.();

async function written(log: Log, topic: Keyed): Promise<Measure[]> {
  const producer = log.producer();
  const value = Buffer.alloc(sizes.size - "o-00000000regioneu".length, 0x5a);
  const underWay: Promise<unknown>[] = [];
  for (let first = 0; first < sizes.count; first += sizes.batchLength) {
    const records = Array.from({ length: sizes.batchLength }, (_, i) => ({
      key: `o-${String(first + i).padStart(8, "0")}`,
      value,
      headers: [["region", (first + i) % sizes.oneIn === 0 ? "eu" : "us"] as const],
    }));
    underWay.push(producer.sendBatch(topic, records));
    if (underWay.length === 16) await underWay.shift();
  }
  await Promise.all(underWay);
  await topic.sync();
  return [];
}

async function read(way: Way): Promise<Measure> {
  const isFiltered = way === "filter" || way === "filterSingly";
  const isSingly = way === "filterSingly" || way === "predicateSingly";
  const options = { topics: [topic], until: "end", ...(isFiltered ? { filter: FILTER } : {}) } as const;
  const scan = isSingly ? scanRecords : scanBatches;
  return measure({ mode: MODES[way], kind: isSingly ? "records" : "batches" }, sizes.scans, () =>
    perRecord(sizes.count, async () => {
      const found = { count: 0, sum: 0 };
      await scan(options, (record) => {
        if (!isFiltered && !isWanted(record)) return;
        found.count += 1;
        found.sum += record.offset;
      });
      const expected = sizes.count / sizes.oneIn;
      const sum = (sizes.oneIn * expected * (expected - 1)) / 2;
      if (found.count !== expected || found.sum !== sum) {
        throw new Error(`${found.count} records with sum ${found.sum}, not ${expected} with ${sum}`);
      }
    }),
  );
}

async function scanBatches(options: ConsumerOptions<readonly [Keyed]>, take: (record: Found) => void): Promise<void> {
  for await (const batch of log.consumer(options).batches()) for (const record of batch) take(record);
}

async function scanRecords(options: ConsumerOptions<readonly [Keyed]>, take: (record: Found) => void): Promise<void> {
  for await (const record of log.consumer(options)) take(record);
}
