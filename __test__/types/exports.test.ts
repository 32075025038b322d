// What index.d.ts declares as a value is there at run time, and nothing else is.

import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import * as tidelog from "../../ts/index.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("exports");

test("every class, constant and function of index.d.ts is exported, and no other", () => {
  const declared = readFileSync(new URL("../../index.d.ts", import.meta.url), "utf8");
  const names = [...declared.matchAll(/^export declare (?:abstract )?(?:class|const|function) (\w+)/gm)];
  assert.ok(names.length > 20);
  assert.equal([...new Set(names.map(([, name]) => name))].sort(), Object.keys(tidelog).sort());
});

test("each handle is an instance of its class", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("t");
  const producer = log.producer();
  const batch = await producer.sendBatch(topic, [{ value: Buffer.from("v") }]);
  const transactional = await log.transactionalProducer("id");
  const tx = transactional.begin();
  tx.send(topic, { value: Buffer.from("v") });
  const result = await tx.commit();
  const consumer = log.consumer({ topics: [topic], until: "end" });
  const pairs: [object, unknown][] = [
    [tidelog.Log, log],
    [tidelog.Topic, topic],
    [tidelog.Producer, producer],
    [tidelog.BatchResult, batch],
    [tidelog.TransactionalProducer, transactional],
    [tidelog.Transaction, tx],
    [tidelog.TransactionResult, result],
    [tidelog.Consumer, consumer],
    [tidelog.Group, log.group("g")],
    [tidelog.RawPartition, log.raw.partition(topic, 0)],
  ];
  for await (const records of consumer.batches()) pairs.push([tidelog.RecordBatch, records]);
  assert.is(pairs.length, 11);
  for (const [type, value] of pairs) assert.instance(value, type as never);
});

run();
