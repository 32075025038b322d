// time limit: 240 s
// Several threads of one process share a store; any of them may be terminated at any moment.

import { once } from "node:events";
import * as assert from "uvu/assert";
import { json } from "../../ts/index.js";
import { all, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";
import { worker } from "../support/worker.js";

const { test, run } = suite("worker threads");

test("workers that send at once share offsets without a gap or a clash", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 2, value: json<{ id: number; i: number }>() });
  const reading = (async () => {
    const seen = [];
    for await (const record of log.consumer({ topics: [topic] })) if (seen.push(record) === 4 * 500) break;
    return seen;
  })();
  const workers = range(4).map((id) => worker("share", { folder, id, count: 500 }));
  const places = await Promise.all(
    workers.map(async (thread) => {
      // Both at once: a thread's last message and its end may come in the same turn of this one's loop.
      const [[sent]] = (await Promise.all([once(thread, "message"), once(thread, "exit")])) as [
        [[number, number][]],
        unknown,
      ];
      return sent;
    }),
  );
  const records = await reading;
  for (const { partition, offset, value } of records) {
    assert.equal(places[value!.id]![value!.i], [partition, offset]);
  }
  assert.is(new Set(places.flat().map(([partition, offset]) => `${partition}:${offset}`)).size, 2000);
  const { partitions } = await topic.describe();
  assert.is(
    partitions.reduce((sum, { highWatermark }) => sum + highWatermark, 0),
    2000,
  );
}, 60_000);

test("a worker can be terminated with work in flight, fifty times", async ({ folder, open }) => {
  const log = await open();
  const topic = await log.topic("t", { partitions: 2, value: json<{ id: number; i: number }>() });
  const producer = log.producer();
  for (const round of range(50)) {
    const thread = worker("share", { folder, id: round, endless: true });
    thread.on("error", (error) => assert.unreachable(String(error)));
    await once(thread, "message");
    await sleep(round % 7);
    await Promise.all([thread.terminate(), producer.send(topic, { value: { id: -1, i: round } })]);
  }
  // The store still works, and holds whole records only.
  const records = await all(log.consumer({ topics: [topic], until: "end" }));
  assert.equal(
    records
      .filter(({ value }) => value!.id === -1)
      .map(({ value }) => value!.i)
      .sort((a, b) => a - b),
    range(50),
  );
  assert.ok(records.every(({ value }) => value!.i >= 0));
}, 200_000);

test("a store that only a terminated worker had open is closed, and opens again", async ({ folder, open }) => {
  const thread = worker("share", { folder, id: 0, endless: true });
  await once(thread, "message");
  await sleep(20);
  await thread.terminate();
  const log = await open();
  const records = await all(log.consumer({ topics: [await log.openTopic("t")], until: "end" }));
  assert.ok(records.length >= 0);
}, 60_000);

run();
