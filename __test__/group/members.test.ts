// What members are told, when partitions change hands, and what becomes of those that are stuck, replaced or gone.

import { once } from "node:events";
import * as assert from "uvu/assert";
import { type AssignedPartition, type Consumer, json, type Log, string, type Transaction } from "../../ts/index.js";
import { all, failure, first, range, sendInBatches, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { worker } from "../support/worker.js";

const { test, run } = suite("members of groups");

async function numbers(log: Log, count: number, partitions = 2) {
  const topic = await log.topic("in", { partitions, value: json<number>() });
  const records = range(count).map((value) => ({ value, partition: value % partitions }));
  await sendInBatches(records, (some) => log.producer().sendBatch(topic, some));
  return topic;
}

const ids = (partitions: readonly AssignedPartition[]) => partitions.map(({ partition }) => partition).sort();

/** Waits until the group has so many members, each with what is meant for it. */
async function stable(log: Log, group: string, count: number): Promise<void> {
  for (;;) {
    const { state, members } = await log.group(group).describe();
    if (state !== "rebalancing" && members.length === count) return;
    await sleep(5);
  }
}

test("listeners are told in order, and may ask, seek and commit; nobody reads what another has", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 100);
  const told: string[] = [];
  const make = (name: string): Consumer<{ partition: number; offset: number }> => {
    const consumer = log.consumer({
      topics: [topic],
      group: "g",
      delivery: "manual",
      onRebalance: {
        assigned: async (partitions) => {
          told.push(`${name} has ${ids(partitions)}`);
          assert.equal(ids(consumer.assignment).length >= partitions.length, true);
          assert.ok((await consumer.lag()).length > 0);
          if (name === "a") await consumer.seek({ offset: 10 });
        },
        revoked: async (partitions) => {
          await consumer.commit();
          told.push(`${name} gives up ${ids(partitions)}`);
        },
      },
    });
    return consumer;
  };
  const a = make("a");
  const seen = new Map<number, number>();
  const reading = (async () => {
    for await (const { partition, offset } of a) {
      if (!seen.has(partition)) assert.is(offset, 10);
      seen.set(partition, offset);
    }
  })();
  while (seen.get(0) !== 49 || seen.get(1) !== 49) await sleep(5);
  const b = make("b");
  const other = first(1, b);
  await stable(log, "g", 2);
  while (told.length < 3) await sleep(5);
  const moved = told[1]!.at(-1)!;
  assert.equal(told, ["a has 0,1", `a gives up ${moved}`, `b has ${moved}`]);
  // It begins where the other one has committed while it was giving up.
  await log.producer().send(topic, { value: 100, partition: Number(moved) });
  assert.is((await other)[0]!.offset, 50);
  await Promise.all([a.close(), b.close()]);
  await reading;
});

test("a listener that fails ends the loop with its error, and others have the partitions", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10);
  const broken = new Error("broken");
  const consumer = log.consumer({
    topics: [topic],
    group: "g",
    onRebalance: {
      assigned: () => {
        throw broken;
      },
    },
  });
  assert.is(await all(consumer).catch((error) => error), broken);
  assert.is((await log.group("g").describe()).members.length, 0);
  await using other = log.consumer({ topics: [topic], group: "g", until: "end" });
  assert.is((await all(other)).length, 10);
});

test("whoever waits for records lets partitions go at once, in a loop, a run, a process or a take", async ({
  open,
}) => {
  const log = await open();
  const topic = await numbers(log, 0, 8);
  const abort = new AbortController();
  const consumers = range(3).map(() => log.consumer({ topics: [topic], group: "g" }));
  const ends = [
    all(consumers[0]!),
    consumers[1]!.run(() => {}),
    failure(
      "ERR_TIDELOG_ABORTED",
      log.process({ id: "p", group: "g", from: topic, signal: abort.signal }, () => {}),
    ),
    failure(
      "ERR_TIDELOG_ABORTED",
      log.transaction("t", (tx) => tx.take(consumers[2]!), { signal: abort.signal }),
    ),
  ];
  await stable(log, "g", 4);
  const { members } = await log.group("g").describe();
  assert.equal(
    members.map(({ assignment }) => assignment.length),
    [2, 2, 2, 2],
  );
  abort.abort();
  await Promise.all(consumers.map((consumer) => consumer.close()));
  await Promise.all(ends);
});

