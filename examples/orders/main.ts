// Three services on one topic. Orders and shipping follow it as it is written; pricing is plugged in later, replays all of it
// from the beginning, and nobody else notices: nothing is configured, copied or restarted for it.
// node --import tsx examples/orders/main.ts [folder]
import { type Log, open } from "tidelog";
import { Book } from "./book.js";
import { Pricing } from "./pricing.js";
import { type OrderEvent, ordersTopic, Service } from "./service.js";
import { Shipping } from "./shipping.js";

await using log = await open(process.argv[2] ?? "./data/orders");
const topic = await ordersTopic(log);
await using producer = log.producer();

const book = new Book();
const shipping = new Shipping();
const running = [
  await Service.start(log, "orders", (id, event) => book.handle(id, event)),
  await Service.start(log, "shipping", (id, event) => shipping.handle(id, event)),
];

const items = ["tea", "rice", "salt"];
// Run again, it goes on with other orders.
const begin = (await topic.describe()).partitions.reduce((sum, { highWatermark }) => sum + highWatermark, 0);
for (let i = 0; i < 12; i++) {
  const send = (value: OrderEvent) => producer.send(topic, { key: `o-${begin + i}`, value });
  await send({ type: "placed", item: items[i % 3]!, amount: 1 + (i % 4) });
  if (i % 4 === 3) await send({ type: "cancelled" });
  else if (i % 2 === 0) await send({ type: "packed", parcel: `p-${begin + i}` });
}
for (const service of running) await service.caughtUp();
console.log(`orders    ${book}`);
console.log(`shipping  ${shipping}`);

// Much later.
const before = await offsetsOf(log, ["orders", "shipping"]);
const pricing = new Pricing();
const late = await Service.start(log, "pricing", (id, event) => pricing.handle(id, event));
await late.caughtUp();
console.log(`pricing   ${pricing}`);
const after = await offsetsOf(log, ["orders", "shipping"]);
console.log(`meanwhile orders and shipping ${before === after ? "stayed where they were" : "were disturbed"}`);

await producer.send(topic, { key: `o-${begin + 12}`, value: { type: "placed", item: "tea", amount: 2 } });
for (const service of [...running, late]) await service.caughtUp();
console.log(`then one more event: orders ${book.seen}, shipping ${shipping.seen}, pricing ${pricing.seen}`);
for (const service of [...running, late]) await service.stop();

/** How far groups are. */
async function offsetsOf(from: Log, groups: string[]): Promise<string> {
  const described = await Promise.all(groups.map((name) => from.group(name).describe()));
  return JSON.stringify(described.map(({ offsets }) => offsets.map(({ partition, offset }) => [partition, offset])));
}
