// A worker that takes a transactional id over, commits one transaction, and says so.
import { parentPort, workerData } from "node:worker_threads";
import { open } from "../../ts/index.js";

const { folder, id, topic } = workerData as { folder: string; id: string; topic: string };
const log = await open(folder);
await log.openTopic(topic);
const producer = await log.transactionalProducer(id);
const tx = producer.begin();
tx.send(topic, { value: Buffer.from("twin") });
await tx.commit();
parentPort!.postMessage("took over");
await log.close();
