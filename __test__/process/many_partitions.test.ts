// time limit: 300 s
// Ten thousand partitions fit one process: they open without a wait that grows with them, in bounded memory.

import * as assert from "uvu/assert";
import { string } from "../../ts/index.js";
import { start } from "../support/child.js";
import { range } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("many partitions");
const PARTITIONS = 10_000;

test("10,000 partitions open and are read in less than 300 MB", async ({ open, folder }) => {
  const log = await open();
  const topic = await log.topic("many", { partitions: PARTITIONS, value: string() });
  await using producer = log.producer();
  await producer.sendBatch(
    topic,
    range(PARTITIONS).map((partition) => ({ partition, value: `in ${partition}` })),
  );
  await log.close();
  const { out, err, code } = await start("many_partitions", folder).ended;
  assert.is(code, 0, err);
  const { openMs, records, residentMb } = JSON.parse(out);
  console.log(`opened in ${openMs} ms, ${residentMb} MB resident after reading all`);
  assert.is(records, PARTITIONS);
  assert.ok(residentMb < 300, `${residentMb} MB`);
}, 240_000);

run();
