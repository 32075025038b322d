// time limit: 3000 s
// The power goes while a writer is at work, on real file systems that drop what was not synced: what was acknowledged
// as durable is there, of what is buffered the beginning, and recovery itself survives it too. A short form runs
// always where it can; `TIDELOG_POWER_CYCLES=100 npm test -- crash/power` goes on for longer, and
// `TIDELOG_CRASH_SEED` has a run's chances fall as they did before.

import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { sleep } from "../support/expect.js";
import { LoopDisk, noLoopDisk, noPowerSwitch, powerSwitch } from "../support/loop_disk.js";
import { suite } from "../support/suite.js";
import { Crew } from "./crew.js";
import { Dice } from "./dice.js";
import { openAndLook } from "./observe.js";
import { Oracle } from "./oracle.js";
import { chances, mustBeSound, summary } from "./verdict.js";

const { test, skip, run } = suite("power loss");
const { cycles, seed } = chances("TIDELOG_POWER_CYCLES", 10);
const LARGEST_STORE = 150 << 20;
/** Sparse, so that it takes what is written only. */
const DISK_MEBIBYTES = 1024;

for (const fileSystem of ["ext4", "xfs"] as const) {
  const name = `nothing acknowledged as durable is lost on ${fileSystem} (${cycles} cycles)`;
  const reason = noLoopDisk(fileSystem) ?? noPowerSwitch();
  if (reason === undefined) test(name, ({ folder }) => cutPower(folder, fileSystem), 1_400_000);
  else skip(name, reason);
}

async function cutPower(folder: string, fileSystem: "ext4" | "xfs"): Promise<void> {
  const dice = new Dice(seed);
  const oracle = new Oracle({ power: true });
  const powerOff = powerSwitch(folder);
  using disk = new LoopDisk(folder, fileSystem, DISK_MEBIBYTES);
  await using crew = new Crew(oracle);
  let stores = 0;
  let store = join(disk.folder, `store-${stores++}`);
  let recoveries = 0;
  let failed = 0;
  console.log(`${fileSystem}: seed ${seed}, ${cycles} cycles`);
  for (let cycle = 1; cycle <= cycles; cycle++) {
    disk.mount();
    const writer = await crew.write({ folder: store, seed: dice.below(2 ** 31) });
    // Now and then while it opens; else when it has something to lose, however slow the machine is.
    if (!dice.chance(25)) await writer.until("opened");
    await sleep(dice.chance(25) ? dice.between(0, 20) : dice.between(1, 300));
    execFileSync(powerOff, [disk.folder]);
    // It may go on a little: nothing that it is told from now on may be wrong.
    await sleep(dice.between(0, 20));
    writer.child.kill();
    const { err } = await writer.over;
    assert.is(err, "");
    await disk.unmount();
    if (cycle < cycles && dice.chance(35)) continue;
    disk.mount();
    const { findings, recovered, bytes } = await openAndLook(store, oracle);
    if (recovered) recoveries += 1;
    if (bytes > LARGEST_STORE) {
      await rm(store, { recursive: true });
      store = join(disk.folder, `store-${stores++}`);
      oracle.forget();
    }
    await disk.unmount();
    failed = Object.values(oracle.codes).reduce((sum, { count }) => sum + count, 0);
    mustBeSound(findings, `cycle ${cycle} of seed ${seed} on ${fileSystem}`);
  }
  console.log(summary(oracle));
  console.log(`${recoveries} looks after a recovery, ${failed} failures told by writers, ${stores} stores`);
  assert.ok(oracle.counts.acked > 0);
  assert.ok(recoveries > 0);
}

run();
