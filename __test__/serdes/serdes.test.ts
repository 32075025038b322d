// Keys and values through the serdes, by way of a real store.

import * as fc from "fast-check";
import * as assert from "uvu/assert";
import {
  bytes,
  json,
  SchemaIssues,
  type Serde,
  SerializationError,
  type StandardSchema,
  string,
} from "../../ts/index.js";
import { all, failure } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("serdes");

test("bytes are the default: any Uint8Array in, a Buffer out", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const inside = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
  await log.producer().send(topic, { key: inside, value: new Uint8Array(0) });
  const [record] = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.ok(Buffer.isBuffer(record!.key) && Buffer.isBuffer(record!.value));
  assert.equal([...record!.key!], [1, 2, 3]);
  assert.is(record!.value!.length, 0);
});

test("what bytes() takes must be bytes", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { key: bytes(), value: bytes() });
  const error = await failure(
    "ERR_TIDELOG_SERIALIZATION",
    log.producer().send(topic, { value: "text" as unknown as Uint8Array }),
    "give the topic a serde, such as string() or json()",
  );
  assert.instance(error, SerializationError);
});

test("any text and any JSON comes back as it went in", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { key: string(), value: json<unknown>() });
  const producer = log.producer();
  const consumer = log.consumer({ topics: [topic], until: "end" });
  const pair = fc.record({ key: fc.string({ unit: "grapheme" }), value: fc.jsonValue({ maxDepth: 3 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(pair, { minLength: 1, maxLength: 30 }), async (pairs) => {
      const records = pairs.map(({ key, value }) => ({ key, value: value === null ? { null: true } : value }));
      await producer.sendBatch(topic, records);
      const read = (await all(consumer)).map(({ key, value }) => ({ key, value }));
      assert.equal(
        read,
        records.map(({ key, value }) => ({ key, value: JSON.parse(JSON.stringify(value)) })),
      );
    }),
    { numRuns: 40 },
  );
});

test("null is no value, whatever the serde", async ({ open }) => {
  const log = await open();
  for (const [name, serde] of [
    ["a", string()],
    ["b", json<string>()],
    ["c", exclaiming()],
  ] as const) {
    const topic = await log.topic(name, { key: serde, value: serde });
    await log.producer().send(topic, { key: null, value: null });
    const [record] = await all(log.consumer({ topics: [topic], until: "end" }));
    assert.equal([record!.key, record!.value], [null, null]);
  }
});

test("a value that is not there is refused, as it is not a tombstone", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<unknown>() });
  await failure(
    "ERR_TIDELOG_INVALID_RECORD",
    log.producer().send(topic, { value: undefined }),
    "null makes a tombstone",
  );
});

test("what has no JSON form is refused, with the reason as cause", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<unknown>() });
  const ring: Record<string, unknown> = {};
  ring["ring"] = ring;
  for (const value of [() => {}, Symbol("s"), 10n, ring]) {
    const error = await failure("ERR_TIDELOG_SERIALIZATION", log.producer().send(topic, { value }), 'topic "t"');
    assert.instance(error.cause, TypeError);
  }
});

/** A serde that is made by hand. */
function exclaiming(): Serde<string> {
  return {
    serialize: (text) => Buffer.from(`${text}!`),
    deserialize(given) {
      if (!given.toString().endsWith("!")) throw new RangeError("no exclamation");
      return given.toString().slice(0, -1);
    },
  };
}

test("a serde made by hand is used both ways", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: exclaiming() });
  await log.producer().send(topic, { value: "hi" });
  const raw = await log.openTopic("t");
  assert.is(String((await raw.get({ offset: 0 }))?.value), "hi!");
  assert.is((await topic.get({ offset: 0 }))?.value, "hi");
});

test("a serde that gives no bytes is found out", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: { serialize: () => "text" as never, deserialize: String } });
  await failure("ERR_TIDELOG_SERIALIZATION", log.producer().send(topic, { value: 1 }), "must return a Uint8Array");
});

