// time limit: 240 s
// A sync that really fails, on a file system whose disk turns out to be smaller than it said: the store stops at the
// first one. Nothing is acknowledged any more, those on their way are told that nobody knows, reading goes on, closing
// ends; and once the disk has what it lacked, everything acknowledged is there.

import { join } from "node:path";
import * as assert from "uvu/assert";
import { noLoopDisk } from "../support/loop_disk.js";
import { suite, within } from "../support/suite.js";
import { ThinDisk } from "../support/thin_disk.js";
import { Crew } from "./crew.js";
import { Dice } from "./dice.js";
import { openAndLook } from "./observe.js";
import { Oracle } from "./oracle.js";
import { chances, mustBeSound, summary } from "./verdict.js";

const { test, skip, run } = suite("a sync that fails");
const { cycles, seed } = chances("TIDELOG_SYNC_CYCLES", 3);
const PROMISED_MEBIBYTES = 512;

for (const fileSystem of ["ext4", "xfs"] as const) {
  const name = `is final, and nothing acknowledged is lost by it on ${fileSystem} (${cycles} cycles)`;
  const reason = noLoopDisk(fileSystem);
  if (reason === undefined) test(name, ({ folder }) => failSyncs(folder, fileSystem), 110_000);
  else skip(name, reason);
}

async function failSyncs(folder: string, fileSystem: "ext4" | "xfs"): Promise<void> {
  const dice = new Dice(seed);
  console.log(`${fileSystem}: seed ${seed}, ${cycles} cycles`);
  for (let cycle = 1; cycle <= cycles; cycle++) {
    // What was not synced is gone with the failure, so it is judged as power loss.
    const oracle = new Oracle({ power: true });
    await using crew = new Crew(oracle);
    using thin = new ThinDisk(join(folder, `${cycle}`), fileSystem, PROMISED_MEBIBYTES, dice.between(4, 40));
    thin.mount();
    const store = join(thin.disk.folder, "store");
    const writer = await crew.write({ folder: store, seed: dice.below(2 ** 31), steady: true, readAtLast: true });
    const { code, signal, err } = await within(60_000, "the writer's end", writer.over);
    assert.equal([code, signal, err], [0, null, ""]);
    assert.ok(writer.own.has("gave-up") && writer.own.has("closed"));
    const [read, whole] = writer.own.get("read")!.map(Number) as [number, number];
    assert.ok(oracle.counts.acked > 0);
    assert.ok(read >= oracle.counts.acked, `${read} records read of ${oracle.counts.acked} acknowledged`);
    assert.is(whole, read);
    assert.is(oracle.codes["ERR_TIDELOG_POISONED"]?.definite, 0, JSON.stringify(oracle.codes));
    await thin.disk.unmount();
    thin.giveRoom(PROMISED_MEBIBYTES);
    thin.mount();
    const { findings } = await openAndLook(store, oracle);
    console.log(summary(oracle));
    mustBeSound(findings, `cycle ${cycle} of seed ${seed} on ${fileSystem}`);
    await thin.disk.unmount();
  }
}

run();
