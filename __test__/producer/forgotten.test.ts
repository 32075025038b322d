// A producer that is forgotten without a close goes with the garbage, and what it has taken in is stored all the same.

import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as assert from "uvu/assert";
import { json, type Log, string, type Topic } from "../../ts/index.js";
import { failure, range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("forgotten producers");

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

async function producersOf(log: Log): Promise<number> {
  collect();
  await turn();
  return (await log.metrics()).producers.length;
}

function sendAndForget(log: Log, topic: Topic<Uint8Array, number>): void {
  for (const value of range(100)) assert.ok(log.producer().trySend(topic, { value }));
}

test("producers that nobody holds go, once all they have taken in is stored", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: json<number>() });
  const kept = log.producer();
  sendAndForget(log, topic);
  while ((await producersOf(log)) > 1) await turn();
  await kept.flush();
  assert.is((await topic.describe()).partitions[0]!.highWatermark, 100);
  assert.is((await log.metrics()).producers.length, 1);
});

function failAndForget(log: Log, topic: Topic<Uint8Array, string>): void {
  log.producer().trySend(topic, { value: "x".repeat(5000) });
  sendNothing(log);
}

function sendNothing(log: Log): void {
  for (const _ of range(10)) log.producer();
}

test("the close of the log tells of what a forgotten one could not be told", async ({ open }) => {
  const log = await open();
  const topic = await log.topic("t", { value: string(), maxBatchBytes: 1000 });
  failAndForget(log, topic);
  while ((await producersOf(log)) > 1) await turn();
  await failure("ERR_TIDELOG_RECORD_TOO_LARGE", log.close());
});

run();
