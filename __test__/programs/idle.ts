// Does what it is told and then nothing more; it must end by itself when nothing is under way.
import { open } from "../../ts/index.js";

const [folder, mode] = process.argv.slice(2) as [string, string];
const log = await open(folder, { durability: "fsync" });
const topic = await log.topic("t");
const producer = log.producer();
if (mode === "idle") {
  log.consumer({ topics: [topic] });
  console.log("idle");
}
if (mode === "send") {
  // Nobody awaits it, and nothing else is under way: it must still be answered.
  producer.send(topic, { value: Buffer.from("v") }).then(({ offset }) => console.log(`sent ${offset}`));
}
if (mode === "broken-off") {
  await producer.send(topic, { value: Buffer.from("v") });
  for await (const { offset } of log.consumer({ topics: [topic] })) {
    console.log(`read ${offset}`);
    break;
  }
}
if (mode === "live") {
  setTimeout(() => producer.send(topic, { value: Buffer.from("v") }), 200).unref();
  for await (const { offset } of log.consumer({ topics: [topic] })) console.log(`read ${offset}`);
}
