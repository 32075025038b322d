// What the services have in common. Each runs in a thread of its own, opens the store by itself, and knows nothing of the
// others: it reads one topic and writes the next. `log.process` commits what it writes together with its place in what it
// reads, so an order goes through exactly once, whatever ends the program in between.
import { once } from "node:events";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { open, type RecordOf, type Transaction } from "tidelog";
import { type Topics, topicsOf } from "./events.js";

/** In a service's thread: handles the records of a topic until the thread is told to stop. */
export async function serve<From extends keyof Topics>(
  id: string,
  from: From,
  handle: (topics: Topics, record: RecordOf<Topics[From]>, tx: Transaction) => void,
): Promise<void> {
  const stop = new AbortController();
  parentPort!.once("message", () => stop.abort());
  await using log = await open(workerData.folder);
  const topics = await topicsOf(log);
  try {
    await log.process({ id, from: topics[from], batch: 5, signal: stop.signal }, (record, tx) =>
      handle(topics, record, tx),
    );
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

/** Starts a service in a thread of its own; gives what stops it. */
export function start(name: string, folder: string): () => Promise<void> {
  const file = new URL(`./${name}.ts`, import.meta.url);
  // A thread does not take the loader of TypeScript over by itself. A program that is compiled gives its file here.
  const code = `import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(file.href)})))`;
  const worker = new Worker(code, { eval: true, workerData: { folder } });
  const ended = once(worker, "exit");
  return async () => {
    worker.postMessage("stop");
    await ended;
  };
}
