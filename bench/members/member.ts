// A thread that reads as a member of the groups that it is told to join, one after the other. It says when it is ready, when
// the last record of all is read, and, told to stop, what it has read itself.

import { parentPort, workerData } from "node:worker_threads";
import { type ConsumerRecord, open } from "tidelog";

/** What a thread is told. */
export interface Member {
  readonly folder: string;
  readonly isOfBatches: boolean;
  /** Records that all have read. */
  readonly progress: Int32Array;
  /** A partition has a multiple of so many records: progress is told in these steps. */
  readonly step: number;
  readonly count: number;
}

/** What it has read. */
export interface Seen {
  readonly count: number;
  /** The sum of the offsets. */
  readonly sum: number;
}

const { folder, isOfBatches, progress, step, count } = workerData as Member;
const port = parentPort!;
const log = await open(folder, { durability: "buffered" });
const topic = await log.openTopic("bench");
let stop = async () => {};
port.on("message", async (message: string) => {
  if (message === "stop") return stop();
  if (message !== "end") return read(message);
  port.close();
  await log.close();
});
port.postMessage("ready");

async function read(group: string): Promise<void> {
  const seen = { count: 0, sum: 0 };
  const take = ({ offset }: Pick<ConsumerRecord<unknown, unknown>, "offset">) => {
    seen.count += 1;
    seen.sum += offset;
    if ((offset + 1) % step === 0 && Atomics.add(progress, 0, step) + step === count) port.postMessage("all");
  };
  const consumer = log.consumer({ topics: [topic], group });
  const reading = isOfBatches ? readBatches() : readRecords();
  stop = async () => {
    await consumer.close();
    await reading;
    port.postMessage(seen satisfies Seen);
  };

  async function readRecords() {
    for await (const record of consumer) take(record);
  }

  async function readBatches() {
    for await (const batch of consumer.batches()) for (const record of batch) take(record);
  }
}
