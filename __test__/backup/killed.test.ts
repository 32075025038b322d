// time limit: 1800 s
// A program that backs its store up under load is killed at any moment. What is left is a store that shows one moment, or no
// store, into which the next backup goes; and the program's own store is none the worse. `TIDELOG_BACKUP_CYCLES=200 npm test --
// backup/killed` does more than the six cycles that always run; `TIDELOG_CRASH_SEED` has chance fall as it did before.

import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { json, type Log, open } from "../../ts/index.js";
import { verifyBackup } from "../../ts/native.js";
import { Dice } from "../crash/dice.js";
import { chances } from "../crash/verdict.js";
import { start } from "../support/child.js";
import { all, failure, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("a backup that is killed");
const { cycles, seed } = chances("TIDELOG_BACKUP_CYCLES", 6);

async function valuesOf(log: Log, name: string): Promise<number[]> {
  const topic = await log.openTopic(name, { value: json<number>() });
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  return records.map(({ value }) => value!);
}

/** What is true of the store at every moment. */
async function isOneMoment(log: Log): Promise<void> {
  const [left, right, out] = await Promise.all(["left", "right", "out"].map((name) => valuesOf(log, name)));
  assert.equal(left, range(left!.length), "a prefix");
  assert.equal(right, left, "both halves of each transaction");
  assert.equal(out, range(out!.length), "each is copied once");
  const offsets = (await log.group("copier").describe()).offsets;
  assert.is(offsets[0]?.offset ?? 0, out!.length, "committed is what was copied");
  const buffered = await valuesOf(log, "buffered");
  for (const [i, value] of buffered.slice(1).entries()) assert.is(value, buffered[i]! + 1);
  const newest = await valuesOf(log, "newest");
  const last = newest.at(-1) ?? 0;
  // The newest of each key, whatever was compacted meanwhile.
  for (const value of [last - 1, last - 2]) if (value >= 0) assert.ok(newest.includes(value), `${value} of ${last}`);
}

test(`what it leaves is one moment, or no store (${cycles} cycles)`, async ({ folder }) => {
  const dice = new Dice(seed);
  console.log(`seed ${seed}, ${cycles} cycles`);
  let [whole, unfinished] = [0, 0];
  for (let cycle = 0; cycle < cycles; cycle++) {
    const [store, copies] = [join(folder, `${cycle}`), join(folder, `${cycle}-copies`)];
    await mkdir(copies);
    const program = start("backup_until_killed", store, copies);
    for (const _ of range(dice.between(2, 5))) assert.is(await program.line(), "begin");
    await sleep(dice.between(0, 60));
    program.kill();
    const { signal, err } = await program.ended;
    assert.is(signal, "SIGKILL", err);
    {
      await using log = await open(store);
      for (const name of await readdir(copies)) {
        const copy = join(copies, name);
        if (existsSync(join(copy, "meta.properties"))) {
          whole += 1;
        } else {
          unfinished += 1;
          if (existsSync(join(copy, "backup.unfinished"))) {
            await failure("ERR_TIDELOG_NOT_A_STORE", open(copy), "not finished");
          }
          await log.backup(copy);
        }
        const found = await verifyBackup(copy, () => {}, new AbortController().signal);
        assert.equal(found.problems, []);
        await using restored = await open(copy);
        assert.is(restored.recovery.clean, true);
        await isOneMoment(restored);
      }
    }
  }
  console.log(`${whole} whole, ${unfinished} not finished`);
  assert.ok(whole > 0);
}, 1_700_000);

run();
