// User code that runs while a record is serialized (serdes, toJSON, getters, partitioners) may call the producer: each
// record is stored as what it is, once, and each call is answered.

import * as assert from "uvu/assert";
import { json, type Log, type Producer, type Serde, string, type Topic } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("reentrancy");

type Text = Topic<string, string>;

/** Text, with something to do while one of its values is serialized. */
class Calling implements Serde<string> {
  readonly calls = new Map<string, () => unknown>();

  serialize(value: string): Uint8Array {
    const call = this.calls.get(value);
    this.calls.delete(value);
    call?.();
    return Buffer.from(value);
  }

  deserialize(bytes: Buffer): string {
    return bytes.toString();
  }
}

async function recordsOf(log: Log, topic: Text | Topic<Uint8Array, string>): Promise<(string | null)[][]> {
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  return records.map(({ key, value }) => (key === null ? [value] : [String(key), value]));
}

test("a send inside of serialize does not get into the record around it", async ({ open }) => {
  const log = await open();
  const producer = log.producer();
  const value = new Calling();
  const topic = await log.topic("t", { key: string(), value });
  const inner: Promise<unknown>[] = [];
  value.calls.set("outer", () => inner.push(producer.send(topic, { key: "audit", value: "inner" })));
  await Promise.all([
    producer.send(topic, { key: "first", value: "a" }),
    producer.send(topic, { key: "outer", value: "outer" }),
    producer.send(topic, { key: "last", value: "z" }),
  ]);
  assert.is(inner.length, 1);
  await inner[0];
  assert.equal(await recordsOf(log, topic), [
    ["first", "a"],
    ["audit", "inner"],
    ["outer", "outer"],
    ["last", "z"],
  ]);
});

test("where the outer one is the first of its tick, both are stored and answered", async ({ open }) => {
  const log = await open();
  const producer = log.producer();
  const value = new Calling();
  const topic = await log.topic("t", { key: string(), value });
  let inner: Promise<unknown> | undefined;
  value.calls.set("outer", () => {
    inner = producer.send(topic, { key: "audit", value: "inner" });
  });
  const { offset } = await producer.send(topic, { key: "outer", value: "outer" });
  assert.equal(
    [offset, await inner].map((x) => (x as { offset?: number }).offset ?? x),
    [1, 0],
  );
  assert.equal(await recordsOf(log, topic), [
    ["audit", "inner"],
    ["outer", "outer"],
  ]);
});

const places: [name: string, send: (producer: Producer, topic: Text, call: () => void) => Promise<unknown>][] = [
  [
    "toJSON",
    (producer, topic, call) =>
      producer.send(topic, {
        key: "outer",
        value: {
          toJSON() {
            call();
            return "outer";
          },
        } as never,
      }),
  ],
  [
    "a getter of the record",
    (producer, topic, call) =>
      producer.send(topic, {
        key: "outer",
        get value() {
          call();
          return "outer";
        },
      }),
  ],
  [
    "a getter behind key and value",
    (producer, topic, call) =>
      producer.send(topic, {
        key: "outer",
        value: "outer",
        get timestamp() {
          call();
          return 5;
        },
      }),
  ],
  [
    "headers",
    (producer, topic, call) => {
      const headers: [string, string][] = [["a", "b"]];
      Object.defineProperty(headers, 1, {
        get() {
          call();
          return ["c", "d"];
        },
      });
      return producer.send(topic, { key: "outer", value: "outer", headers });
    },
  ],
  [
    "a record of a batch",
    (producer, topic, call) =>
      producer.sendBatch(topic, [
        {
          key: "outer",
          get value() {
            call();
            return "outer";
          },
        },
      ]),
  ],
];