test("one that is stuck is expelled: others go on, its commits are refused, and it joins again", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 20, 1);
  let lost = 0;
  const stuck = log.consumer({
    topics: [topic],
    group: "g",
    maxPollIntervalMs: 1000,
    onRebalance: {
      lost: () => {
        lost += 1;
      },
    },
  });
  const loop = stuck[Symbol.asyncIterator]();
  for (const _ of range(5)) await loop.next();
  const { value: record } = await loop.next();
  const other = log.consumer({ topics: [topic], group: "g" });
  const [next] = await first(1, other);
  assert.is(lost, 1);
  assert.ok(next!.offset <= record.offset);
  await failure("ERR_TIDELOG_FENCED_MEMBER", record.commit());
  await next!.commit();
  await other.close();
  // Where the group is by now.
  const { value: again } = await loop.next();
  assert.is(again.offset, next!.offset + 1);
  await again.commit();
  await stuck.close();
});

test("handlers of a run whose partition is lost are told, and count for nothing", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 20, 1);
  const stuck = log.consumer({ topics: [topic], group: "g", maxPollIntervalMs: 1000 });
  let reason: { code?: string } | undefined;
  const running = stuck.run(async ({ value }, { signal }) => {
    if (value !== 5) return;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    reason = signal.reason;
    await sleep(50);
  });
  const other = log.consumer({ topics: [topic], group: "g", delivery: "manual" });
  const [next] = await first(1, other);
  assert.is(next!.value, 5);
  assert.is(reason?.code, "ERR_TIDELOG_FENCED_MEMBER");
  await sleep(100);
  assert.is((await other.committed())[0]!.offset, 5);
  await stuck.close();
  await running;
  await other.close();
});

test("a batch of a process whose partition is lost is aborted, and counts once", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await numbers(log, 30, 1);
  const out = await log.topic("out", { value: json<string>() });
  const end = new AbortController();
  const signals: AbortSignal[] = [];
  const processOf = (id: string, handle: (value: number, tx: Transaction) => unknown) =>
    failure(
      "ERR_TIDELOG_ABORTED",
      log.process(
        { id, group: "g", from: topic, batch: 10, maxPollIntervalMs: 1000, signal: end.signal },
        async ({ value }, tx) => {
          tx.send(out, { value: `${id}${value}` });
          await handle(value!, tx);
        },
      ),
    );
  let stuck = true;
  let reason: { code?: string } | undefined;
  const slow = processOf("slow", async (value, { signal }) => {
    if (value !== 15 || !stuck) return;
    stuck = false;
    signals.push(signal);
    // It is a member again by itself only when it asks for more: until then somebody else has all.
    await sleep(2500);
    reason = signal.reason;
  });
  while (signals.length === 0) await sleep(5);
  const quick = processOf("quick", () => {});
  const copied = log.raw.partition(out, 0);
  while (copied.highWatermark < 30) await sleep(10);
  await sleep(2000);
  end.abort();
  await Promise.all([slow, quick]);
  assert.is(reason?.code, "ERR_TIDELOG_FENCED_MEMBER");
  const values = (await all(log.consumer({ topics: [out], until: "end" }))).map(({ value }) => value!);
  assert.equal(
    values,
    range(30).map((value) => `${value < 10 ? "slow" : "quick"}${value}`),
  );
});

test("what a transaction has taken of a lost partition is lost, though the consumer has it again", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await numbers(log, 20, 1);
  const consumer = log.consumer({ topics: [topic], group: "g", maxPollIntervalMs: 1000 });
  const producer = await log.transactionalProducer("t");
  const tx = producer.begin();
  assert.is((await tx.take(consumer, { max: 5 })).length, 5);
  // Somebody else has it meanwhile, and goes on.
  const other = log.consumer({ topics: [topic], group: "g", delivery: "manual" });
  const records = await first(8, other);
  await records[7]!.commit();
  await other.close();
  assert.equal(await consumer.lag(), [{ topic: "in", partition: 0, position: 8, highWatermark: 20, lag: 12 }]);
  await failure("ERR_TIDELOG_FENCED_MEMBER", tx.commit());
  assert.is((await log.group("g").describe()).offsets[0]!.offset, 8);
  const next = producer.begin();
  assert.is((await next.take(consumer, { max: 1 }))[0]!.offset, 8);
  await next.commit();
  await consumer.close();
});

