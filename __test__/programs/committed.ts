// Looks into a store beside its writer, and tells what a group has committed whenever it is told to.
import { createInterface } from "node:readline";
import { open } from "../../ts/index.js";

const log = await open(process.argv[2]!, { readOnly: true });
const group = log.group("g");
const tell = async () => console.log(`t: ${(await group.describe()).offsets[0]?.offset ?? "none"}`);
await tell();
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "end") break;
  await tell();
}
process.stdin.destroy();
await log.close();
