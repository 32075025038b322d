// Writes the flights twice: as JSON events to the topic that stays, and the same flights as ready-made bytes to a
// topic that is deleted again, which shows what the log costs without the JSON work. Only the sending is timed,
// from the first record handed over until the last one is as durable as was asked.
import { json, type Log, string, type Topic } from "tidelog";
import { type Flight, readFlights } from "./dataset.js";
import { KeyedDigest } from "./digest.js";
import type { Progress } from "./progress.js";

export const TOPIC = "flights";
const BARE_TOPIC = "flights-bare";
/** Records that are handed over together, and how many such batches may be under way. */
const BATCH = 5_000;
const IN_FLIGHT = 8;

export type Flights = Topic<string, Flight>;

export interface Written {
  /** Time spent sending, in ms. */
  jsonMs: number;
  bareMs: number;
  /** Bytes of keys and values. */
  bytes: number;
  /** What a replay must give back: per key, the values made again from the data set's columns. */
  expected: Map<string, string>;
  /** The sum of all delays, for the replay that decodes the events. */
  delays: number;
}

export function openFlights(log: Log, partitions: number): Promise<Flights> {
  return log.topic(TOPIC, { partitions, key: string(), value: json<Flight>() });
}

/** Writes the first `count` flights, and resolves once all are durable. */
export async function write(log: Log, partitions: number, count: number, progress: Progress): Promise<Written> {
  const flights = await openFlights(log, partitions);
  const bare = await log.topic(BARE_TOPIC, { partitions, key: string() });
  const digest = new KeyedDigest();
  const written = { jsonMs: 0, bareMs: 0, bytes: 0, delays: 0 };
  const producer = log.producer();
  for await (const chunk of readFlights(count)) {
    const events = chunk.flights;
    const time = (row: number) => chunk.times[row] ?? Number.NaN;
    written.jsonMs += await timed(() =>
      inBatches(events, (batch, start) =>
        producer.sendBatch(
          flights,
          batch.map((value, i) => ({ key: value.origin, value, timestamp: time(start + i) })),
        ),
      ),
    );
    const values = events.map((event) => Buffer.from(JSON.stringify(event)));
    written.bareMs += await timed(() =>
      inBatches(values, (batch, start) =>
        producer.sendBatch(
          bare,
          batch.map((value, i) => ({ key: events[start + i]?.origin ?? "", value, timestamp: time(start + i) })),
        ),
      ),
    );
    events.forEach((event, row) => {
      const value = values[row] ?? Buffer.alloc(0);
      digest.add(event.origin, time(row), value);
      written.bytes += event.origin.length + value.length;
      written.delays += event.delay;
    });
    progress.at(digest.count);
  }
  await producer.close();
  await log.deleteTopic(BARE_TOPIC);
  return { ...written, expected: digest.finish() };
}

/** Hands the items over batch by batch, a few batches ahead of the disk, and waits for all of them at the end. */
async function inBatches<T>(items: T[], send: (batch: T[], start: number) => Promise<unknown>): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for (let start = 0; start < items.length; start += BATCH) {
    const sent = send(items.slice(start, start + BATCH), start).then(() => void underWay.delete(sent));
    underWay.add(sent);
    // A race rather than the oldest one: the first failure is noticed whichever batch it hits.
    while (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
