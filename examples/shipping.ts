// A group: three workers share the partitions of a topic, several orders at once, those of a customer one after the other. One
// worker leaves in the middle, and the others take its partitions over.
// node --import tsx examples/shipping.ts [folder]
import { setTimeout as sleep } from "node:timers/promises";
import { type Consumer, type GroupRecord, json, open, string } from "tidelog";

interface Order {
  item: string;
  address: string | null;
}

const ORDERS = 200;

await using log = await open(process.argv[2] ?? "./data/shipping");
const orders = await log.topic("orders", { partitions: 6, key: string(), value: json<Order>() });
await log.topic("orders.dead");
await using producer = log.producer();
await producer.sendBatch(
  orders,
  Array.from({ length: ORDERS }, (_, i) => ({
    key: `customer-${i % 25}`,
    value: { item: `book ${i}`, address: i % 50 === 7 ? null : `${i} High Street` },
  })),
);

const shipped = new Map<string, number>();
const workers = ["ann", "ben", "eve"].map((name) => {
  const consumer = log.consumer({
    group: "shipping",
    topics: [orders],
    onRebalance: {
      assigned: (partitions) => console.log(`${name} begins with ${partitions.length} partitions`),
      revoked: (partitions) => console.log(`${name} gives ${partitions.length} up`),
    },
  });
  return { name, consumer, done: work(name, consumer) };
});

// One leaves while there is work: what it has in hand is finished, and its partitions go to the others.
while ((shipped.get("ben") ?? 0) < 10) await sleep(5);
await workers[1]!.consumer.close();
console.log("ben leaves");

const behind = async () => (await log.group("shipping").describe()).offsets.reduce((sum, { lag }) => sum + lag, 0);
while ((await behind()) > 0) await sleep(20);
const { members } = await log.group("shipping").describe();
console.log(
  `${members.length} members, who own ${members.map(({ assignment }) => assignment.length).join(" and ")} partitions`,
);
await Promise.all(workers.map(({ consumer }) => consumer.close()));

let total = 0;
let dead = 0;
for (const { done } of workers) {
  const { handled, deadLettered } = await done;
  total += handled;
  dead += deadLettered;
}
console.log(`${total} of ${ORDERS} orders are shipped, ${dead} are put aside`);

function work(name: string, consumer: Consumer<GroupRecord<string, Order>>) {
  return consumer.run(
    async ({ value }) => {
      await sleep(2);
      if (value?.address == null) throw new Error("no address");
      shipped.set(name, (shipped.get(name) ?? 0) + 1);
    },
    { concurrency: 4, retry: { attempts: 2, delayMs: 10 }, deadLetter: "orders.dead" },
  );
}
