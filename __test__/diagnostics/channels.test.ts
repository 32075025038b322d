// What listeners on diagnostics_channel are told.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import * as assert from "uvu/assert";
import { type CloseEvent, type ErrorEvent, type OpenEvent, type ProduceEvent, string } from "../../ts/index.js";
import { all, failure } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("diagnostics");

async function heard<E>(name: string, work: () => Promise<unknown>): Promise<E[]> {
  const events: E[] = [];
  const listen = (event: unknown) => events.push(event as E);
  subscribe(name, listen);
  try {
    await work();
  } finally {
    unsubscribe(name, listen);
  }
  return events;
}

test("opening and closing", async ({ folder, open }) => {
  const opened = await heard<OpenEvent>("tidelog:open", () => open());
  assert.equal(
    opened.map(({ path, readOnly }) => [path, readOnly]),
    [[folder, false]],
  );
  const log = await open();
  const closed = await heard<CloseEvent>("tidelog:close", () => log.close());
  assert.equal(closed, [{ path: folder, id: opened[0]!.id }]);
});

test("each group of records, stored or not", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string(), maxBatchBytes: 1000 });
  const producer = log.producer();
  const events = await heard<ProduceEvent>("tidelog:produce", async () => {
    await Promise.all([producer.send(topic, { value: "a" }), producer.send(topic, { value: "b" })]);
    await failure("ERR_TIDELOG_RECORD_TOO_LARGE", producer.send(topic, { value: "x".repeat(2000) }));
  });
  assert.equal(
    events.map(({ topic: name, records, error }) => [name, records, error?.code]),
    [
      ["t", 2, undefined],
      ["t", 1, "ERR_TIDELOG_RECORD_TOO_LARGE"],
    ],
  );
  assert.ok(events.every(({ bytes, durationMs }) => bytes > 0 && durationMs >= 0));
});

test("failures of producing and reading", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string(), maxBatchBytes: 1000 });
  const events = await heard<ErrorEvent>("tidelog:error", async () => {
    await failure("ERR_TIDELOG_RECORD_TOO_LARGE", log.producer().send(topic, { value: "x".repeat(2000) }));
    await failure(
      "ERR_TIDELOG_OFFSET_OUT_OF_RANGE",
      all(log.consumer({ assign: [{ topic, partition: 0, offset: 5 }] })),
    );
  });
  assert.equal(
    events.map(({ operation, error }) => [operation, error.code]),
    [
      ["produce", "ERR_TIDELOG_RECORD_TOO_LARGE"],
      ["read", "ERR_TIDELOG_OFFSET_OUT_OF_RANGE"],
    ],
  );
});

run();
