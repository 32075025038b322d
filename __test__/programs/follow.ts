// Reads a store beside its writer, and tells what it sees until a record says "end".
import { open, string } from "../../ts/index.js";

const log = await open(process.argv[2]!, { readOnly: true });
const topic = await log.openTopic("t", { value: string() });
console.log("following");
for await (const { offset, value } of log.consumer({ topics: [topic] })) {
  console.log(`${offset} ${value}`);
  if (value === "end") break;
}
await log.close();