test("offsets by hand, in a transaction, count if they come from who owns the partition", async ({ open }) => {
  const log = await open({ durability: "fsync" });
  const topic = await numbers(log, 20, 1);
  const consumer = log.consumer({ topics: [topic], group: "g", delivery: "manual" });
  await first(3, consumer);
  const producer = await log.transactionalProducer("t");
  const commit = async (group: string | typeof consumer, offset: number) => {
    await using tx = producer.begin();
    tx.sendOffsets(group, [{ topic, partition: 0, offset, metadata: "by hand" }]);
    await tx.commit();
  };
  await failure("ERR_TIDELOG_GROUP_NOT_EMPTY", commit("g", 3));
  await commit(consumer, 3);
  const { offsets } = await log.group("g").describe();
  assert.equal(
    offsets.map(({ offset, metadata }) => [offset, metadata]),
    [[3, "by hand"]],
  );
  await consumer.close();
  await failure("ERR_TIDELOG_FENCED_MEMBER", commit(consumer, 4));
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", commit(log.consumer({ topics: [topic] }) as never, 4));
});

test("a static member whose thread is gone has its partitions back, without a new sharing", async ({
  folder,
  open,
}) => {
  const log = await open({ durability: "fsync" });
  const topic = await numbers(log, 1000, 4);
  await log.topic("out", { partitions: 4 });
  const begin = async () => {
    const thread = worker("group_member", { folder, id: "w", way: "at-least-once", instanceId: "one" });
    await once(thread, "message");
    return thread;
  };
  const thread = await begin();
  await stable(log, "copy", 1);
  await using consumer = log.consumer({ topics: [topic], group: "copy" });
  const reading = all(consumer);
  await stable(log, "copy", 2);
  const before = await log.group("copy").describe();
  await thread.terminate();
  const seen = async () => (await log.group("copy").describe()).members.find(({ instanceId }) => instanceId === "one");
  while ((await seen())?.state !== "away") await sleep(5);
  assert.is((await seen())!.assignment.length, 2);
  const successor = await begin();
  while ((await seen())?.state !== "stable") await sleep(5);
  const after = await log.group("copy").describe();
  assert.is(after.generation, before.generation);
  const own = ({ members }: typeof before, name: string | null) =>
    members.find(({ instanceId }) => instanceId === name)!.assignment;
  for (const name of ["one", null]) assert.equal(own(after, name), own(before, name));
  while ((await log.group("copy").describe()).offsets.some(({ lag }) => lag > 0)) await sleep(10);
  await successor.terminate();
  await consumer.close();
  await reading;
}, 60_000);

test("two of one name: the second takes the place of the first, which ends", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10, 1);
  const make = () => log.consumer({ topics: [topic], group: "g", instanceId: "one" });
  const older = make();
  const ended = failure("ERR_TIDELOG_FENCED_INSTANCE", all(older));
  await stable(log, "g", 1);
  const younger = make();
  const reading = all(younger);
  await ended;
  await stable(log, "g", 1);
  await log.producer().send(topic, { value: 10 });
  while ((await log.group("g").describe()).offsets[0]?.lag !== 0) await sleep(5);
  await Promise.all([older.close(), younger.close()]);
  await reading;
});

test("a strategy of one's own is asked; one that shares wrongly, or another one, is told", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10, 3);
  const last = {
    name: "all to the last",
    assign: ({ members, topics }: { members: readonly { id: string }[]; topics: ReadonlyMap<string, number> }) =>
      new Map([[members.at(-1)!.id, range(topics.get("in")!).map((partition) => ({ topic: "in", partition }))]]),
  };
  const consumers = range(2).map(() => log.consumer({ topics: [topic], group: "g", strategy: last }));
  const loops = consumers.map((consumer) => all(consumer));
  await stable(log, "g", 2);
  assert.equal(
    (await log.group("g").describe()).members.map(({ assignment }) => assignment.length),
    [0, 3],
  );
  const other = log.consumer({ topics: [topic], group: "g", strategy: "range" });
  await failure("ERR_TIDELOG_INCONSISTENT_STRATEGY", all(other), "all to the last");
  await Promise.all(consumers.map((consumer) => consumer.close()));
  await Promise.all(loops);
  const none = { name: "none", assign: () => new Map() };
  await failure("ERR_TIDELOG_INVALID_ASSIGNMENT", all(log.consumer({ topics: [topic], group: "g", strategy: none })));
  assert.is((await log.group("g").describe()).members.length, 0);
});

test("the first records of a partition that is added are read from the latest, too", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string() });
  const producer = log.producer();
  await producer.send(topic, { value: "before" });
  const consumer = log.consumer({ group: "g", topics: [topic], from: "latest" });
  await consumer.lag();
  await topic.alter({ partitions: 2 });
  await producer.send(topic, { value: "first", partition: 1 });
  const got: unknown[] = [];
  for await (const { value } of consumer) {
    got.push(value);
    if (got.length === 1) await producer.send(topic, { value: "second", partition: 1 });
    if (got.length === 2) break;
  }
  assert.equal(got, ["first", "second"]);
  await consumer.close();
});

run();
