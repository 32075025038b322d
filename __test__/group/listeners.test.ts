// What members tell their listeners at their end, and what becomes of listeners and strategies that throw, hang or are slow.

import * as assert from "uvu/assert";
import { type AssignedPartition, type ConsumerOptions, json, type Log, type Topic } from "../../ts/index.js";
import { all, failure, first, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("listeners and strategies of members");

/** What is no error, and what can't be turned into text. */
const THROWN = [
  undefined,
  null,
  7,
  "text",
  Symbol("s"),
  Object.create(null),
  {
    get message() {
      throw 1;
    },
  },
];

async function numbers(log: Log, count: number) {
  const topic = await log.topic("t", { value: json<number>() });
  if (count > 0)
    await log.producer().sendBatch(
      topic,
      range(count).map((value) => ({ value })),
    );
  return topic;
}

const committed = async (log: Log, group = "g") => (await log.group(group).describe()).offsets[0]?.offset;
const values = (records: readonly { value: number | null }[]) => records.map(({ value }) => value);

test("a loop that has come to its end leaves the group, so that the next one gets its records", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 1);
  const read = (more: Pick<ConsumerOptions, "delivery"> = {}) =>
    all(log.consumer({ ...more, group: "g", topics: [topic], until: "end" }));
  assert.equal(values(await read()), [0]);
  assert.equal((await log.group("g").describe()).members, []);
  await log.producer().send(topic, { value: 1 });
  assert.equal(values(await read()), [1]);
  await log.producer().send(topic, { value: 2 });
  assert.equal(values(await read({ delivery: "at-most-once" })), [2]);
  await log.producer().send(topic, { value: 3 });
  await log.consumer({ group: "g", topics: [topic], until: "end" }).run(() => {});
  await log.producer().send(topic, { value: 4 });
  assert.equal(values(await read()), [4]);
});

test("a loop whose body threw leaves the group where it reads to the end: the retry gets the record", async ({
  open,
}) => {
  const log = await open();
  const topic = await numbers(log, 5);
  const read = async (bad?: number) => {
    const got: (number | null)[] = [];
    for await (const { value } of log.consumer({ group: "g", topics: [topic], until: "end" })) {
      if (value === bad) throw new Error("bad");
      got.push(value);
    }
    return got;
  };
  try {
    await read(2);
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, "bad");
  }
  assert.is(await committed(log), 2);
  assert.equal(await read(), [2, 3, 4]);
});

test("a run that failed has left its group, with what was done committed", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 5);
  const fails = log.consumer({ group: "g", topics: [topic] }).run(
    ({ value }) => {
      if (value === 3) throw new Error("bad");
    },
    { retry: { attempts: 1 } },
  );
  await failure("ERR_TIDELOG_HANDLER_FAILED", fails);
  assert.is(await committed(log), 3);
  assert.equal(values(await first(2, log.consumer({ group: "g", topics: [topic] }))), [3, 4]);
});

test("one that commits by hand can still do so after its loop has come to its end, and leaves then", async ({
  open,
}) => {
  const log = await open();
  const topic = await numbers(log, 5);
  const consumer = log.consumer({ group: "g", topics: [topic], delivery: "manual", until: "end" });
  assert.is((await all(consumer)).length, 5);
  await consumer.commit();
  assert.is(await committed(log), 5);
  assert.equal((await log.group("g").describe()).members, []);
  await log.producer().send(topic, { value: 5 });
  assert.equal(values(await all(consumer)), [5]);
  await consumer.close();
});

test("a consumer of its group can go on after an end that it has left with", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 3);
  const consumer = log.consumer({ group: "g", topics: [topic], until: "end" });
  const records = await all(consumer);
  await records[2]!.commit();
  assert.is(await consumer.position(), 3);
  await consumer.seek({ offset: 1 });
  assert.equal(values(await all(consumer)), [1, 2]);
  await consumer.close();
});

