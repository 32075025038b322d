// The first line of an error's stack is the program's, wherever the package noticed what was wrong.

import { inspect } from "node:util";
import * as assert from "uvu/assert";
import { type Log, open as openStore, type TidelogError } from "../../ts/index.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("stacks");

const calls: [name: string, call: (log: Log) => unknown][] = [
  ["open", () => openStore(5 as never)],
  ["log.topic", (log) => log.topic(5 as never)],
  ["log.topic, config", (log) => log.topic("t", { partitions: 0 })],
  ["log.openTopic", (log) => log.openTopic("none")],
  ["log.deleteTopic", (log) => log.deleteTopic("none")],
  ["log.producer", (log) => log.producer({ bufferBytes: 1 })],
  ["log.consumer", (log) => log.consumer({ topics: [], nonsense: 1 } as never)],
  ["filter", (log) => log.consumer({ topics: ["t"], filter: "key ==" })],
  ["log.transaction", (log) => log.transaction("", () => {})],
  ["log.transactionalProducer", (log) => log.transactionalProducer("")],
  ["log.group", (log) => log.group("")],
  ["group.reset", (log) => log.group("g").reset({ to: 5 } as never)],
  ["log.raw.partition", (log) => log.raw.partition("none", 0)],
  ["send", async (log) => log.producer().send(await log.topic("t"), {} as never)],
  ["send, partition", async (log) => log.producer().send(await log.topic("t"), { value: null, partition: 9 })],
  ["send, conflict", async (log) => log.producer().send(await log.topic("t"), { value: null }, { expectOffset: 99 })],
  ["send, too large", async (log) => log.producer().send(await log.topic("t"), { value: Buffer.alloc(3 << 20) })],
  ["send, unknown topic", (log) => log.producer().send("none", { value: null })],
  [
    "send, no key",
    async (log) => log.producer().send(await log.topic("c", { cleanup: "compact" }), { value: Buffer.alloc(1) }),
  ],
  ["sendBatch", async (log) => log.producer().sendBatch(await log.topic("t"), [{} as never])],
  [
    "sendBatch, too large",
    async (log) => log.producer().sendBatch(await log.topic("t"), [{ value: Buffer.alloc(3 << 20) }]),
  ],
  ["trySend", async (log) => log.producer().trySend(await log.topic("t"), {} as never)],
  ["flush", (log) => log.producer().flush({ nonsense: 1 } as never)],
  ["topic.get", async (log) => (await log.topic("t")).get({} as never)],
  ["topic.alter", async (log) => (await log.topic("t")).alter({ nonsense: 1 } as never)],
  ["topic.deleteRecords", async (log) => (await log.topic("t")).deleteRecords({ before: -1 })],
];

for (const [name, call] of calls) {
  test(`begins with the line of the call: ${name}`, async ({ open }) => {
    const log = await open();
    let error: TidelogError | undefined;
    try {
      await call(log);
    } catch (thrown) {
      error = thrown as TidelogError;
    }
    const frames = error!.stack!.split("\n").filter((line) => /^ {4}at /.test(line));
    assert.match(frames[0]!, "stacks.test", error!.stack!);
    assert.ok(frames.length <= Error.stackTraceLimit);
  });
}

test("console.log shows what an object of the package is", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await log.topic("orders", { partitions: 3 });
  const producer = log.producer({ name: "importer" });
  const shown = (value: unknown) => inspect(value, { breakLength: Number.POSITIVE_INFINITY });
  assert.match(shown(topic), /^Topic \{ name: 'orders', id: '.*', partitions: 3 \}$/);
  assert.match(
    shown(producer),
    /^Producer \{ name: 'importer', state: '\w+', inFlightBytes: 0, bufferBytes: 67108864 \}$/,
  );
  assert.match(shown(log), /^Log \{ path: '.*', id: '.*', readOnly: false, state: 'open' \}$/);
  assert.is(shown(log.group("g")), "Group { name: 'g' }");
  assert.is(shown(log.raw.partition(topic, 2)), "RawPartition { topic: 'orders', partition: 2 }");
  assert.is(shown(log.consumer({ topics: [topic], group: "g" })), "Consumer { group: 'g', state: 'open' }");
  const sent = await producer.sendBatch(topic, [{ partition: 1, value: null }]);
  assert.match(shown(sent), /^BatchResult \{ count: 1, appended: 1, runs: \[ \{ partition: 1, baseOffset: 0, /);
  const transactional = await log.transactionalProducer("tx");
  assert.is(shown(transactional), "TransactionalProducer { id: 'tx', state: 'idle' }");
  const tx = transactional.begin();
  assert.is(shown(tx), "Transaction { id: 'tx', state: 'open' }");
  assert.is(shown({ deep: { deeper: { deepest: topic } } }), "{ deep: { deeper: { deepest: [Topic] } } }");
  await log.close();
  assert.match(shown([topic, producer, log]), "state: 'closed'");
});

run();
