// What must stay level in a process that runs for long, read from Linux: resident memory, open files, memory maps. And
// the latencies of sends, in a table whose size does not depend on how many there are.

import { readdirSync, readFileSync } from "node:fs";
import { sleep } from "../support/expect.js";
import { collectGarbage } from "../support/garbage.js";

/** The process at a moment of quiet. */
export interface Sample {
  seconds: number;
  residentMb: number;
  files: number;
  maps: number;
}

/** Whether this system tells what is to be measured. */
export function canMeasure(): boolean {
  return process.platform === "linux";
}

/** Takes a sample, with what JavaScript only has not yet let go of taken away. */
export async function sample(): Promise<Sample> {
  for (let i = 0; i < 4; i++) {
    collectGarbage();
    await sleep(20);
  }
  const status = readFileSync("/proc/self/status", "utf8");
  return {
    seconds: performance.now() / 1000,
    residentMb: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024,
    files: readdirSync("/proc/self/fd").length,
    maps: readFileSync("/proc/self/maps", "utf8").split("\n").length,
  };
}

/** How much `of` grows a minute, by least squares. */
export function growthPerMinute(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [samples.map(({ seconds }) => seconds / 60), samples.map(of)];
  const [middleX, middleY] = [mean(x), mean(y)];
  const above = x.reduce((sum, value, i) => sum + (value - middleX) * (y[i]! - middleY), 0);
  return above / x.reduce((sum, value) => sum + (value - middleX) ** 2, 0);
}

/** Latencies by their logarithm, 5 percent apart. */
export class Latencies {
  readonly #counts = new Float64Array(400);
  #total = 0;

  add(ms: number): void {
    const bucket = Math.round(Math.log(Math.max(ms, 0.001) / 0.001) / Math.log(1.05));
    this.#counts[Math.min(bucket, this.#counts.length - 1)]!++;
    this.#total++;
  }

  get count(): number {
    return this.#total;
  }

  /** The time within which this share of all were done. */
  quantile(share: number): number {
    let left = this.#total * share;
    let bucket = 0;
    for (; bucket < this.#counts.length - 1; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0) break;
    }
    return 0.001 * 1.05 ** bucket;
  }
}
