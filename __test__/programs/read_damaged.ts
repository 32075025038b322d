// Opens a store of two partitions for writing and tells, in one line of JSON, what can be read of the first one, what a
// point read of the offset that is named says, and whether the second one goes on.
import { open, string, TidelogError } from "../../ts/index.js";

const [folder, offset] = process.argv.slice(2) as [string, string];
const log = await open(folder);
const topic = await log.openTopic("t", { value: string() });

const told = (error: unknown) => (error instanceof TidelogError ? [error.code, error.message] : [`${error}`]);
let read = 0;
let loop: string[] = [];
try {
  for await (const _ of log.consumer({ assign: [{ topic, partition: 0 }], until: "end" })) read++;
} catch (error) {
  loop = told(error);
}
const get = await topic.get({ partition: 0, offset: Number(offset) }).then(() => [], told);
let others = 0;
for await (const _ of log.consumer({ assign: [{ topic, partition: 1 }], until: "end" })) others++;
const sent = await log.producer().send(topic, { partition: 1, value: "goes on" });
console.log(JSON.stringify({ read, loop, get, others, sent: sent.offset }));
await log.close();
