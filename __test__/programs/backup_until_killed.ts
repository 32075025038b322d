// Writes transactions, copies one topic into another exactly once, and backs the store up all the while, into one folder
// after the other, telling of each; somebody kills it.
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { json, open } from "../../ts/index.js";

const [folder, copies] = process.argv.slice(2) as [string, string];
const log = await open(folder, { maintenanceIntervalMs: 50, compaction: { intervalMs: 50 } });
const small = { segment: { bytes: 4096 }, value: json<number>() } as const;
const [left, right, out] = await Promise.all(["left", "right", "out"].map((name) => log.topic(name, small)));
const buffered = await log.topic("buffered", { ...small, durability: "buffered", retention: { bytes: 65_536 } });
const newest = await log.topic("newest", { ...small, cleanup: "compact", compaction: { minDirtyRatio: 0.01 } });

async function transactions(): Promise<never> {
  for (let number = 0; ; number++) {
    await log.transaction("writer", (tx) => {
      tx.send(left!, { value: number });
      tx.send(right!, { value: number });
    });
  }
}

async function others(): Promise<never> {
  const producer = log.producer();
  for (let number = 0; ; number++) {
    await Promise.all([
      producer.send(buffered, { value: number }),
      producer.send(newest, { key: Buffer.from(`${number % 3}`), value: number }),
    ]);
  }
}

async function backups(): Promise<never> {
  for (let number = 0; ; number++) {
    const copy = join(copies, `${number % 3}`);
    if (existsSync(join(copy, "meta.properties"))) {
      // Out of sight first: what a kill leaves of it here would be no backup.
      await rm(`${copies}-gone`, { recursive: true, force: true });
      await rename(copy, `${copies}-gone`);
    }
    process.stdout.write("begin\n");
    await log.backup(copy);
  }
}

await Promise.all([
  transactions(),
  others(),
  backups(),
  log.process({ id: "copier", from: left!, batch: 20 }, ({ value }, tx) => tx.send(out!, { value: value! })),
]);
