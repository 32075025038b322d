// `log.transaction`: commits when the function returns, aborts when it throws, one after the other for each id.

import * as assert from "uvu/assert";
import { json, type Log, type Transaction } from "../../ts/index.js";
import { all, failure, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("log.transaction");

const topicOf = (log: Log) => log.topic("t", { durability: "fsync", value: json<number>() });
const values = async (log: Log) =>
  (await all(log.consumer({ topics: [await topicOf(log)], until: "end" }))).map(({ value }) => value);

test("commits on return and gives what was returned, aborts on throw and rejects with what was thrown", async ({
  open,
}) => {
  const log = await open();
  const topic = await topicOf(log);
  const answer = await log.transaction("t", async (tx) => {
    tx.send(topic, { value: 1 });
    await sleep(5);
    tx.send(topic, { value: 2 });
    return "answer";
  });
  assert.is(answer, "answer");
  const thrown = new Error("no");
  const error = await log
    .transaction("t", (tx) => {
      tx.send(topic, { value: 3 });
      throw thrown;
    })
    .catch((error) => error);
  assert.is(error, thrown);
  // Not asynchronous, and ended by hand.
  assert.is(await log.transaction("t", (tx) => tx.send(topic, { value: 4 })), undefined);
  await log.transaction("t", async (tx) => {
    tx.send(topic, { value: 5 });
    await tx.abort();
  });
  const offset = await log.transaction("t", async (tx) => {
    tx.send(topic, { value: 6 });
    return (await tx.commit()).of(topic).offset(0);
  });
  assert.is(offset, 3);
  assert.equal(await values(log), [1, 2, 4, 6]);
});

test("those of one id take turns, those of others do not wait", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const order: string[] = [];
  const work = (id: string, name: string, ms: number) =>
    log.transaction(id, async (tx) => {
      order.push(`${name} begins`);
      await sleep(ms);
      tx.send(topic, { value: order.length });
      order.push(`${name} ends`);
      if (name === "a2") throw new Error("in its turn");
    });
  await Promise.allSettled([work("a", "a1", 100), work("a", "a2", 1), work("a", "a3", 1), work("b", "b", 10)]);
  assert.equal(
    order.filter((step) => step[0] === "a"),
    ["a1 begins", "a1 ends", "a2 begins", "a2 ends", "a3 begins", "a3 ends"],
  );
  assert.ok(order.indexOf("b ends") < order.indexOf("a1 ends"));
  assert.is((await values(log)).length, 3);
});

test("waiting for a turn can be given up, and holds nobody up", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const abort = new AbortController();
  let stop: (() => void) | undefined;
  const first = log.transaction("t", () => new Promise<void>((resolve) => (stop = resolve)));
  const second = log.transaction("t", () => assert.unreachable(), { signal: abort.signal });
  const third = log.transaction("t", (tx) => tx.send(topic, { value: 3 }));
  while (stop === undefined) await sleep(1);
  abort.abort("enough");
  await failure("ERR_TIDELOG_ABORTED", second);
  stop();
  await Promise.all([first, third]);
  const during = new AbortController();
  const aborted = log.transaction(
    "t",
    async (tx) => {
      tx.send(topic, { value: 4 });
      during.abort("now");
      assert.ok(tx.signal.aborted);
    },
    { signal: during.signal },
  );
  await failure("ERR_TIDELOG_ABORTED", aborted);
  assert.equal(await values(log), [3]);
});

test("one inside another of its id would wait for itself, and says so", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  await log.transaction("outer", async (tx) => {
    tx.send(topic, { value: 1 });
    await failure(
      "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
      log.transaction("outer", () => {}),
      "itself",
    );
    await log.transaction("inner", (inner) => inner.send(topic, { value: 0 }));
  });
  assert.equal(await values(log), [0, 1]);
});

/** A promise, and the function that resolves it. */
function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

test("what a function has begun and left running is not inside of it once it is over", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const { open: over, opened: isOver } = gate();
  let later: Promise<unknown> | undefined;
  await log.transaction("w", async (tx) => {
    tx.send(topic, { value: 1 });
    later = isOver.then(() => log.transaction("w", (tx) => tx.send(topic, { value: 2 })));
    await failure(
      "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
      log.transaction("w", () => {}),
    );
  });
  over();
  await later;
  assert.equal(await values(log), [1, 2]);
});

for (const sends of [true, false]) {
  test(`a function that never returns, and has sent ${sends ? "something" : "nothing"}, does not stop its id`, async ({
    open,
  }) => {
    const log = await open();
    const topic = await topicOf(log);
    const options = { timeoutMs: 200 };
    const hangs = (tx: Transaction) => {
      if (sends) tx.send(topic, { value: 1 });
      return new Promise(() => {});
    };
    const told = failure("ERR_TIDELOG_TRANSACTION_TIMED_OUT", log.transaction("w", hangs, options), "200 ms");
    await log.transaction("w", (tx) => tx.send(topic, { value: 2 }), options);
    await told;
    assert.equal(await values(log), [2]);
  });
}

