// Goes back to a point in time, and checks the answer against the data set itself: in every partition, the offset
// of the first flight at or after it must be the number of flights before it whose key lives there.
import type { Log } from "tidelog";
import { readFlights } from "./dataset.js";
import { type Flights, TOPIC } from "./write.js";

export interface Found {
  time: number;
  description: string;
  /** Time of asking all partitions, in ms. */
  ms: number;
}

/** Finds the first flight at or after `time`; throws if any partition's answer is not the data set's. */
export async function findFirst(log: Log, flights: Flights, time: number, truth: Truth): Promise<Found> {
  const started = performance.now();
  const answers = await Promise.all(
    truth.partitions.map((_, partition) => log.raw.partition(TOPIC, partition).offsetForTime(time)),
  );
  const ms = performance.now() - started;
  for (const [partition, want] of truth.partitions.entries()) {
    const have = answers[partition];
    const same = want === null ? have === null : have?.offset === want.offset && have.timestamp === want.timestamp;
    if (!same) throw new Error(`partition ${partition}: found ${JSON.stringify(have)}, not ${JSON.stringify(want)}`);
  }
  return { time, description: await readFirst(log, flights, time, truth), ms };
}

/** Seeks a reader to the time and reads the very record; the first in time over all partitions is the answer. */
async function readFirst(log: Log, flights: Flights, time: number, truth: Truth): Promise<string> {
  const firsts = [];
  for (const [partition, want] of truth.partitions.entries()) {
    if (want === null) continue;
    const reader = log.consumer({ assign: [{ topic: flights, partition, offset: 0 }], until: "end" });
    await reader.seek({ timestamp: time });
    for await (const record of reader) {
      if (record.offset !== want.offset) throw new Error(`the reader began at ${record.offset}, not at ${want.offset}`);
      firsts.push(record);
      break;
    }
    await reader.close();
  }
  const first = firsts.sort((a, b) => a.timestamp - b.timestamp)[0];
  if (first === undefined) throw new Error("no partition has a flight after that time");
  if (first.timestamp !== truth.first) throw new Error(`the first flight is of ${first.timestamp}, not ${truth.first}`);
  const { date, origin, destination, delay } = first.value ?? {};
  return `${date} ${origin} to ${destination}, ${delay} min late, partition ${first.partition} offset ${first.offset}`;
}

export interface Truth {
  /** Time of the first flight at or after the time asked for. */
  first: number;
  /** What each partition must answer; null where nothing is that late. */
  partitions: ({ offset: number; timestamp: number } | null)[];
}

/** Computes from the data set what the log must answer. `partitionOf` says where each key lives. */
export async function truthFor(
  time: number,
  count: number,
  partitions: number,
  partitionOf: Map<string, number>,
): Promise<Truth> {
  const before = new Array<number>(partitions).fill(0);
  const firsts = new Array<number | null>(partitions).fill(null);
  for await (const { times, flights } of readFlights(count)) {
    flights.forEach(({ origin }, row) => {
      const at = times[row] ?? Number.NaN;
      const partition = partitionOf.get(origin) ?? -1;
      if (at < time) before[partition] = (before[partition] ?? 0) + 1;
      else firsts[partition] ??= at;
    });
  }
  const known = firsts.filter((first) => first !== null);
  return {
    first: Math.min(...known),
    partitions: firsts.map((timestamp, i) => (timestamp === null ? null : { offset: before[i] ?? 0, timestamp })),
  };
}
