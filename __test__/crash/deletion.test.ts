// Topics are deleted while sends to them are on their way: those sends fail with that as the reason, nothing else
// does, and the store goes on. Some topics come back at once under the same name.

import * as assert from "uvu/assert";
import { sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { Crew } from "./crew.js";
import { Dice } from "./dice.js";
import { openAndLook } from "./observe.js";
import { Oracle } from "./oracle.js";
import { chances, mustBeSound, summary } from "./verdict.js";

const { test, run } = suite("topics deleted under load");
const { cycles, seed } = chances("TIDELOG_CRASH_CYCLES", 20);

test(`nothing but sends to the topic fails (${cycles} cycles)`, async ({ folder }) => {
  const dice = new Dice(seed);
  const oracle = new Oracle();
  await using crew = new Crew(oracle);
  console.log(`seed ${seed}, ${cycles} cycles`);
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const writer = await crew.write({ folder, seed: dice.below(2 ** 31), racing: true });
    await sleep(dice.between(100, 400));
    writer.child.kill();
    const { signal, err } = await writer.over;
    assert.equal([signal, err], ["SIGKILL", ""]);
    const { findings } = await openAndLook(folder, oracle);
    mustBeSound(findings, `cycle ${cycle} of seed ${seed}`);
  }
  console.log(summary(oracle));
  const { ERR_TIDELOG_TOPIC_DELETED: _, ...others } = oracle.codes;
  assert.equal(others, {});
}, 110_000);

run();
