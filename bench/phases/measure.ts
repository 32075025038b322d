// tinybench, set up so that it counts exactly the iterations asked for: what is measured writes files and can't be
// repeated at will. An iteration handles many records; the time that it reports is that of one of them.

import { Bench, now } from "tinybench";

/** One way of doing a workload, and how fast it was. */
export interface Measure {
  readonly mode: string;
  /** Rows of one kind do the same thing, and are compared with each other. */
  readonly kind: string;
  readonly perSecond: number;
  /** Of single records, in microseconds; for iterations of many records their mean. */
  readonly p50: number;
  readonly p99: number;
  readonly iterations: number;
  /** Bytes of one operation, where throughput means something. */
  readonly bytes?: number;
  /** Bytes that opening a store read and checked. */
  readonly checked?: number;
  /** The most memory in bytes that the process had. */
  readonly peak?: number;
}

/** Runs `iterate` as often as said; it gives the milliseconds that one record took. */
export async function measure(
  what: { mode: string; kind: string },
  iterations: number,
  iterate: (iteration: number) => number | Promise<number>,
): Promise<Measure> {
  const bench = new Bench({ iterations, time: 0, warmup: false, throws: true });
  let iteration = 0;
  bench.add(what.mode, async () => ({ overriddenDuration: await iterate(iteration++) }));
  const [task] = await bench.run();
  const result = task?.result;
  if (result === undefined || !("latency" in result)) throw new Error(`${what.mode}: no result`);
  const { latency } = result;
  return {
    ...what,
    perSecond: 1_000 / latency.p50,
    p50: latency.p50 * 1_000,
    p99: latency.p99 * 1_000,
    iterations: latency.samplesCount,
  };
}

/** The milliseconds that one of `count` records took. */
export async function perRecord(count: number, work: () => void | Promise<void>): Promise<number> {
  const start = now();
  const pending = work();
  if (pending !== undefined) await pending;
  return (now() - start) / count;
}

/** The same of times that were taken elsewhere, in milliseconds of one record. */
export function ofDurations(what: { mode: string; kind: string }, durations: readonly number[]): Measure {
  const sorted = [...durations].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN;
  const mean = durations.reduce((sum, duration) => sum + duration, 0) / durations.length;
  return {
    ...what,
    perSecond: 1_000 / mean,
    p50: at(0.5) * 1_000,
    p99: at(0.99) * 1_000,
    iterations: durations.length,
  };
}

/** The same figure from a count and a whole run. */
export function overall(measured: Measure, count: number, elapsedMs: number): Measure {
  return { ...measured, perSecond: (count / elapsedMs) * 1_000 };
}

export { now };
