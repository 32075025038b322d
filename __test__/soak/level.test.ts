// time limit: 120 s
// A store under a mixed load for a while: what the process holds stays level. `npm run soak` takes ten minutes, or
// TIDELOG_SOAK_MINUTES; without it this is a short form, too short for slopes, that only large leaks can fail.

import * as assert from "uvu/assert";
import { sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { canMeasure, growthPerMinute, type Sample, sample } from "./gauges.js";
import { Load } from "./load.js";

const { test, skip, run } = suite("soak");

const { TIDELOG_SOAK_MINUTES = "0" } = process.env;
const MINUTES = Number(TIDELOG_SOAK_MINUTES);
const LONG = MINUTES > 0;
const TURN_MS = LONG ? 3_000 : 1_000;
/** A slow machine takes longer for the same, and is judged by as many samples. */
const TURNS_MIN = 12;
/** The share of the time in which caches, pools and compiled code come to their size: of ten minutes, six. */
const WARM_UP = LONG ? 2 / 3 : 1 / 3;
const TITLE = "memory, open files and maps stay level under a mixed load";

const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function soak(log: Parameters<typeof Load.start>[0]): Promise<Sample[]> {
  const load = await Load.start(log);
  const samples: Sample[] = [];
  const began = performance.now();
  while (samples.length < TURNS_MIN || performance.now() - began < MINUTES * 60_000) {
    await load.turn(TURN_MS);
    // Upkeep has its turn, so that each sample finds what is kept at its bounds.
    await sleep(300);
    samples.push(await sample());
  }
  await log.close();
  await load.ended();
  for (const [part, times] of Object.entries(load.done)) console.log(`${part}: ${times}`);
  const { latencies } = load;
  const [half, most, nearlyAll] = [0.5, 0.99, 0.999].map((share) => `${latencies.quantile(share).toFixed(2)} ms`);
  console.log(`${latencies.count} durable sends: p50 ${half}, p99 ${most}, p99.9 ${nearlyAll}`);
  assert.is(Object.keys(load.done).length, 10, "every part of the load was done");
  return samples;
}

function check(samples: Sample[]): void {
  const steady = samples.slice(Math.floor(samples.length * WARM_UP));
  for (const name of ["residentMb", "files", "maps"] as const) {
    console.log(`${name}: ${samples.map((one) => one[name].toFixed(0)).join(" ")}`);
  }
  const third = Math.ceil(steady.length / 3);
  const grown = (of: (one: Sample) => number) =>
    middle(steady.slice(-third).map(of)) - middle(steady.slice(0, third).map(of));
  const files = grown(({ files }) => files);
  const maps = grown(({ maps }) => maps);
  const resident = LONG
    ? growthPerMinute(steady, ({ residentMb }) => residentMb)
    : grown(({ residentMb }) => residentMb);
  console.log(`after warming up: ${resident.toFixed(2)} MB${LONG ? " a minute" : ""}, ${files} files, ${maps} maps`);
  assert.ok(Math.abs(files) <= 8, `open files: ${files} more`);
  // The allocator and V8 take maps by the dozen, and in the short form still come to their size.
  assert.ok(Math.abs(maps) <= (LONG ? 40 : 120), `maps: ${maps} more`);
  assert.ok(resident < (LONG ? 1 : 48), `resident memory: ${resident.toFixed(2)} MB more`);
}

if (canMeasure()) {
  test(
    TITLE,
    async ({ open }) => check(await soak(await open({ maintenanceIntervalMs: 100, checkpointIntervalMs: 1000 }))),
    MINUTES * 3 * 60_000 + 110_000,
  );
} else {
  skip(TITLE, "needs Linux, which tells what a process holds");
}

run();
