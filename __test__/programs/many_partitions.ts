// Opens a store of very many partitions, reads them all, and tells how long the opening took and how much memory it
// took in the end.
import { open, string } from "../../ts/index.js";

const before = performance.now();
await using log = await open(process.argv[2]!, { durability: "buffered" });
const topic = await log.openTopic("many", { value: string() });
const openMs = Math.round(performance.now() - before);
let records = 0;
for await (const { partition, value } of log.consumer({ topics: [topic], until: "end" })) {
  if (value === `in ${partition}`) records += 1;
}
const residentMb = Math.round(process.memoryUsage().rss / 1e6);
console.log(JSON.stringify({ openMs, records, residentMb }));
