// time limit: 600 s
// A full disk is an error on send, and nothing worse: what was acknowledged stays, reading goes on, and so does
// writing once there is room.

import { statfsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type Log, open as openLog, string, TidelogError } from "../../ts/index.js";
import { Dice } from "../crash/dice.js";
import { observe } from "../crash/observe.js";
import { Oracle } from "../crash/oracle.js";
import { chances, mustBeSound, summary } from "../crash/verdict.js";
import { Witness } from "../crash/witness.js";
import { all, failure, range } from "../support/expect.js";
import { LoopDisk, noLoopDisk } from "../support/loop_disk.js";
import { noSmallDisk, withSmallDisk } from "../support/small_disk.js";
import { suite } from "../support/suite.js";

const { test, skip, run } = suite("a full disk");
const reason = noSmallDisk();

for (const durability of ["fsync", "buffered"] as const) {
  const name = `sends fail, nothing is lost, and go on once there is room (${durability})`;
  if (reason !== undefined) {
    skip(name, reason);
    continue;
  }
  test(name, ({ folder }) =>
    withSmallDisk(folder, 24, async () => {
      const filler = join(folder, "filler");
      const path = join(folder, "store");
      await writeFile(filler, Buffer.alloc(8 << 20, 1));
      const log = await openLog(path, { durability });
      const topic = await log.topic("t", { value: string(), segment: { bytes: 1 << 20 } });
      const producer = log.producer();
      const text = "x".repeat(10_000);
      let stored = 0;
      let error: unknown;
      for (let i = 0; error === undefined && i < 10_000; i++) {
        await producer.send(topic, { value: `${i} ${text}` }).then(
          ({ offset }) => {
            assert.is(offset, stored);
            stored += 1;
          },
          (thrown) => {
            error = thrown;
          },
        );
      }
      assert.instance(error, TidelogError);
      const { code, retriable, indefinite } = error as TidelogError;
      assert.equal([code, retriable, indefinite], ["ERR_TIDELOG_STORAGE_FULL", true, false]);
      assert.ok(stored > 100);
      const batch = await failure(
        "ERR_TIDELOG_STORAGE_FULL",
        producer.sendBatch(
          topic,
          range(500).map(() => ({ value: text })),
        ),
      );
      stored += batch.appended!.appended;
      const readable = async () => (await all(log.consumer({ topics: [topic], until: "end" }))).length;
      assert.is(await readable(), stored);
      await rm(filler);
      const { offset } = await producer.send(topic, { value: "room again" });
      assert.is(offset, stored);
      assert.is(await readable(), stored + 1);
      await log.close();
      await using again = await openLog(path);
      const found = await all(
        again.consumer({ topics: [await again.openTopic("t", { value: string() })], until: "end" }),
      );
      assert.is(found.length, stored + 1);
      assert.is(found.at(-1)!.value, "room again");
      for (const i of range(100)) assert.ok(found[i]!.value!.startsWith(`${i} x`));
    }),
  );
}

if (reason === undefined) {
  test("a store that there is no room for is not made half", ({ folder }) =>
    withSmallDisk(folder, 2, async () => {
      const filler = join(folder, "filler");
      await writeFile(filler, Buffer.alloc(2 << 20)).catch(() => {});
      const path = join(folder, "store");
      await failure("ERR_TIDELOG_STORAGE_FULL", openLog(path));
      await rm(filler);
      await using log = await openLog(path);
      assert.equal(await log.topics(), []);
    }));
} else {
  skip("a store that there is no room for is not made half", reason);
}

const { cycles, seed } = chances("TIDELOG_FULL_DISK_FILLS", 15);

for (const [kind, mebibytes, fills] of [
  ["tmpfs", 32, cycles],
  ["ext4", 64, cycles],
  // It takes seconds to find itself full.
  ["btrfs", 256, Math.ceil(cycles / 3)],
] as const) {
  const name = `whatever finds ${kind} full fails for good, and goes on with room (${fills} fills)`;
  const missing = kind === "tmpfs" ? reason : noLoopDisk(kind);
  if (missing !== undefined) skip(name, missing);
  else if (kind === "tmpfs") {
    test(name, ({ folder }) => withSmallDisk(folder, mebibytes, () => fillOnAndOn(folder, kind, fills)), 400_000);
  } else {
    test(name, async ({ folder }) => {
      using disk = new LoopDisk(folder, kind, mebibytes);
      disk.mount();
      await fillOnAndOn(disk.folder, kind, fills);
      await disk.unmount();
    }, 400_000);
  }
}

/**
 * What is being done when the disk is full: each asks for room in another place. Small files have room of their own on
 * btrfs, which thousands of topics would not fill.
 */
const WAYS = ["send", "roll", "batch", "topic", "store", "close"] as const;

