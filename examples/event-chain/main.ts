// A chain of events through services in threads of their own: order placed, paid, confirmed, shipped. It ends when all orders
// are shipped. Kill it at any moment and start it again: it goes on where it was, and each order is shipped once.
// node --import tsx examples/event-chain/main.ts [folder]
import { open } from "tidelog";
import { topicsOf } from "./events.js";
import { start } from "./service.js";

const ORDERS = 40;
const ITEMS = ["tea", "rice", "salt"];
const folder = process.argv[2] ?? "./data/event-chain";

await using log = await open(folder);
const topics = await topicsOf(log);
const services = ["payment", "confirmation", "shipping"].map((name) => start(name, folder));

// Whoever places orders may be killed, too. A producer with a name knows how many it has placed: one that was stored is not
// placed twice.
await using shop = log.producer({ name: "shop" });
const placing = place();

const shipped = new Map<string, number>();
for await (const { key, value } of log.consumer({ topics: [topics.shipped] })) {
  const { amount, item, total, invoice, parcel } = value!;
  console.log(`${key}: ${amount} ${item} placed, ${total} paid, confirmed with ${invoice}, shipped as ${parcel}`);
  shipped.set(key!, (shipped.get(key!) ?? 0) + 1);
  if (shipped.size === ORDERS) break;
}
await placing;
await Promise.all(services.map((stop) => stop()));
const twice = [...shipped.values()].filter((count) => count > 1).length;
console.log(`${shipped.size} orders are shipped, ${twice} more than once`);

async function place(): Promise<void> {
  const next = ((await shop.lastSequence(topics.placed)) ?? -1) + 1;
  for (let sequence = next; sequence < ORDERS; sequence++) {
    const value = { item: ITEMS[sequence % ITEMS.length]!, amount: 1 + (sequence % 5) };
    await shop.send(topics.placed, { key: `o-${sequence}`, value }, { sequence });
  }
}
