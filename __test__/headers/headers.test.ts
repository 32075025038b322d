// Headers through a real store: order, duplicates, nulls, names that plain objects stumble over, and limits.

import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { type HeaderInput, header, string } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("headers");

test("keep order, duplicates, nulls and any name", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  const consumer = log.consumer({ topics: [topic], until: "end" });
  const name = fc.oneof(fc.constantFrom("__proto__", "constructor", "toString", ""), fc.string({ unit: "grapheme" }));
  const value = fc.option(fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.string({ unit: "grapheme" })));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.tuple(name, value), { maxLength: 8 }), { minLength: 1, maxLength: 5 }),
      async (lists) => {
        await producer.sendBatch(
          topic,
          lists.map((headers) => ({ value: "v", headers })),
        );
        const expected = lists.map((headers) =>
          headers.map(([key, content]) => [key, content === null ? null : [...Buffer.from(content as string)]]),
        );
        const plain = (read: readonly (readonly [string, Buffer | null])[]) =>
          read.map(([key, content]) => [key, content === null ? null : [...content]]);
        assert.equal(
          (await all(consumer)).map(({ headers }) => plain(headers)),
          expected,
        );
      },
    ),
    { numRuns: 60 },
  );
  assert.is(Object.hasOwn(Object.prototype, "polluted"), false);
});

test("are the user's own, also where values are decoded and memory is used again", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  await producer.sendBatch(
    topic,
    range(50).map((i) => ({ value: "x".repeat(200), headers: [["n", String(i)]] as HeaderInput[] })),
  );
  const records = await all(log.consumer({ topics: [topic], until: "end", readBytes: 1024 }));
  assert.equal(
    records.map(({ headers }) => String(headers[0]![1])),
    range(50).map(String),
  );
});

test("header() gives the last value of a name, and tells none from null", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const headers: HeaderInput[] = [
    ["a", "1"],
    ["b", null],
    ["a", "2"],
    ["__proto__", "p"],
  ];
  await log.producer().send(topic, { value: null, headers });
  const record = (await topic.get({ offset: 0 }))!;
  assert.is(String(header(record, "a")), "2");
  assert.is(header(record, "b"), null);
  assert.is(header(record, "c"), undefined);
  assert.is(header(record, "toString"), undefined);
  assert.is(String(header(record, "__proto__")), "p");
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", () => header(record, 5 as never));
});

test("what is no header is refused, and nothing is sent", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer();
  for (const headers of [{ a: "1" }, ["a"], [["a"]], [["a", "b", "c"]], [[1, "b"]], [["a", 5]], [["a", undefined]]]) {
    await failure(
      "ERR_TIDELOG_INVALID_RECORD",
      producer.send(topic, { value: null, headers: headers as never }),
      "header",
    );
  }
  assert.is((await topic.describe()).partitions[0]!.logEndOffset, 0);
});

test("128 headers fit and 129 do not; 64 KiB of them fit and one byte more does not", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t");
  const producer = log.producer();
  const many = (count: number) => range(count).map((i): HeaderInput => [`h${i}`, null]);
  const large = (bytes: number): HeaderInput[] => [["name", new Uint8Array(bytes - 4)]];
  for (const headers of [many(127), many(128), large(65535), large(65536)]) {
    const { offset } = await producer.send(topic, { value: null, headers });
    assert.is((await topic.get({ offset }))!.headers.length, headers.length);
  }
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.send(topic, { value: null, headers: many(129) }), "128");
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.send(topic, { value: null, headers: large(65537) }), "65536");
});

run();
