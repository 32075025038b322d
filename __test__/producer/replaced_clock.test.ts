// A clock that a test of the user's own has replaced: records get the system's time, whatever `Date` says.

import * as assert from "uvu/assert";
import { json } from "../../ts/index.js";
import { all } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("a replaced clock");

for (const year of [1970, 2040]) {
  test(`records, transactions and dead letters have their times where Date says ${year}`, async ({ open }) => {
    const log = await open({ durability: "fsync" });
    const topic = await log.topic("t", { value: json<number>() });
    const dead = await log.topic("dead", { value: json<number>() });
    const { now } = Date;
    const before = now();
    Date.now = () => Date.UTC(year, 0, 1);
    try {
      const { timestamp } = await log.producer().send(topic, { value: 0 });
      assert.ok(timestamp >= before && timestamp <= now());
      await log.transaction("w", (tx) => {
        tx.send(topic, { value: 1 });
      });
      const fails = () => {
        throw new Error("poison");
      };
      const report = await log
        .consumer({ group: "g", topics: [topic], until: "end" })
        .run(fails, { retry: { attempts: 1 }, deadLetter: dead });
      assert.is(report.deadLettered, 2);
      const times = async (of: typeof topic) =>
        (await all(log.consumer({ topics: [of], until: "end" }))).map((record) => record.timestamp);
      assert.equal(await times(dead), await times(topic));
    } finally {
      Date.now = now;
    }
  });
}

run();
