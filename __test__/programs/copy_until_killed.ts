// Copies one topic into another in one of three ways, tells each step, and ends when all is copied; somebody kills it
// before.
import { type Delivery, json, open } from "../../ts/index.js";

const [folder, way] = process.argv.slice(2) as [string, "exactly-once" | "filtered" | Delivery];
const log = await open(folder);
const from = await log.topic("in", { value: json<number>() });
const out = await log.topic("out", { value: json<number>() });
const step = () => process.stdout.write("step\n");

if (way === "exactly-once" || way === "filtered") {
  const filter = way === "filtered" ? "offset / 3 * 3 = offset" : undefined;
  await log.process({ id: "copy", from, filter, until: "end", batch: 20 }, async ({ value }, tx) => {
    tx.send(out, { value: value! });
    if (value! % 50 === 0) step();
  });
} else {
  const producer = log.producer();
  for await (const { value } of log.consumer({ topics: [from], group: "copy", delivery: way, until: "end" })) {
    await producer.send(out, { value: value! });
    if (value! % 50 === 0) step();
  }
}
await log.close();