for (const [name, send] of places) {
  test(`sends, a flush and a conditional send from ${name}`, async ({ open }) => {
    const log = await open();
    const producer = log.producer();
    const topic = (await log.topic("t", { key: string(), value: json() })) as unknown as Text;
    const inner: Promise<unknown>[] = [];
    let before: Promise<unknown> = producer.send(topic, { key: "before", value: "before" });
    let flushed = false;
    await send(producer, topic, () => {
      inner.push(
        producer.send(topic, { key: "one", value: "one" }),
        producer.flush().then(async () => {
          flushed = true;
          assert.equal((await topic.get({ offset: 1 }))?.value, "one");
        }),
        producer.send(topic, { key: "two", value: "two" }, { expectOffset: 2 }),
        producer.sendBatch(topic, [{ key: "three", value: "three" }]),
      );
      before = before.then(() => {});
    });
    await producer.send(topic, { key: "after", value: "after" });
    await Promise.all([before, ...inner]);
    assert.ok(flushed);
    const records = await recordsOf(log, topic);
    assert.equal(
      records.map(([key, value]) => [key, value]).sort(),
      ["after", "before", "one", "outer", "three", "two"].map((text) => [text, text]),
    );
    assert.equal(
      records.map(([key]) => key).filter((key) => key !== "outer"),
      ["before", "one", "two", "three", "after"],
    );
  });
}

test("a partitioner that sends", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 2, key: string(), value: string() });
  const inner: Promise<unknown>[] = [];
  let once = true;
  const producer: Producer = log.producer({
    partitioner: () => {
      if (once) {
        once = false;
        inner.push(producer.send(topic, { key: "inner", value: "inner" }));
      }
      return 1;
    },
  });
  await producer.send(topic, { key: "outer", value: "outer" });
  await Promise.all(inner);
  assert.equal(await recordsOf(log, topic), [
    ["inner", "inner"],
    ["outer", "outer"],
  ]);
});

test("a flush inside of serialize gives no pack back that is in use: topics do not share one afterwards", async ({
  open,
}) => {
  const log = await open();
  const producer = log.producer();
  const value = new Calling();
  const a = await log.topic("a", { value });
  const b = await log.topic("b", { value: string() });
  const c = await log.topic("c", { value: string() });
  let flush: Promise<void> | undefined;
  value.calls.set("f", () => {
    flush = producer.flush();
  });
  await Promise.all([producer.send(a, { value: "x" }), producer.send(a, { value: "f" })]);
  await flush;
  await Promise.all([producer.send(c, { value: "for c" }), producer.send(b, { value: "for b" })]);
  assert.equal(
    [await recordsOf(log, a), await recordsOf(log, b), await recordsOf(log, c)],
    [[["x"], ["f"]], [["for b"]], [["for c"]]],
  );
});

test("sends inside of sends inside of sends, some of which fail", async ({ open }) => {
  const log = await open();
  const producer = log.producer();
  const value = new Calling();
  const topic = await log.topic("t", { value });
  const answers: Promise<unknown>[] = [];
  const deep = (depth: number): void => {
    for (const side of ["l", "r"]) {
      const text = `${side}${depth}-${answers.length}`;
      value.calls.set(text, () => {
        if (depth < 6) deep(depth + 1);
        if (side === "r" && depth % 2 === 1) throw new Error("refused");
        if (depth === 3) void producer.flush();
      });
      answers.push(producer.send(topic, { value: text }).then(({ offset }) => [offset, text]));
    }
  };
  answers.push(producer.send(topic, { value: "before" }));
  deep(0);
  const settled = await Promise.allSettled(answers);
  const stored = (await recordsOf(log, topic)).map(([text]) => text);
  const acknowledged = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])).slice(1) as [
    number,
    string,
  ][];
  assert.ok(acknowledged.length > 20 && acknowledged.length < settled.length - 1);
  assert.is(stored.length, acknowledged.length + 1);
  for (const [offset, text] of acknowledged) assert.is(stored[offset], text);
});

