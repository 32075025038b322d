// Consumers with a group begin where the group has committed, and nowhere else than said where it has not.

import * as assert from "uvu/assert";
import { json, type Log } from "../../ts/index.js";
import { all, allOnce, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("consumers with a group");

async function numbers(log: Log, count: number, partitions = 1) {
  const topic = await log.topic("t", { partitions, value: json<number>() });
  const records = range(count).map((i) => ({ value: i, partition: i % partitions, timestamp: 1000 + i }));
  await sendInBatches(records, (some) => log.producer().sendBatch(topic, some));
  return topic;
}

const values = (records: readonly { value: number | null }[]) => records.map(({ value }) => value);

test("what was read to its end is done: the next one is given what came since, in the next life as well", async ({
  open,
}) => {
  let log = await open();
  let topic = await numbers(log, 1000, 3);
  const read = () => allOnce(log.consumer({ topics: [topic], group: "g", until: "end" }));
  assert.is((await read()).length, 1000);
  assert.equal(await read(), []);
  await log.producer().send(topic, { value: 1000, partition: 2 });
  await log.close();
  log = await open();
  topic = await log.topic("t", { value: json<number>() });
  assert.equal(values(await read()), [1000]);
  const other = log.consumer({ topics: [topic], group: "other", until: "end" });
  assert.is((await all(other)).length, 1001);
});

test("from is for partitions of which nothing is committed, an offset of one's own for its own", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10, 2);
  const reader = () => log.consumer({ assign: [{ topic, partition: 0 }], group: "g", until: "end" });
  await first(3, reader());
  assert.equal(values(await first(1, reader())), [4]);
  for (const [from, expected] of [
    ["earliest", [4, 6, 8, 1, 3, 5, 7, 9]],
    ["latest", [4, 6, 8]],
    [{ timestamp: 1005 }, [4, 6, 8, 5, 7, 9]],
  ] as const) {
    const consumer = log.consumer({ topics: [topic], group: "g", delivery: "manual", from, until: "end" });
    assert.equal(values(await allOnce(consumer)).sort(), [...expected].sort());
  }
  const consumer = log.consumer({
    assign: [
      { topic, partition: 0, offset: 1 },
      { topic: "t", partition: 1 },
    ],
    group: "g",
    from: "latest",
    until: "end",
  });
  assert.equal(
    (await all(consumer)).map(({ offset }) => offset),
    [1, 2, 3, 4],
  );
});

test("latest is the end as it was when the member got the partition", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10);
  const consumer = log.consumer({ topics: [topic], group: "g", from: "latest" });
  const got = first(1, consumer);
  while (consumer.assignment.length === 0) await sleep(1);
  await log.producer().send(topic, { value: 10 });
  assert.equal(values(await got), [10]);
  await consumer.close();
  // Nothing is skipped when it goes to somebody else before anything was handed out of it.
  const other = log.consumer({ topics: [topic], group: "h", from: "latest", until: "end" });
  assert.equal(await all(other), []);
  await other.close();
  await log.producer().send(topic, { value: 11 });
  assert.equal(values(await first(1, log.consumer({ topics: [topic], group: "h", from: "latest" }))), [11]);
});

test("committed tells what the group has, position where this one is", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10, 2);
  const consumer = log.consumer({ topics: [topic], group: "g", delivery: "manual", until: "end" });
  assert.is(consumer.group, "g");
  assert.equal(await consumer.committed(), [
    { topic: "t", partition: 0, offset: null },
    { topic: "t", partition: 1, offset: null },
  ]);
  const records = await all(consumer);
  await records.find(({ partition, offset }) => partition === 1 && offset === 2)!.commit();
  assert.equal(
    (await consumer.committed()).map(({ offset }) => offset),
    [null, 3],
  );
  assert.is(await consumer.position({ partition: 1 }), 5);
  await consumer.commit();
  assert.equal(
    (await consumer.committed()).map(({ offset }) => offset),
    [5, 5],
  );
  const groupless = log.consumer({ topics: [topic] });
  assert.is(groupless.group, undefined);
  assert.equal(
    (await groupless.committed()).map(({ offset }) => offset),
    [null, null],
  );
});

test("a committed offset that is not held any more is as any other", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 100);
  const make = (onOutOfRange: "error" | "earliest") =>
    log.consumer({ topics: [topic], group: "g", delivery: "manual", until: "end", onOutOfRange });
  const before = make("error");
  await (await first(10, before)).at(-1)!.commit();
  await before.close();
  await topic.deleteRecords({ before: 50 });
  await failure("ERR_TIDELOG_OFFSET_OUT_OF_RANGE", allOnce(make("error")));
  assert.equal(
    values(await allOnce(make("earliest"))),
    range(50).map((i) => i + 50),
  );
});

test("a seek is not committed by itself, what is read behind it is", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 100);
  const consumer = log.consumer({ topics: [topic], group: "g", until: "end" });
  await all(consumer);
  await consumer.seek({ offset: 20 });
  assert.equal((await consumer.committed())[0]!.offset, 100);
  for await (const { offset } of consumer) if (offset === 30) break;
  assert.equal((await consumer.committed())[0]!.offset, 30);
  await consumer.seek({ offset: 5 });
  await consumer.commit();
  assert.equal((await consumer.committed())[0]!.offset, 5);
});

test("deleting a topic deletes what was committed of it", async ({ open }) => {
  const log = await open();
  let topic = await numbers(log, 10);
  await allOnce(log.consumer({ topics: [topic], group: "g", until: "end" }));
  await log.deleteTopic("t");
  topic = await numbers(log, 3);
  assert.equal(values(await all(log.consumer({ topics: [topic], group: "g", until: "end" }))), [0, 1, 2]);
});

test("groups and deliveries that are none are refused", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 3);
  for (const group of ["", "a\0", 5, null, "\ud800"]) {
    await failure(
      "ERR_TIDELOG_INVALID_ARGUMENT",
      () => log.consumer({ topics: [topic], group: group as string }),
      "group",
    );
  }
  const delivery = "exactly-once" as "manual";
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    () => log.consumer({ topics: [topic], group: "g", delivery }),
    "delivery",
  );
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", () => log.consumer({ topics: [topic], delivery: "manual" }), "group");
  const groupless = log.consumer({ topics: [topic], until: "end" });
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", groupless.commit(), "group");
  for await (const batch of groupless.batches()) await failure("ERR_TIDELOG_INVALID_ARGUMENT", batch.commit(), "group");
});

test("a topic given by name that is not there is told", async ({ open }) => {
  const log = await open();
  await failure("ERR_TIDELOG_UNKNOWN_TOPIC", all(log.consumer({ topics: ["nowhere"], group: "g" })));
});

run();
