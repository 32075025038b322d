// Sixty mistakes that are easily made. The message of each says what is wrong, with which value, and what to do; the stack
// begins with the line of the program. The few that fall short of it say here by what.

import * as assert from "uvu/assert";
import {
  type ConsumerOptions,
  json,
  Log,
  open as openStore,
  type Producer,
  string,
  type TidelogError,
  Topic,
} from "../../ts/index.js";
import { suite } from "../support/suite.js";

// biome-ignore lint/suspicious/noExplicitAny: mistakes are what the types refuse
type Any = any;

interface Shop {
  log: Log;
  /** Of one partition, with seven records. */
  orders: Any;
  /** Of bytes, in four partitions. */
  wide: Any;
  /** Compacted. */
  prices: Any;
  producer: Producer & Any;
}

/** What is done; what the message says of the matter, the value and the remedy; why it is no more than nearly good. */
type Mistake = [name: string, make: (shop: Shop) => unknown, says: [string, string, string], short?: string];

const { test, run } = suite("mistakes");

async function read({ log }: Shop, options: Any): Promise<void> {
  for await (const _ of log.consumer({ until: "end", ...options } as ConsumerOptions));
}

const handle = ({ log }: Shop, topics: Any[], handler: Any, options?: Any) =>
  log.consumer({ group: "g", topics, until: "end" }).run(handler, options);

const NO_LINE = "its answer comes later, and the stack has no line of the program";
const NO_ADVICE = "the range or form that is named is the advice";

