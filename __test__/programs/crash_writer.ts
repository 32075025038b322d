// Waits for its order, opens a store, and writes to it, telling every step, until it is ended.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import { open } from "../../ts/index.js";
import { Dice } from "../crash/dice.js";
import { STREAMS, writeOnAndOn } from "../crash/load.js";
import { observe } from "../crash/observe.js";
import { type Order, tell } from "../crash/order.js";
import { attempt, Witness } from "../crash/witness.js";

tell("ready");
const input = createInterface({ input: process.stdin });
const [text] = (await once(input, "line")) as [string];
input.close();
process.stdin.destroy();
const order = JSON.parse(text) as Order;

const before = performance.now();
// Checkpoints come often, so that crashes meet them.
const log = await attempt(tell, "open", () => open(order.folder, { checkpointIntervalMs: 40 }));
if (log !== undefined) {
  tell(`opened ${Math.round(performance.now() - before)}`);
  const witness = new Witness(log, tell, order.firstStream);
  await attempt(tell, "look", () => witness.tellFound());
  if (order.exitAfterMs !== undefined) setTimeout(() => process.exit(0), order.exitAfterMs);
  if (order.terminateAfterMs !== undefined) terminateAWorker(order.terminateAfterMs);
  await writeOnAndOn(witness, new Dice(order.seed), order);
  tell("gave-up");
  if (order.readAtLast) {
    const seen = await observe(log);
    const partitions = [...seen.topics.values()].flatMap((topic) => topic.partitions);
    const records = partitions.flatMap(({ ids }) => ids);
    tell(`read ${records.length} ${records.filter((id) => id >= 0).length}`);
  }
  await attempt(tell, "close", () => log.close({ timeoutMs: 5_000 }));
}
tell("closed");

async function terminateAWorker(afterMs: number): Promise<void> {
  const file = new URL("../crash/load.worker.ts", import.meta.url).href;
  const boot = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(file)}); })`;
  const workerData = { ...order, firstStream: order.firstStream + STREAMS };
  const thread = new Worker(boot, { eval: true, workerData });
  await once(thread, "message");
  setTimeout(async () => {
    await thread.terminate();
    tell("terminated");
  }, afterMs);
}
