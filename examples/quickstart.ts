// The smallest useful program: writes three orders, and reads them back.
// node --import tsx examples/quickstart.ts [folder]
import { json, open, string } from "tidelog";

interface Order {
  item: string;
  amount: number;
}

await using log = await open(process.argv[2] ?? "./data/quickstart");
const orders = await log.topic("orders", { key: string(), value: json<Order>() });

await using producer = log.producer();
for (const [id, item] of ["tea", "rice", "salt"].entries()) {
  const { partition, offset } = await producer.send(orders, { key: `o-${id}`, value: { item, amount: id + 1 } });
  console.log(`${item} is durable at partition ${partition}, offset ${offset}`);
}

await using reader = log.consumer({ assign: [{ topic: orders, partition: 0, offset: 0 }], until: "end" });
for await (const { offset, key, value } of reader) console.log(`${offset}: ${key} = ${value?.amount} ${value?.item}`);