const mistakes: Mistake[] = [
  // Opening.
  ["new instead of open", () => new (Log as Any)("./data"), ["new Log", "new Log", "call await open(path)"]],
  ["a topic by new", () => new (Topic as Any)("t"), ["new Topic", "new Topic", "call await log.topic(name)"]],
  ["a path that is none", () => openStore(5 as Any), ["path", "not 5", "a folder's path or file: URL"]],
  [
    "an option misspelt",
    () => openStore("x", { durabilty: "fsync" } as Any),
    ["durabilty", "durabilty", 'did you mean "durability"'],
  ],
  [
    "a word that is none",
    () => openStore("x", { durability: "sync" } as Any),
    ["durability", "'sync'", '"fsync", "buffered"'],
  ],
  [
    "a duration that is none",
    () => openStore("x", { checkpointIntervalMs: "5 parsecs" } as Any),
    ["checkpointIntervalMs", "5 parsecs", '"30 s"'],
  ],
  [
    "another durability for an open store",
    ({ log }) => openStore(log.path, { durability: "fsync" }),
    ["durability", "buffered", "give the same"],
  ],
  [
    "read-only, and made",
    () => openStore("x", { readOnly: true, create: true }),
    ["readOnly", "create", "leave create out"],
  ],
  // Topics.
  [
    "json not called",
    ({ log }) => log.topic("x", { value: json as Any }),
    ["serde", "[Function: json]", "call it: json()"],
  ],
  [
    "a serde by its name",
    ({ log }) => log.topic("x", { value: "json" as Any }),
    ["value", "'json'", "{ serialize, deserialize }"],
  ],
  ["a space in a name", ({ log }) => log.topic("my topic"), ["topic name", '"my topic"', "only letters from a to z"]],
  ["an empty name", ({ log }) => log.topic(""), ["topic name", '""', "at least one letter"]],
  ["a folder's name", ({ log }) => log.topic("."), ["topic name", '"."', "choose another"]],
  [
    "partition for partitions",
    ({ log }) => log.topic("x", { partition: 4 } as Any),
    ['"partition"', "partition", 'did you mean "partitions"'],
  ],
  [
    "partitions as text",
    ({ log }) => log.topic("x", { partitions: "4" as Any }),
    ["partitions", "'4'", "an integer from 1"],
  ],
  [
    "retention as a number",
    ({ log }) => log.topic("x", { retention: 4 as Any }),
    ["retention", "not 4", "must be an object"],
    NO_ADVICE,
  ],
  [
    "retentionMs",
    ({ log }) => log.topic("x", { retentionMs: 4 } as Any),
    ["unknown option", "retentionMs", '"retention"'],
  ],
  [
    "numPartitions",
    ({ log }) => log.topic("x", { numPartitions: 4 } as Any),
    ["unknown option", "numPartitions", 'called "partitions" here'],
  ],
  [
    "cleanup compaction",
    ({ log }) => log.topic("x", { cleanup: "compaction" as Any }),
    ["cleanup", "'compaction'", '"compact"'],
  ],
  [
    "other partitions than it has",
    ({ log }) => log.topic("orders", { partitions: 9 }),
    ['"orders"', "not 9", "topic.alter()"],
  ],
  [
    "fewer partitions",
    ({ wide }) => wide.alter({ partitions: 2 }),
    ["partitions", "2 was asked for", "can only grow, from 4 on"],
    "it does not name the topic",
  ],
  ["alter without argument", ({ orders }) => orders.alter(), ["alter", "undefined", "{ partitions: 4 }"]],
  [
    "deleteRecords without argument",
    ({ orders }) => orders.deleteRecords(),
    ["deleteRecords", "undefined", "{ partition, before: 100 }"],
  ],
  [
    "records deleted beyond the end",
    ({ orders }) => orders.deleteRecords({ before: 99 }),
    ["orders-0", "99", "it holds 0 to 7"],
  ],
  ["a topic misspelt", ({ log }) => log.openTopic("oders"), ["does not exist", '"oders"', 'did you mean "orders"']],
  ["get with a number", ({ orders }) => orders.get(5), ["get", "not 5", "{ partition, offset }"]],
  ["get without a partition", ({ wide }) => wide.get({ offset: 1 }), ["partition", "has 4", ": 0 to 3"]],
  ["getMany of one", ({ orders }) => orders.getMany({ offset: 1 }), ["getMany", "{ offset: 1 }", "use get"]],
  // Sending.
  [
    "a value that is not in a record",
    ({ producer, orders }) => producer.send(orders, "hello"),
    ["a record", "'hello'", "pass { value: 'hello' }"],
  ],
  [
    "many by send",
    ({ producer, orders }) => producer.send(orders, [{ value: 1 }]),
    ["a record", "[ [Object] ]", "use sendBatch"],
  ],
  [
    "one by sendBatch",
    ({ producer, orders }) => producer.sendBatch(orders, { value: 1 }),
    ["records", "{ value: 1 }", "use send"],
  ],
  [
    "no value",
    ({ producer, orders }) => producer.send(orders, { key: "a" }),
    ["no value", '"orders"', "give it one; null"],
  ],
  [
    "no key for a compacted topic",
    ({ producer, prices }) => producer.send(prices, { value: 1 }),
    ["no key", '"prices"', "give it one"],
  ],
  [
    "a topic that was not awaited",
    ({ producer, log }) => producer.send(log.topic("orders"), { value: 1 }),
    ["a topic", "Promise", "await it first"],
  ],
  [
    "a topic misspelt in a send",
    ({ producer }) => producer.send("oders", { value: null }),
    ["does not exist", '"oders"', 'did you mean "orders"'],
  ],
  ["no serde", ({ producer, wide }) => producer.send(wide, { value: { a: 1 } }), ["value", "{ a: 1 }", "json()"]],
  [
    "a number as a text key",
    ({ producer, orders }) => producer.send(orders, { key: 5, value: 1 }),
    ["key", "not 5", "make it one"],
  ],
  [
    "a BigInt as JSON",
    ({ producer, orders }) => producer.send(orders, { value: 1n }),
    ["BigInt", "1n", "send it as text"],
  ],
  [
    "NaN as JSON",
    ({ producer, orders }) => producer.send(orders, { value: Number.NaN }),
    ["tombstone", "NaN", "send null if you mean one"],
  ],
  [
    "seconds",
    ({ producer, orders }) => producer.send(orders, { value: 1, timestamp: 1_700_000_000 }),
    ["seconds", "1700000000", "1700000000000"],
  ],
  [
    "a date as text",
    ({ producer, orders }) => producer.send(orders, { value: 1, timestamp: "2020-01-01" }),
    ["timestamp", "'2020-01-01'", "new Date(text)"],
  ],
  [
    "headers as an object",
    ({ producer, orders }) => producer.send(orders, { value: 1, headers: { a: "b" } }),
    ["headers", "{ a: 'b' }", "Object.entries"],
  ],
  [
    "a number in a header",
    ({ producer, orders }) => producer.send(orders, { value: 1, headers: [["a", 1]] }),
    ['header "a"', "not 1", "make it a string"],
  ],
  [
    "a partition that is not there",
    ({ producer, wide }) => producer.send(wide, { value: null, partition: 9 }),
    ['"wide"', "not 9", "0 to 3"],
  ],
  [
    "too large a value",
    ({ producer, wide }) => producer.send(wide, { value: Buffer.alloc(2 << 20) }),
    ["record of", "1048588", "raise maxBatchBytes"],
  ],
  [
    "an offset that has passed",
    ({ producer, orders }) => producer.send(orders, { value: 1 }, { expectOffset: 3 }),
    ["orders-0", "not 3", "send with the new offset"],
  ],
  [
    "a size as text",
    ({ log }) => log.producer({ bufferBytes: "64MB" } as Any),
    ["bufferBytes", "'64MB'", "an integer from 1024"],
  ],
  [
    "a closed producer",
    async ({ log, orders }) => {
      const producer = log.producer();
      await producer.close();
      await producer.send(orders, { value: 1 });
    },
    ["the producer", "closed", "open a new one"],
  ],
  [
    "two producers of one name",
    async ({ log, orders }) => {
      const [first, second] = [log.producer({ name: "n" }), log.producer({ name: "n" })];
      await first.send(orders, { value: 1 });
      await second.send(orders, { value: 1 });
      await first.send(orders, { value: 1 }, { expectOffset: 9 });
    },
    ["taken over", '"n"', "end this one"],
    NO_LINE,
  ],
  // Reading.
  ["topics as text", (shop) => read(shop, { topics: "orders" }), ["topics", "'orders'", "an array"]],
  [
    "groupId",
    (shop) => read(shop, { topics: [shop.orders], groupId: "g" }),
    ["unknown option", "groupId", 'called "group" here'],
  ],
  [
    "from the beginning",
    (shop) => read(shop, { topics: [shop.orders], from: "beginning" }),
    ["from", '"beginning"', 'write "earliest"'],
  ],
  [
    "a topic misspelt in a loop",
    (shop) => read(shop, { topics: ["oders"] }),
    ["does not exist", '"oders"', 'did you mean "orders"'],
  ],
  [
    "an offset beyond the end",
    (shop) => read(shop, { assign: [{ topic: shop.orders, partition: 0, offset: 1000 }] }),
    ["orders-0", "1000", "seek to one of these"],
  ],
  [
    "== in a filter",
    (shop) => read(shop, { topics: [shop.orders], filter: "key == 'a'" }),
    ["character 5", "==", "write ="],
  ],
  [
    "a controller for its signal",
    (shop) => read(shop, { topics: [shop.orders], signal: new AbortController() }),
    ["signal", "AbortController", "an AbortSignal"],
  ],
  [
    "a commit without a group",
    ({ log, orders }) => log.consumer({ topics: [orders] }).commit(),
    ["commit", "no group", "option group"],
  ],
  [
    "a handler that throws",
    (shop) =>
      handle(
        shop,
        [shop.orders],
        () => {
          throw new Error("boom");
        },
        { retry: { attempts: 1 } },
      ),
    ["orders-0, offset 0", "boom", "deadLetter"],
  ],
  [
    "a dead letter topic that is read",
    (shop) => handle(shop, [shop.orders], () => {}, { deadLetter: "orders" }),
    ["deadLetter", '"orders"', "give another topic"],
  ],
  // Transactions.
  [
    "a transaction inside of its own",
    ({ log }) => log.transaction("a", () => log.transaction("a", () => {})),
    ["inside another", "'a'", "use tx"],
  ],
  [
    "a transaction that is over",
    async ({ log, orders }) => {
      let kept: Any;
      await log.transaction("a", (tx) => {
        kept = tx;
      });
      kept.send(orders, { value: 1 });
    },
    ["committed", "'a'", "begin another"],
  ],
  [
    "a commit in a handler",
    ({ log, orders }) => log.process({ id: "p", from: orders, until: "end" }, (_record, tx) => tx.commit()),
    ["log.process", "'p'", "return to commit"],
  ],
];

