// time limit: 3000 s
// A process that writes is ended at any moment, over and over, and its store lives on through all of it: killed while
// it writes or while it recovers, ended by `process.exit()` without closing, or robbed of a thread in the middle of
// its sends. `TIDELOG_CRASH_CYCLES=500 npm test -- crash/kill` does more than the 100 cycles that always run;
// `TIDELOG_CRASH_SEED` has a run's chances fall as they did before.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { Crew } from "./crew.js";
import { Dice } from "./dice.js";
import { openAndLook } from "./observe.js";
import { Oracle } from "./oracle.js";
import { chances, mustBeSound, summary } from "./verdict.js";

const { test, run } = suite("a process ended at any moment");
const { cycles, seed } = chances("TIDELOG_CRASH_CYCLES", 100);
const LARGEST_STORE = 300 << 20;
const LONGEST_OPENING_MS = 2_000;

test(`nothing acknowledged is lost, doubled or moved (${cycles} cycles)`, async ({ folder }) => {
  const dice = new Dice(seed);
  const oracle = new Oracle();
  const kinds = { killed: 0, early: 0, exit: 0, worker: 0 };
  let store = join(folder, "store-0");
  let stores = 1;
  let recoveries = 0;
  console.log(`seed ${seed}, ${cycles} cycles`);
  await using crew = new Crew(oracle);
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const roll = dice.below(100);
    const kind = roll < 8 ? "worker" : roll < 18 ? "exit" : roll < 48 ? "early" : "killed";
    kinds[kind] += 1;
    const writer = await crew.write({
      folder: store,
      seed: dice.below(2 ** 31),
      ...(kind === "exit" ? { exitAfterMs: dice.between(1, 200) } : {}),
      ...(kind === "worker" ? { terminateAfterMs: dice.between(1, 60) } : {}),
    });
    if (kind === "worker") await writer.until("terminated");
    if (kind !== "exit") {
      await sleep(kind === "early" ? dice.between(0, 20) : dice.between(1, 300));
      writer.child.kill();
    }
    const { code, signal, err } = await writer.over;
    assert.equal([code, signal], kind === "exit" ? [0, null] : [null, "SIGKILL"], `cycle ${cycle} (${kind}): ${err}`);
    // Some stores are opened again without a look, so that what ends in the middle of a recovery is recovered too.
    if (cycle < cycles && dice.chance(35)) continue;
    const { findings, recovered, bytes } = await openAndLook(store, oracle);
    if (recovered) recoveries += 1;
    mustBeSound(findings, `cycle ${cycle} of seed ${seed} (${kind})`);
    if (cycle % 100 < 2) console.log(`cycle ${cycle}: ${summary(oracle)}`);
    if (bytes < LARGEST_STORE) continue;
    await rm(store, { recursive: true });
    store = join(folder, `store-${stores++}`);
    oracle.forget();
  }
  console.log(summary(oracle));
  console.log(`${JSON.stringify(kinds)}, ${recoveries} looks after a recovery, ${stores} stores`);
  assert.ok(oracle.counts.acked > 0);
  assert.ok(recoveries > 0);
  const { ERR_TIDELOG_TOPIC_DELETED: _, ...others } = oracle.codes;
  assert.equal(others, {}, "sends that failed in a process that nothing had happened to yet");
  const slowest = Math.max(...oracle.openingMs);
  assert.ok(slowest < LONGEST_OPENING_MS, `an opening took ${slowest} ms`);
}, 2_900_000);

run();