test("a function that never returns does not stop its id by an abort, a close, a commit or an abort of its own either", async ({
  open,
}) => {
  const log = await open();
  const topic = await topicOf(log);
  const options = { timeoutMs: 200 };
  const abort = new AbortController();
  const hangs = () => new Promise(() => {});
  const aborted = log.transaction(
    "w",
    () => {
      abort.abort("enough");
      return hangs();
    },
    { ...options, signal: abort.signal },
  );
  await failure("ERR_TIDELOG_ABORTED", aborted);
  const committed = log.transaction(
    "w",
    async (tx) => {
      tx.send(topic, { value: 1 });
      await tx.commit();
      return hangs();
    },
    options,
  );
  let settled = false;
  const settle = () => {
    settled = true;
  };
  committed.then(settle, settle);
  const dropped = log.transaction(
    "w",
    async (tx) => {
      await tx.abort();
      return hangs();
    },
    options,
  );
  dropped.then(settle, settle);
  await log.transaction("w", (tx) => tx.send(topic, { value: 2 }), options);
  assert.equal(await values(log), [1, 2]);
  // They have ended their transactions themselves, so only they can say what comes of them.
  assert.is(settled, false);
  const { open: begun, opened: hasBegun } = gate();
  const closed = log.transaction(
    "w",
    () => {
      begun();
      return hangs();
    },
    options,
  );
  const told = failure("ERR_TIDELOG_CLOSED", closed);
  await hasBegun;
  await log.close();
  await told;
});

test("two ids whose functions would wait for each other are told so", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const bothRun = gate();
  let running = 0;
  const nested = (outer: string, inner: string, value: number) =>
    log.transaction(outer, async (tx) => {
      tx.send(topic, { value });
      if (++running === 2) bothRun.open();
      await bothRun.opened;
      await log.transaction(inner, (tx) => tx.send(topic, { value: value + 1 }));
    });
  const ended = await Promise.allSettled([nested("a", "b", 1), nested("b", "a", 10)]);
  // The one that came second is refused, whichever that is, so the other one gets its turn.
  const [refused, ...others] = ended.filter((one) => one.status === "rejected");
  assert.equal(others, []);
  assert.is(refused!.reason.code, "ERR_TIDELOG_INVALID_TRANSACTION_STATE");
  assert.match(refused!.reason.message, /would wait for itself/);
  assert.equal(await values(log), ended[0].status === "fulfilled" ? [2, 1] : [11, 10]);
});

test("waiting for records takes nothing of a function's time", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const input = await log.topic("input", { value: json<number>() });
  const consumer = log.consumer({ group: "g", topics: [input] });
  const taking = log.transaction(
    "w",
    async (tx) => {
      const none = await tx.take(consumer, { signal: AbortSignal.timeout(700) }).catch((error) => error.code);
      assert.is(none, "ERR_TIDELOG_ABORTED");
      setTimeout(() => log.producer().send(input, { value: 7 }), 700);
      for (const { value } of await tx.take(consumer)) tx.send(topic, { value: value! });
    },
    { timeoutMs: 600 },
  );
  await taking;
  assert.equal(await values(log), [7]);
});

test("the log can be closed in a function, whose transaction ends with it", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const closing = log.transaction("w", async (tx) => {
    tx.send(topic, { value: 1 });
    await log.close();
  });
  await failure("ERR_TIDELOG_CLOSED", closing);
  const again = await open();
  assert.equal(await values(again), []);
});

test("a function that throws nothing, or what is no error, rejects with that", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  for (const thrown of [undefined, null, 0, "text", Object.create(null)]) {
    const rejected = await log
      .transaction("w", (tx) => {
        tx.send(topic, { value: 1 });
        throw thrown;
      })
      .then(
        () => assert.unreachable(),
        (reason) => [reason],
      );
    assert.is(rejected![0], thrown);
  }
  assert.equal(await values(log), []);
});

test("a function that takes too long is aborted, and loses its turn", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  const options = { timeoutMs: 40 };
  let late: Transaction | undefined;
  const slow = log.transaction(
    "t",
    async (tx) => {
      late = tx;
      tx.send(topic, { value: 1 });
      await sleep(120);
    },
    options,
  );
  const next = log.transaction("t", (tx) => tx.send(topic, { value: 2 }), options);
  await failure("ERR_TIDELOG_TRANSACTION_TIMED_OUT", slow, "40 ms");
  assert.ok(late!.signal.aborted);
  await next;
  assert.equal(await values(log), [2]);
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    log.transaction("t", () => {}),
    "timeoutMs",
  );
});

test("a twin that takes the id over ends all that come here", async ({ open }) => {
  const log = await open();
  const topic = await topicOf(log);
  await log.transaction("t", (tx) => tx.send(topic, { value: 1 }));
  const twin = await open();
  await twin
    .transaction("t", (tx) => tx.send(twin.raw.partition("t", 0).topic, { value: Buffer.from("2") }))
    .catch(async (error) => {
      // The twin has to open the topic first.
      assert.is(error.code, "ERR_TIDELOG_UNKNOWN_TOPIC");
      await twin.openTopic("t");
      await twin.transaction("t", (tx) => tx.send("t", { value: Buffer.from("2") }));
    });
  for (const value of range(2)) {
    await failure(
      "ERR_TIDELOG_PRODUCER_FENCED",
      log.transaction("t", (tx) => tx.send(topic, { value })),
    );
  }
  await twin.transaction("t", (tx) => tx.send("t", { value: Buffer.from("3") }));
  assert.equal(await values(log), [1, 2, 3]);
});

test("what is no function, and no id, is refused", async ({ open }) => {
  const log = await open();
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    log.transaction("", () => {}),
    "id",
  );
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", log.transaction("t", 5 as never), "function");
  await failure(
    "ERR_TIDELOG_INVALID_ARGUMENT",
    log.transaction("t", () => {}, { timeout: 5 } as never),
    "timeout",
  );
  await failure(
    "ERR_TIDELOG_ABORTED",
    log.transaction("t", () => {}, { signal: AbortSignal.abort() }),
  );
  await log.close();
  await failure(
    "ERR_TIDELOG_CLOSED",
    log.transaction("t", () => {}),
  );
});

run();
