// Sends without end and tells each acknowledged offset; somebody kills it.
import { open, string } from "../../ts/index.js";

const [folder, durability] = process.argv.slice(2) as [string, "fsync" | "buffered"];
const log = await open(folder, { durability });
const topic = await log.topic("t", { partitions: 2, key: string(), value: string() });
const producer = log.producer();
await Promise.all(
  Array.from({ length: 20 }, async (_, lane) => {
    for (let i = 0; ; i++) {
      const { partition, offset } = await producer.send(topic, { key: `${lane}`, value: `${lane}:${i}` });
      process.stdout.write(`${partition} ${offset} ${lane}:${i}\n`);
    }
  }),
);
