// time limit: 600 s
// There and back: a real broker serves the partition folders that Tidelog wrote, takes more records, and its folders are
// imported again. Needs Java, and Maven to fetch the broker: runs where its jars were fetched before
// (`scripts/kafka/jars.mjs`), or with TIDELOG_KAFKA_TOOLS=1.

import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
// The scripts are plain JavaScript.
// @ts-expect-error: no types
import { java, makeBroker } from "../../scripts/kafka/broker.mjs";
// @ts-expect-error: no types
import { jarsArePresent, missing } from "../../scripts/kafka/jars.mjs";
import { type Log, open } from "../../ts/index.js";
import { tidelog } from "../cli/tool.js";
import { all, range } from "../support/expect.js";
import { type Context, suite } from "../support/suite.js";

const { test, skip, run } = suite("broker");

const COUNT = 400;
const MORE = 10;
const TIME = 1_700_000_000_000;
const LIMIT_MS = 400_000;

/** One record as Kafka's console consumer prints it. */
type Line = string;

/** Sends records, in small segments and several compressions, and gives them as they will be printed. */
async function send(log: Log, from: number, to: number): Promise<Line[]> {
  const topic = await log.openTopic("moved");
  const producer = log.producer();
  const lines: Line[] = [];
  for (let i = from; i < to; i += 20) {
    if (i % 100 === 0) await topic.alter({ compression: (["none", "zstd", "lz4", "snappy"] as const)[(i / 100) % 4]! });
    const records = range(20).map((n) => ({
      key: Buffer.from(`k${i + n}`),
      value: Buffer.from(`v${i + n}`),
      headers: [["h", `${i + n}`]] as const,
      timestamp: TIME + i + n,
      partition: (i / 20) % 2,
    }));
    const sent = await Promise.all(records.map((record) => producer.send(topic, record)));
    for (const [n, { partition, offset }] of sent.entries()) {
      const number = i + n;
      lines.push(
        `CreateTime:${TIME + number}\tPartition:${partition}\tOffset:${offset}\th:${number}\tk${number}\tv${number}`,
      );
    }
  }
  return lines;
}

/** Puts a closed store's segments in the place of those of the broker's empty partition, as docs/kafka.md tells. */
function hand(store: string, logs: string): void {
  for (const partition of ["moved-0", "moved-1"]) {
    const target = join(logs, partition);
    for (const name of readdirSync(target)) {
      if (name !== "partition.metadata") rmSync(join(target, name));
    }
    for (const name of readdirSync(join(store, partition))) {
      if (/^\d{20}\.log$/.test(name)) cpSync(join(store, partition, name), join(target, name));
    }
  }
}

async function thereAndBack({ folder }: Context): Promise<void> {
  const store = join(folder, "store");
  const first = await open(store);
  await first.topic("moved", { partitions: 2, segment: { bytes: 2048 } });
  const lines = await send(first, 0, COUNT / 2);
  await first.close();
  // Opened again, so that the leader epoch rises within a log.
  const second = await open(store);
  lines.push(...(await send(second, COUNT / 2, COUNT)));
  await second.close();

  const broker = await makeBroker(join(folder, "kafka"));
  const client = ["--bootstrap-server", broker.bootstrap, "--topic", "moved"];
  try {
    await broker.start();
    const create = ["--create", "--partitions", "2", "--config", "retention.ms=-1"];
    await java(["org.apache.kafka.tools.TopicCommand", ...client, ...create]);
    await broker.stop();
    hand(store, broker.logs);
    await broker.start();
    const shown = ["timestamp", "partition", "offset", "headers", "key"];
    const printed: string = await java([
      "org.apache.kafka.tools.consumer.ConsoleConsumer",
      ...client,
      ...["--from-beginning", "--max-messages", `${COUNT}`, "--timeout-ms", "60000"],
      ...shown.flatMap((field) => ["--formatter-property", `print.${field}=true`]),
    ]);
    const served = printed.split("\n").filter((line) => line.startsWith("CreateTime:"));
    assert.equal(served.sort(), lines.sort());
    await java([
      "org.apache.kafka.tools.ProducerPerformance",
      ...["--topic", "moved", "--num-records", `${MORE}`, "--record-size", "20", "--throughput", "-1"],
      ...["--producer-props", `bootstrap.servers=${broker.bootstrap}`],
    ]);
  } finally {
    await broker.stop();
  }

  const back = join(folder, "back");
  const { code, err } = await tidelog("import", broker.logs, back);
  assert.is(code, 0, err);
  const log = await open(back);
  try {
    const records = await all(log.consumer({ topics: ["moved"], until: "end" }));
    const own = records.filter(({ key }) => key !== null);
    const returned = own.map(({ timestamp, partition, offset, headers, key, value }) => {
      const [[name, text]] = headers as [[string, Buffer]];
      return `CreateTime:${timestamp}\tPartition:${partition}\tOffset:${offset}\t${name}:${text}\t${key}\t${value}`;
    });
    assert.equal(returned.sort(), lines);
    assert.is(records.length, COUNT + MORE);
  } finally {
    await log.close();
  }
}

const reason: string | undefined = await (async () => {
  if (process.env["TIDELOG_KAFKA_TOOLS"] !== "1" && !jarsArePresent("broker")) {
    return "a Kafka broker was not fetched before; set TIDELOG_KAFKA_TOOLS=1 to have Maven fetch it";
  }
  const absent = await missing("java", ["-version"]);
  return absent ?? (jarsArePresent("broker") ? undefined : await missing("mvn", ["-v"]));
})();

const title = "serves Tidelog's partition folders and takes more records; its own are imported again";
if (reason === undefined) test(title, thereAndBack, LIMIT_MS);
else {
  console.log(`skipped: ${reason}`);
  skip(title, reason);
}

run();
