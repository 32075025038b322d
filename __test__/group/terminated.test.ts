// time limit: 4200 s
// Workers that share a topic of 8 partitions, any of which is terminated at any moment: those that are left take over, and
// the process goes on. What comes out then is what each delivery promises; and under the same terminations those that promise
// less do less, which shows that they count. TIDELOG_TERMINATIONS: how many for each delivery (default 20, for long 200).

import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import * as assert from "uvu/assert";
import { type Delivery, json, type Log } from "../../ts/index.js";
import { Dice } from "../crash/dice.js";
import { all, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { worker } from "../support/worker.js";

const { test, run } = suite("members that are terminated");

const TERMINATIONS = Number(process.env["TIDELOG_TERMINATIONS"] ?? 20);
const SEED = Number(process.env["TIDELOG_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const LIMIT_MS = 60_000 + TERMINATIONS * 6000;
const PARTITIONS = 8;

/** How often each record is in the copy, after the terminations. */
async function copies(log: Log, folder: string, way: "exactly-once" | Delivery): Promise<number[]> {
  const dice = new Dice(SEED);
  const from = await log.topic("in", { partitions: PARTITIONS, value: json<number>() });
  const out = await log.topic("out", { partitions: PARTITIONS, durability: "fsync", value: json<number>() });
  const producer = log.producer();
  let sent = 0;
  const feed = setInterval(() => {
    const records = range(20).map(() => ({ value: sent, partition: sent++ % PARTITIONS }));
    producer.sendBatch(from, records).catch(() => {});
  }, 10);

  let ids = 0;
  const begin = async (): Promise<Worker> => {
    const thread = worker("group_member", { folder, id: `copy-${ids++}`, way });
    thread.on("error", (error) => assert.unreachable(String(error)));
    await once(thread, "message");
    return thread;
  };
  const group = log.group("copy");
  let threads = await Promise.all(range(4).map(begin));
  for (const _ of range(TERMINATIONS)) {
    await sleep(dice.below(150));
    const victim = threads[dice.below(threads.length)]!;
    threads = threads.filter((thread) => thread !== victim);
    const [next] = await Promise.all([begin(), victim.terminate()]);
    threads.push(next);
  }
  clearInterval(feed);
  await producer.flush();
  assert.ok(sent > 100);

  // Those that are left come to the end; nobody who is gone is a member any more.
  for (;;) {
    const { state, members, offsets } = await group.describe();
    if (state === "stable" && members.length === 4 && offsets.every(({ lag }) => lag === 0)) break;
    await sleep(50);
  }
  await sleep(100);
  await Promise.all(threads.map((thread) => thread.terminate()));
  while ((await group.describe()).members.length > 0) await sleep(10);

  const counts = new Array<number>(sent).fill(0);
  const last = new Array<number>(PARTITIONS).fill(-1);
  for (const { value, partition } of await all(log.consumer({ topics: [out], until: "end" }))) {
    counts[value!]! += 1;
    if (way !== "exactly-once") continue;
    assert.ok(value! > last[partition]!, `${value} comes behind ${last[partition]}`);
    last[partition] = value!;
  }
  const some = (which: (count: number) => boolean) => counts.filter(which).length;
  console.log(
    `seed ${SEED}, ${way}: ${TERMINATIONS} terminations, ${sent} records, ${some((n) => n === 0)} lost, ` +
      `${some((n) => n > 1)} doubled`,
  );
  return counts;
}

test(
  "exactly once: every record is there once, in order",
  async ({ folder, open }) => {
    const counts = await copies(await open({ durability: "fsync" }), folder, "exactly-once");
    assert.equal(
      counts.filter((count) => count !== 1),
      [],
    );
  },
  LIMIT_MS,
);

test(
  "at least once: none is lost, some are doubled",
  async ({ folder, open }) => {
    const counts = await copies(await open({ durability: "fsync" }), folder, "at-least-once");
    assert.is(counts.filter((count) => count === 0).length, 0);
    assert.ok(counts.some((count) => count > 1));
  },
  LIMIT_MS,
);

test(
  "at most once: none is doubled, some are lost",
  async ({ folder, open }) => {
    const counts = await copies(await open({ durability: "fsync" }), folder, "at-most-once");
    assert.is(counts.filter((count) => count > 1).length, 0);
    assert.ok(counts.some((count) => count === 0));
  },
  LIMIT_MS,
);

run();
