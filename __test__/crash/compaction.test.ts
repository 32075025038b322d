// Writers are killed while what they write is compacted: the newest value of each key that was acknowledged is there, or a
// newer one, and every record that is found stands where it was acknowledged.
// time limit: 240 s

import * as assert from "uvu/assert";
import { json, open as openLog, string } from "../../ts/index.js";
import { start } from "../support/child.js";
import { all, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { Dice } from "./dice.js";
import { chances } from "./verdict.js";

const { test, run } = suite("kill -9 while compacting");
const { cycles, seed } = chances("TIDELOG_COMPACTION_CYCLES", 10);

for (const durability of ["fsync", "buffered"] as const) {
  test(`the newest value of each key is there (${durability}, ${cycles} cycles)`, async ({ folder }) => {
    const dice = new Dice(seed);
    const newest = new Map<string, number>();
    const places = new Map<number, string>();
    let removed = 0;
    for (let cycle = 0; cycle < cycles; cycle++) {
      const writer = start("compact_until_killed", folder, durability, `${cycle * 1e6}`);
      await writer.line();
      await sleep(dice.between(50, 500));
      writer.kill();
      const { out, err } = await writer.ended;
      assert.is(err, "");
      for (const line of out.split("\n").slice(0, -1)) {
        const [key, value, offset] = line.split(" ") as [string, string, string];
        newest.set(key, Number(value));
        places.set(Number(offset), `${key} ${value}`);
      }
      await using log = await openLog(folder);
      assert.equal(log.recovery.damaged, []);
      const topic = await log.openTopic("t", { key: string(), value: json<number>() });
      const found = new Map<string, number>();
      const records = await all(log.consumer({ topics: [topic], until: "end" }));
      for (const { key, value, offset } of records) {
        found.set(key!, value!);
        assert.is(places.get(offset) ?? `${key} ${value}`, `${key} ${value}`, `offset ${offset}, cycle ${cycle}`);
      }
      for (const [key, value] of newest) {
        assert.ok(found.get(key)! >= value, `${key}: ${found.get(key)}, not ${value}, cycle ${cycle} of seed ${seed}`);
      }
      removed += (await topic.describe()).partitions[0]!.highWatermark - records.length;
    }
    console.log(`${durability}: seed ${seed}, ${places.size} acknowledged, ${removed} compacted away`);
    assert.ok(removed > 100, `${removed}`);
  }, 110_000);
}

run();