async function fillOnAndOn(folder: string, kind: "tmpfs" | "ext4" | "btrfs", fills: number): Promise<void> {
  const dice = new Dice(seed);
  // A store that was poisoned lost what it had not synced, on the one file system where a full disk can do that.
  const oracle = new Oracle({ power: kind === "btrfs" });
  const store = join(folder, "store");
  const filler = join(folder, "filler");
  let poisonings = 0;
  let log = await openLog(store);
  for (let fill = 0; fill < fills; fill++) {
    const ways = kind === "btrfs" ? WAYS.filter((way) => way !== "topic") : WAYS;
    const way = ways[fill % ways.length]!;
    const witness = new Witness(log, (line) => oracle.hear(line), fill * 100 + 1);
    const producer = log.producer();
    const names = ["durable", "buffered", "rolling"] as const;
    const streams = await Promise.all(
      names.map(async (name) => {
        const topic = await witness.topic(name, {
          durability: name === "buffered" ? "buffered" : "fsync",
          segment: { bytes: name === "rolling" ? 16 << 10 : 1 << 20 },
        });
        return witness.stream(producer, topic!, 0);
      }),
    );
    const [durable, , rolling] = streams as [(typeof streams)[0], unknown, (typeof streams)[0]];
    // Topics and stores take little each: with more room there would be thousands.
    await fillUp(filler, folder, dice.below(way === "topic" || way === "store" ? 64 << 10 : 2 << 20));
    let full = 0;
    for (let i = 0; full < 3; i++) {
      assert.ok(i < 20_000, `${way} never found the disk full`);
      let error: unknown;
      if (way === "batch") {
        error = await witness.sendBatch([durable], Array(50).fill(dice.between(100, 8_000)));
      } else if (way === "topic" || way === "store") {
        const path = join(folder, `other-${fill}-${i}`);
        error = await (way === "topic" ? log.topic(`t-${fill}-${i}`) : openAndClose(path)).then(
          () => undefined,
          (thrown) => thrown,
        );
      } else {
        error = await witness.send(way === "roll" ? rolling : dice.pick(streams), dice.between(10, 20_000));
      }
      if (error === undefined) continue;
      full += 1;
      assert.instance(error, TidelogError);
      const { code, retriable, indefinite } = error as TidelogError;
      if (kind === "btrfs" && code === "ERR_TIDELOG_POISONED") break;
      assert.equal([code, retriable, indefinite], ["ERR_TIDELOG_STORAGE_FULL", true, false], String(error));
    }
    await isSound(log, oracle, `fill ${fill} of seed ${seed} (${way}), full`);
    const poisoned = "ERR_TIDELOG_POISONED" in oracle.codes;
    if (way === "close" || poisoned) {
      await log.close().catch((error) => assert.ok(error instanceof TidelogError, String(error)));
      await rm(filler);
      log = await openLog(store);
      oracle.hear("opened 0");
      poisonings += poisoned ? 1 : 0;
      delete oracle.codes["ERR_TIDELOG_POISONED"];
    } else await rm(filler);
    await isSound(log, oracle, `fill ${fill} of seed ${seed} (${way}), with room again`);
    const after = new Witness(log, (line) => oracle.hear(line), fill * 100 + 50);
    for (const name of await log.topics()) {
      if (names.every((one) => one !== name)) {
        await log.deleteTopic(name);
        continue;
      }
      const topic = await log.openTopic(name);
      assert.is(await after.send(after.stream(log.producer(), topic, 0), 5_000), undefined);
      const { highWatermark } = (await topic.describe()).partitions[0]!;
      if (fill % 3 === 2) assert.ok(await after.deleteRecords(topic, 0, highWatermark));
    }
  }
  await log.close();
  log = await openLog(store);
  await isSound(log, oracle, "the end");
  await log.close();
  console.log(`${kind}: seed ${seed}, ${fills} fills, ${poisonings} poisonings, ${summary(oracle)}`);
  assert.ok(oracle.counts.acked > 0);
}

/** Takes all the room but this much. */
async function fillUp(filler: string, folder: string, leave: number): Promise<void> {
  const { bavail, bsize } = statfsSync(folder);
  await writeFile(filler, Buffer.alloc(Math.max(0, bavail * bsize - leave), 1)).catch(() => {});
}

async function openAndClose(path: string): Promise<void> {
  const log = await openLog(path);
  await log.close();
}

async function isSound(log: Log, oracle: Oracle, when: string): Promise<void> {
  const seen = await observe(log);
  // Topics of which the oracle was not told were made only to find the disk full.
  for (const [id, { name }] of seen.topics) if (name.startsWith("t-")) seen.topics.delete(id);
  mustBeSound(oracle.look(seen), when);
}

run();