test("another handle of the topic, with another serde, inside of a batch", async ({ open }) => {
  const log = await open();
  const producer = log.producer();
  const value = new Calling();
  const topic = await log.topic("t", { value });
  const numbers = await log.topic("t", { value: json<number>() });
  let inner: Promise<unknown> | undefined;
  value.calls.set("one", () => {
    inner = producer.send(numbers, { value: 7 });
  });
  await producer.sendBatch(topic, [{ value: "one" }, { value: "two" }]);
  await inner;
  assert.equal((await recordsOf(log, topic)).map(([text]) => text).sort(), ["7", "one", "two"]);
});

test("a close inside of serialize refuses the record around it", async ({ open }) => {
  const log = await open();
  for (const first of [true, false]) {
    const producer = log.producer();
    const value = new Calling();
    const topic = await log.topic(`t${first}`, { value });
    let closed: Promise<void> | undefined;
    value.calls.set("outer", () => {
      closed = producer.close();
    });
    const before = first ? [] : [producer.send(topic, { value: "before" })];
    await failure("ERR_TIDELOG_CLOSED", producer.send(topic, { value: "outer" }));
    await Promise.all([...before, closed]);
    const batching = log.producer();
    value.calls.set("outer", () => {
      closed = batching.close();
    });
    await failure("ERR_TIDELOG_CLOSED", batching.sendBatch(topic, [{ value: "outer" }]));
    await closed;
    assert.equal(await recordsOf(log, topic), first ? [] : [["before"]]);
  }
});

test("inside of a transaction, too", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const value = new Calling();
  const topic = await log.topic("t", { value });
  const other = await log.topic("other", { value: string() });
  await log.transaction("tx", (tx) => {
    value.calls.set("outer", () => {
      tx.send(topic, { value: "inner" });
      tx.send(other, { value: "other" });
    });
    tx.send(topic, { value: "before" });
    tx.send(topic, { value: "outer" });
    value.calls.set("bad", () => {
      tx.send(topic, { value: "inside of bad" });
      throw new Error("refused");
    });
    assert.throws(() => tx.send(topic, { value: "bad" }), "refused");
  });
  assert.equal(await recordsOf(log, topic), [["before"], ["inner"], ["outer"], ["inside of bad"]]);
  assert.equal(await recordsOf(log, other), [["other"]]);
});

test("the first send of a transaction to a topic fails, and keeps what was sent inside of it", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const value = new Calling();
  const topic = await log.topic("t", { value });
  await log.transaction("tx", (tx) => {
    value.calls.set("bad", () => {
      tx.send(topic, { value: "inside" });
      throw new Error("refused");
    });
    assert.throws(() => tx.send(topic, { value: "bad" }), "refused");
    tx.send(topic, { value: "behind" });
  });
  assert.equal(await recordsOf(log, topic), [["inside"], ["behind"]]);
});

test("a commit inside of serialize refuses the record around it", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const value = new Calling();
  const topic = await log.topic("t", { value });
  const producer = await log.transactionalProducer("id");
  const tx = producer.begin();
  tx.send(topic, { value: "before" });
  let committed: Promise<unknown> | undefined;
  value.calls.set("outer", () => {
    committed = tx.commit();
  });
  await failure("ERR_TIDELOG_INVALID_TRANSACTION_STATE", () => tx.send(topic, { value: "outer" }));
  await committed;
  assert.equal(await recordsOf(log, topic), [["before"]]);
});

test("a serde that writes key and value into one buffer of its own", async ({ open }) => {
  const log = await open();
  const scratch = Buffer.alloc(10);
  const shared: Serde<string> = {
    serialize: (text) => scratch.subarray(0, scratch.write(text)),
    deserialize: (bytes) => bytes.toString(),
  };
  const topic = await log.topic("t", { key: shared, value: shared });
  await log.producer().sendBatch(
    topic,
    range(3).map((i) => ({ key: `k${i}`, value: `v${i}` })),
  );
  assert.equal(
    await recordsOf(log, topic),
    range(3).map((i) => [`k${i}`, `v${i}`]),
  );
});

run();
