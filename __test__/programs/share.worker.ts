// A worker that opens the store by itself and sends, reads or does both without end.
import { parentPort, workerData } from "node:worker_threads";
import { json, open } from "../../ts/index.js";

const { folder, id, count, endless } = workerData as { folder: string; id: number; count: number; endless: boolean };
const log = await open(folder, { durability: "buffered" });
const topic = await log.topic("t", { partitions: 2, value: json<{ id: number; i: number }>() });
const producer = log.producer();

if (endless) {
  const consumer = log.consumer({ topics: [topic], readBytes: 4096 });
  (async () => {
    for await (const _ of consumer) await consumer.position({ partition: 1 });
  })();
  log.raw.partition(topic, 0).waitFor(2 ** 50);
  parentPort!.postMessage("busy");
  for (let i = 0; ; i++) {
    await Promise.all([
      producer.send(topic, { value: { id, i } }),
      producer.sendBatch(
        topic,
        Array.from({ length: 100 }, () => ({ value: { id, i } })),
      ),
      topic.get({ partition: 0, offset: i }),
    ]);
  }
}

const sent = await Promise.all(Array.from({ length: count }, (_, i) => producer.send(topic, { value: { id, i } })));
parentPort!.postMessage(sent.map(({ partition, offset }) => [partition, offset]));
await log.close();
