// Sends to few keys without end, while the store compacts, and tells each acknowledged value; somebody kills it.
import { json, open, string } from "../../ts/index.js";

const [folder, durability, first] = process.argv.slice(2) as [string, "fsync" | "buffered", string];
const log = await open(folder, { durability, checkpointIntervalMs: 10, compaction: { intervalMs: 1 } });
const topic = await log.topic("t", {
  cleanup: "compact",
  compaction: { minDirtyRatio: 0.01 },
  segment: { bytes: 1024 },
  key: string(),
  value: json<number>(),
});
const producer = log.producer();
await Promise.all(
  Array.from({ length: 8 }, async (_, lane) => {
    for (let i = Number(first); ; i++) {
      const key = `${lane}-${i % 3}`;
      const { offset } = await producer.send(topic, { key, value: i });
      process.stdout.write(`${key} ${i} ${offset}\n`);
    }
  }),
);