for (const [name, make, says, short] of mistakes) {
  test(`is told: ${name}`, async ({ open }) => {
    const log = await open({ durability: "buffered" });
    const orders = await log.topic("orders", { key: string(), value: json() });
    const wide = await log.topic("wide", { partitions: 4 });
    const prices = await log.topic("prices", { key: string(), value: json(), cleanup: "compact" });
    const producer = log.producer();
    await producer.sendBatch(
      orders,
      Array.from({ length: 7 }, (_, i) => ({ value: i })),
    );
    let error: TidelogError | undefined;
    try {
      await make({ log, orders, wide, prices, producer });
    } catch (thrown) {
      error = thrown as TidelogError;
    }
    assert.ok(error, "it is taken");
    assert.match(error.code, /^ERR_TIDELOG_/);
    for (const part of says) assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`);
    const first = error.stack!.split("\n").find((line) => line.startsWith("    at "));
    if (short !== NO_LINE) assert.match(first!, "mistakes.test", error.stack!);
  });
}

test("sixty mistakes are looked at, and few are told less than well", () => {
  assert.ok(mistakes.length >= 60, `${mistakes.length}`);
  assert.ok(mistakes.filter(([, , , short]) => short !== undefined).length <= 5);
});

test("a processing inside of a handler of its own id ends with an error instead of waiting", async ({ open }) => {
  const log = await open();
  const orders = await log.topic("orders");
  await log.producer().send(orders, { value: null });
  const inner = { id: "p", from: orders, until: "end" } as const;
  let failure: TidelogError | undefined;
  await log
    .process(inner, async () => {
      await log.process(inner, () => {});
    })
    .catch((error) => {
      failure = error;
    });
  assert.is(failure?.code, "ERR_TIDELOG_PRODUCER_FENCED");
});

run();
