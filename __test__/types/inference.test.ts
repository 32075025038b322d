// Types follow from serdes and schemas, without a cast. Most of this file is for the compiler (`npm run check`);
// what it says is run once as well.

import * as assert from "uvu/assert";
import {
  type BatchResult,
  bytes,
  type Consumer,
  type ConsumerRecord,
  type GroupRecord,
  json,
  type Log,
  type Producer,
  type RecordBatch,
  type RecordMetadata,
  type SequencedMetadata,
  type Serde,
  type StandardSchema,
  string,
  type Topic,
  type Transaction,
} from "../../ts/index.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("types");

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

interface Order {
  item: string;
  amount: number;
}

/** A schema whose input and output differ, as the libraries make them. */
const when: StandardSchema<string, Date> = {
  "~standard": { version: 1, vendor: "test", validate: (value) => ({ value: new Date(value as string) }) },
};
const upper: Serde<string, "LOUD"> = { serialize: Buffer.from, deserialize: () => "LOUD" };

test("topics, records and batches have the types of their serdes", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const orders = await log.topic("orders", { partitions: 2, key: string(), value: json<Order>() });
  same<typeof orders, Topic<string, Order, string, Order>>(true);
  const plain = await log.topic("plain");
  same<typeof plain, Topic<Uint8Array, Uint8Array, Buffer, Buffer>>(true);
  const keyed = await log.topic("keyed", { key: bytes(), value: upper });
  same<typeof keyed, Topic<Uint8Array, string, Buffer, "LOUD">>(true);
  const times = await log.topic("times", { value: when });
  same<typeof times, Topic<Uint8Array, string, Buffer, Date>>(true);
  const opened = await log.openTopic("times", { key: string(), value: when });
  same<typeof opened, Topic<string, string, string, Date>>(true);

  const producer: Producer = log.producer();
  const sent = producer.send(orders, { key: "o-1", value: { item: "tea", amount: 3 } });
  same<typeof sent, Promise<RecordMetadata>>(true);
  const batch = producer.sendBatch(times, [{ value: "2026-01-01" }, { value: null }]);
  same<typeof batch, Promise<BatchResult>>(true);
  await Promise.all([sent, batch]);

  const { partition, offset } = await sent;
  const record = await orders.get({ partition, offset });
  same<typeof record, ConsumerRecord<string, Order> | null>(true);
  assert.is(record?.value?.amount, 3);
  const date = await times.get({ offset: 0 });
  assert.is(date?.value?.getUTCFullYear(), 2026);

  const one = log.consumer({ topics: [orders], until: "end" });
  same<typeof one, Consumer<ConsumerRecord<string, Order>>>(true);
  const mixed = log.consumer({
    assign: [
      { topic: orders, partition: 0 },
      { topic: times, partition: 0 },
    ],
  });
  same<typeof mixed, Consumer<ConsumerRecord<string, Order> | ConsumerRecord<Buffer, Date>>>(true);
  const many = log.consumer({ assign: [0, 1].map((partition) => ({ topic: orders, partition })), from: "latest" });
  same<typeof many, Consumer<ConsumerRecord<string, Order>>>(true);
  const named = log.consumer({ topics: ["orders"] });
  same<typeof named, Consumer<ConsumerRecord<Buffer, Buffer>>>(true);
  for await (const { key, value } of one) {
    same<typeof key, string | null>(true);
    same<typeof value, Order | null>(true);
  }
  const batches = one.batches();
  same<typeof batches, AsyncIterableIterator<RecordBatch<ConsumerRecord<string, Order>>>>(true);

  const grouped = log.consumer({ group: "g", topics: [orders, times], until: "end" });
  same<typeof grouped, Consumer<GroupRecord<string, Order> | GroupRecord<Buffer, Date>>>(true);
  const found = await log.transaction("t", async (tx) => {
    same<typeof tx, Transaction>(true);
    const taken = await tx.take(grouped);
    same<typeof taken, (ConsumerRecord<string, Order> | ConsumerRecord<Buffer, Date>)[]>(true);
    tx.send(orders, { key: "o-2", value: { item: "rice", amount: taken.length } });
    return taken.length;
  });
  same<typeof found, number>(true);
  assert.ok(found > 0);
  await log.process({ id: "p", from: orders, until: "end" }, (record) => {
    same<typeof record, ConsumerRecord<string, Order>>(true);
  });
  const importer = log.producer({ name: "n" });
  const sequenced = importer.send(orders, { key: "k", value: { item: "x", amount: 0 } }, { sequence: 0 });
  same<typeof sequenced, Promise<SequencedMetadata>>(true);
  const expecting = importer.send(orders, { key: "k", value: null }, { expectOffset: (await sequenced).offset! + 1 });
  same<typeof expecting, Promise<RecordMetadata>>(true);
  await expecting;
});

/** Never run: what must not compile. */
export async function refused(log: Log, orders: Topic<string, Order>, producer: Producer): Promise<void> {
  // @ts-expect-error a misspelled option
  log.consumer({ topics: [orders], untill: "end" });
  // @ts-expect-error a misspelled field of a partition
  log.consumer({ assign: [{ topic: orders, partition: 0, offest: 5 }] });
  // @ts-expect-error records without a group have nothing to be committed for
  for await (const record of log.consumer({ topics: [orders] })) await record.commit();
  await log.transaction("t", async (tx) => {
    const [record] = await tx.take(log.consumer({ group: "g", topics: [orders] }));
    // @ts-expect-error what a transaction has taken is committed by it
    await record!.commit();
  });
  // @ts-expect-error the value of a record in a transaction is none of its topic
  await log.transaction("t", (tx) => tx.send(orders, { key: "o-1", value: { item: 5 } }));
  // @ts-expect-error a field is missing
  await producer.send(orders, { key: "o-1", value: { item: "tea" } });
  // @ts-expect-error the key is no string
  await producer.send(orders, { key: 1, value: { item: "tea", amount: 1 } });
  // @ts-expect-error no value
  await producer.send(orders, { key: "o-1" });
  // @ts-expect-error by name, records are bytes
  await producer.send("orders", { value: { item: "tea", amount: 1 } });
  // @ts-expect-error one of them is wrong
  await producer.sendBatch(orders, [{ value: { item: "tea", amount: 1 } }, { value: 5 }]);
  // @ts-expect-error a header is a pair
  producer.trySend(orders, { value: { item: "tea", amount: 1 }, headers: [["name"]] });
  // @ts-expect-error it may be null
  (await orders.get({ offset: 0 })).value;
}

run();