test("what can't be deserialized says where it stands, and can be passed", async ({ open }) => {
  const log = await open();
  const raw = await log.topic("t");
  const topic = await log.openTopic("t", { value: json<number>() });
  const producer = log.producer();
  await producer.sendBatch(
    raw,
    ["1", "{", "3"].map((text) => ({ value: Buffer.from(text) })),
  );
  const consumer = log.consumer({ topics: [topic], until: "end" });
  const seen: (number | null)[] = [];
  const error = (await failure(
    "ERR_TIDELOG_SERIALIZATION",
    async () => {
      for await (const { value } of consumer) seen.push(value);
    },
    "offset 1 of t-0",
  )) as SerializationError;
  assert.equal([error.topic, error.partition, error.offset], ["t", 0, 1]);
  assert.instance(error.cause, SyntaxError);
  assert.equal(seen, [1]);
  assert.is(await consumer.position(), 1);
  await consumer.seek({ offset: 2 });
  assert.equal(
    (await all(consumer)).map(({ value }) => value),
    [3],
  );
  await failure("ERR_TIDELOG_SERIALIZATION", topic.get({ offset: 1 }));
  for await (const batch of log.consumer({ topics: [topic], until: "end" }).batches()) {
    assert.is(batch.at(0)?.value, 1);
    await failure("ERR_TIDELOG_SERIALIZATION", () => batch.at(1)?.value);
    assert.is(batch.at(2)?.value, 3);
  }
});

/** A schema such as a validation library makes: takes a number or a numeral, gives a number. */
function numeral(): StandardSchema<number | string, number> {
  return {
    "~standard": {
      version: 1,
      vendor: "test",
      validate(value) {
        const number = typeof value === "object" ? Number.NaN : Number(value);
        if (Number.isNaN(number)) return { issues: [{ message: "no number", path: ["amount", { key: 0 }] }] };
        return { value: number };
      },
    },
  };
}

test("a Standard Schema checks what is sent, and transforms what is read", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: numeral() });
  const producer = log.producer();
  await producer.send(topic, { value: "42" });
  assert.is((await topic.get({ offset: 0 }))?.value, 42);
  const raw = await log.openTopic("t");
  assert.is(String((await raw.get({ offset: 0 }))?.value), '"42"');
  const error = await failure(
    "ERR_TIDELOG_SERIALIZATION",
    producer.send(topic, { value: "many" }),
    "amount.0: no number",
  );
  assert.instance(error.cause, SchemaIssues);
  assert.is((error.cause as SchemaIssues).issues.length, 1);
});

test("a Standard Schema checks what is read", async ({ open }) => {
  const log = await open();
  const raw = await log.topic("t");
  await log.producer().send(raw, { value: Buffer.from('"many"') });
  const topic = await log.openTopic("t", { value: numeral() });
  await failure("ERR_TIDELOG_SERIALIZATION", all(log.consumer({ topics: [topic], until: "end" })), "no number");
});

test("a schema that validates asynchronously is refused, and its rejection goes nowhere", async ({ open }) => {
  const log = await open();
  const slow: StandardSchema<number> = {
    "~standard": { version: 1, vendor: "test", validate: () => Promise.reject(new Error("late")) },
  };
  const topic = await log.topic("t", { value: slow });
  await failure("ERR_TIDELOG_SERIALIZATION", log.producer().send(topic, { value: 1 }), "asynchronously");
});

test("what is neither serde nor schema is refused by name", async ({ open }) => {
  const log = await open();
  for (const value of [null, 5, "json", {}, { serialize() {} }]) {
    if (value === null) continue;
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.topic("t", { value: value as never }), "value must be a serde");
    await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.topic("t", { key: value as never }), "key must be a serde");
  }
  assert.equal(await log.topics(), []);
});

test("serdes can be used by themselves", () => {
  assert.equal(string().deserialize(Buffer.from(string().serialize("ü"))), "ü");
  assert.equal(json<object>().deserialize(Buffer.from(json<object>().serialize({ a: [1] }))), { a: [1] });
  assert.equal([...bytes().deserialize(Buffer.from(bytes().serialize(new Uint8Array([1]))))], [1]);
});

run();