test("what is revoked is told at the close, before it leaves, and may be committed", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10);
  const told: string[] = [];
  const make = (group: string) => {
    const consumer = log.consumer({
      group,
      topics: [topic],
      delivery: "manual",
      onRebalance: {
        assigned: (partitions) => void told.push(`assigned ${partitions.length}`),
        revoked: async (partitions: readonly AssignedPartition[]) => {
          told.push(`revoked ${partitions.length}`);
          await sleep(10);
          assert.is((await log.group(group).describe()).members.length, 1);
          await consumer.commit();
          told.push("committed");
        },
        lost: () => void told.push("lost"),
      },
    });
    return consumer;
  };
  const left = make("left");
  await first(5, left);
  await Promise.all([left.close(), left.close()]);
  assert.is(await committed(log, "left"), 5);
  assert.equal(told.splice(0), ["assigned 1", "revoked 1", "committed"]);
  // The record that a loop has in hand is not done.
  const under = make("under way");
  for await (const { value } of under) if (value === 5) await under.close();
  assert.is(await committed(log, "under way"), 5);
  // Nor is a run's, whose handler closes it.
  const handled = make("handled");
  await handled.run(async ({ value }) => {
    if (value === 5) await handled.close();
  });
  assert.is(await committed(log, "handled"), 5);
  assert.equal(
    told.splice(0).filter((what) => what === "lost"),
    [],
  );
  // The log closes those of which no loop is under way as well.
  await first(3, make("log"));
  await log.close();
  assert.equal(told, ["assigned 1", "revoked 1", "committed"]);
});

test("what is revoked is told as well where its signal ends a loop", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 10);
  const abort = new AbortController();
  const consumer = log.consumer({
    group: "g",
    topics: [topic],
    delivery: "manual",
    signal: abort.signal,
    onRebalance: { revoked: (): Promise<void> => consumer.commit() },
  });
  const loop = (async () => {
    for await (const { value } of consumer) if (value === 4) abort.abort();
  })();
  await failure("ERR_TIDELOG_ABORTED", loop);
  assert.is(await committed(log), 5);
});

test("a listener or strategy that throws what is no error ends the loop with one that has it as its cause", async ({
  open,
}) => {
  const log = await open();
  const topic = await numbers(log, 3);
  const loop = (options: Pick<ConsumerOptions, "onRebalance" | "strategy">) =>
    all(log.consumer({ ...options, group: "g", topics: [topic] }));
  for (const thrown of THROWN) {
    const fails = () => {
      throw thrown;
    };
    for (const assigned of [fails, () => Promise.reject(thrown)]) {
      const error = await failure(
        "ERR_TIDELOG_LISTENER_FAILED",
        loop({ onRebalance: { assigned } }),
        "onRebalance.assigned",
      );
      assert.is(error.cause, thrown);
    }
    const error = await failure(
      "ERR_TIDELOG_INVALID_ASSIGNMENT",
      loop({ strategy: { name: "own", assign: fails } }),
      "own",
    );
    assert.is(error.cause, thrown);
    const consumer = log.consumer({ group: "g", topics: [topic], onRebalance: { revoked: fails } });
    await first(1, consumer);
    assert.is((await failure("ERR_TIDELOG_LISTENER_FAILED", consumer.close())).cause, thrown);
  }
  const own = new Error("own");
  try {
    await loop({ onRebalance: { assigned: () => Promise.reject(own) } });
    assert.unreachable();
  } catch (error) {
    assert.is(error, own);
  }
  assert.equal((await log.group("g").describe()).members, []);
});

