// Exactly once: orders are read, priced, and invoiced, by a program that is stopped in the middle and started again. Each
// order is invoiced once, and the invoices and the place in the orders are always of one moment.
// node --import tsx examples/billing.ts [folder]
import { json, type Log, open, string } from "tidelog";

interface Order {
  item: string;
  amount: number;
}

const PRICES = new Map([
  ["tea", 4],
  ["rice", 2],
]);
const folder = process.argv[2] ?? "./data/billing";

{
  await using log = await open(folder);
  const orders = await log.topic("orders", { partitions: 2, key: string(), value: json<Order>() });
  await log.topic("invoices", { key: string(), value: json<{ total: number }>() });
  await log.topic("orders.dead");
  await using producer = log.producer();
  // Run again, it goes on with other orders.
  const begin = (await orders.describe()).partitions.reduce((sum, { highWatermark }) => sum + highWatermark, 0);
  const items = ["tea", "rice", "gold"];
  await producer.sendBatch(
    orders,
    Array.from({ length: 60 }, (_, i) => ({
      key: `o-${begin + i}`,
      value: { item: items[i % 3]!, amount: 1 + (i % 5) },
    })),
  );
}

// The first run is told to stop while it works, as a new version of a program would be.
const stop = new AbortController();
let handled = 0;
const first = await bill(() => {
  if (++handled === 35) stop.abort();
}, stop.signal).catch((error: Error) => error.name);
console.log(`the first run ends with ${first}`);

const second = await bill(() => {});
console.log(`the second handles ${second.processed} orders and gives up on ${second.deadLettered}`);

await using log = await open(folder);
const invoices = await log.topic("invoices", { key: string(), value: json<{ total: number }>() });
const seen = new Map<string, number>();
for await (const { key } of log.consumer({ topics: [invoices], until: "end" })) {
  seen.set(key!, (seen.get(key!) ?? 0) + 1);
}
console.log(
  `${seen.size} orders have an invoice, ${[...seen.values()].filter((count) => count > 1).length} more than one`,
);
await tell(log);

/** Invoices what is there. */
async function bill(handling: () => void, signal?: AbortSignal) {
  await using log = await open(folder);
  const orders = await log.topic("orders", { key: string(), value: json<Order>() });
  const invoices = await log.topic("invoices", { key: string(), value: json<{ total: number }>() });
  const options = { id: "billing", from: orders, until: "end", batch: 10, deadLetter: "orders.dead", signal } as const;
  return await log.process({ ...options, retry: { attempts: 2, delayMs: 1 } }, ({ key, value }, tx) => {
    handling();
    const price = PRICES.get(value!.item);
    if (price === undefined) throw new Error(`no price for ${value!.item}`);
    tx.send(invoices, { key: key!, value: { total: price * value!.amount } });
  });
}

/** What an operator sees. */
async function tell(log: Log): Promise<void> {
  for (const name of await log.groups()) {
    const { offsets } = await log.group(name).describe();
    console.log(`group ${name} is ${offsets.reduce((sum, { lag }) => sum + lag, 0)} behind`);
  }
}
