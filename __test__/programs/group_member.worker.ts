// A worker that copies one topic into another as a member of a group, in one of three ways, until it is terminated. It says
// "steady" when the first record is copied.
import { parentPort, workerData } from "node:worker_threads";
import { type Delivery, open } from "../../ts/index.js";

interface Data {
  folder: string;
  id: string;
  way: "exactly-once" | Delivery;
  instanceId?: string;
}
const { folder, id, way, instanceId } = workerData as Data;
const log = await open(folder);
const [from, out] = [await log.openTopic("in"), await log.openTopic("out")];
let copied = 0;
const step = () => copied++ === 0 && parentPort!.postMessage("steady");
const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
parentPort!.postMessage("ready");

if (way === "exactly-once") {
  await log.process({ id, group: "copy", from, batch: 20, instanceId }, async ({ value, partition }, tx) => {
    tx.send(out, { value, partition });
    step();
    if (Math.random() < 0.2) await pause();
  });
} else {
  const producer = log.producer();
  await log.consumer({ topics: [from], group: "copy", delivery: way, readBytes: 1024, instanceId }).run(
    async ({ value, partition }) => {
      await pause();
      await producer.send(out, { value, partition });
      step();
    },
    { concurrency: 4 },
  );
}