test("whatever serdes, partitioners, handlers and functions throw, who waits is told", async ({ open }) => {
  const log = await open();
  for (const [i, thrown] of THROWN.entries()) {
    const fails = (): never => {
      throw thrown;
    };
    const name = `t${i}`;
    const broken = await log.topic(name, { value: { serialize: fails, deserialize: fails } });
    const sent = log.producer().send(broken, { value: 1 });
    assert.is((await failure("ERR_TIDELOG_SERIALIZATION", sent)).cause, thrown);
    const partitioned = log
      .producer({ partitioner: fails })
      .send(name, { key: Buffer.from("k"), value: Buffer.from("1") });
    assert.is((await failure("ERR_TIDELOG_INVALID_RECORD", partitioned)).cause, thrown);
    await log.producer().send(name, { value: Buffer.from("1") });
    const loops = [
      () => all(log.consumer({ topics: [broken], until: "end" })),
      () => all(log.consumer({ topics: [broken], group: "g", until: "end" })),
      () => log.consumer({ topics: [broken], group: "g", until: "end" }).run(() => {}),
      () => log.process({ id: "p", from: broken, until: "end" }, () => {}),
    ];
    for (const loop of loops) assert.is((await failure("ERR_TIDELOG_SERIALIZATION", loop())).cause, thrown);
    const retry = { attempts: 1 };
    const handlers = [
      () => log.consumer({ topics: [name], group: "h" }).run(fails, { retry }),
      () => log.process({ id: "q", from: name, retry }, fails),
    ];
    for (const handler of handlers) assert.is((await failure("ERR_TIDELOG_HANDLER_FAILED", handler())).cause, thrown);
    await log.topic("dead", { durability: "fsync" });
    const dead = await log.process({ id: "q", from: name, until: "end", retry, deadLetter: "dead" }, fails);
    assert.equal(dead, { processed: 0, deadLettered: 1 });
    const nothing = Symbol("nothing");
    let rejected: unknown = nothing;
    await log.transaction("w", fails).catch((error) => {
      rejected = error;
    });
    assert.is(rejected, thrown);
  }
});

test("a listener that hangs is not waited for for ever", async ({ open }) => {
  const log = await open();
  const topic = await numbers(log, 3);
  const never = () => new Promise<void>(() => {});
  const options = { group: "g", topics: [topic] as const, maxPollIntervalMs: 1000 };
  const loop = all(log.consumer({ ...options, onRebalance: { assigned: never } }));
  await failure("ERR_TIDELOG_LISTENER_FAILED", loop, "onRebalance.assigned has not returned for 1000 ms");
  const consumer = log.consumer({ ...options, onRebalance: { revoked: never } });
  await first(1, consumer);
  await failure(
    "ERR_TIDELOG_LISTENER_FAILED",
    consumer.close({ timeoutMs: 50 }),
    "onRebalance.revoked has not returned for 50 ms",
  );
  assert.equal((await log.group("g").describe()).members, []);
});

test("a strategy that is slower than the session timeout lets timers have their turn, and is given up", async ({
  open,
}) => {
  const log = await open();
  const topic = await numbers(log, 1);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 100);
  let calls = 0;
  const assign = () => {
    calls++;
    for (const end = Date.now() + 1200; Date.now() < end; );
    return new Map();
  };
  const consumer = log.consumer({
    group: "g",
    topics: [topic],
    sessionTimeoutMs: 1000,
    strategy: { name: "slow", assign },
  });
  await failure("ERR_TIDELOG_FENCED_MEMBER", all(consumer), "raise sessionTimeoutMs");
  clearInterval(timer);
  assert.is(calls, 3);
  assert.ok(ticks >= 2, `${ticks}`);
});

test("what a strategy gives is checked, and not taken for something else", async ({ open }) => {
  const log = await open();
  const topic: Topic<Buffer, number> = (await numbers(log, 1)) as never;
  const given: [(id: string) => unknown, string][] = [
    [(id) => new Map([[id, [{ topic: "t", partition: Number.NaN }]]]), "partition: NaN"],
    [(id) => new Map([[id, [{ topic: "t", partition: 0.5 }]]]), "partition: 0.5"],
    [(id) => new Map([[id, [{ topic: "t", partition: -1 }]]]), "partition: -1"],
    [(id) => new Map([[id, [{ topic: "t", partition: "0" }]]]), "partition: '0'"],
    [(id) => new Map([[id, [null]]]), "null"],
    [(id) => new Map([[id, 5]]), "no array"],
    [() => new Map([[7, []]]), "no id"],
    [() => undefined, "must give a Map"],
    [async () => new Map(), "it must not wait"],
  ];
  for (const [assign, text] of given) {
    const strategy = {
      name: "own",
      assign: ({ members }: { members: readonly { id: string }[] }) => assign(members[0]!.id),
    };
    const loop = all(log.consumer({ group: "g", topics: [topic], strategy: strategy as never }));
    await failure("ERR_TIDELOG_INVALID_ASSIGNMENT", loop, text);
  }
});

run();
