// Each example runs by the one command that its header gives, and does what it says.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { header, open } from "../../ts/index.js";
import { all } from "../support/expect.js";
import { root, withFolder } from "./folder.js";
import { outputOf, runNode } from "./program.js";

/** Runs an example in a folder of its own, with the command of its header; `look` sees the folder before it goes, and may run it again. */
function example(
  name: string,
  look = async (_folder: string, _again: () => Promise<string>): Promise<void> => {},
): Promise<string> {
  const file = `examples/${name}.ts`;
  const command = `node --import tsx ${file}`;
  assert.ok(readFileSync(join(root, file), "utf8").includes(`// ${command} [folder]\n`));
  return withFolder(async (folder) => {
    const runIt = () => outputOf(runNode([...command.split(" ").slice(1), folder]));
    const output = await runIt();
    await look(folder, runIt);
    return output;
  });
}

test("quickstart writes three orders and reads them back", async () => {
  const lines = (await example("quickstart")).trimEnd().split("\n");
  assert.equal(lines, [
    "tea is durable at partition 0, offset 0",
    "rice is durable at partition 0, offset 1",
    "salt is durable at partition 0, offset 2",
    "0: o-0 = 1 tea",
    "1: o-1 = 2 rice",
    "2: o-2 = 3 salt",
  ]);
});

test("follow sees each reading as it is written", async () => {
  const lines = (await example("follow")).trimEnd().split("\n");
  assert.is(lines.length, 10);
  lines.forEach((line, i) => {
    assert.match(line, new RegExp(`^${i}: kitchen ${20 + i / 10} °C, \\d+\\.\\d ms after it was sent$`));
  });
});

test("raw copies every batch to the same offsets", async () => {
  const lines = (await example("raw")).trimEnd().split("\n");
  assert.is(lines.length, 2);
  const counts = lines.map((line, i) => {
    const found = new RegExp(`^partition ${i}: (\\d+) bytes of batches copied, records 0 to (\\d+)$`).exec(line);
    assert.ok(found, line);
    assert.ok(Number(found?.[1]) > 1_000);
    return Number(found?.[2]) + 1;
  });
  assert.is(
    counts.reduce((a, b) => a + b),
    1_000,
  );
});

test("billing invoices each order once, although it is stopped in the middle", async () => {
  const lines = (await example("billing")).trimEnd().split("\n");
  assert.is(lines.length, 4);
  assert.is(lines[0], "the first run ends with AbortError");
  const found = /^the second handles (\d+) orders and gives up on (\d+)$/.exec(lines[1]!);
  assert.ok(found, lines[1]);
  assert.ok(Number(found?.[1]) > 0 && Number(found?.[1]) <= 40);
  assert.equal(lines.slice(2), ["40 orders have an invoice, 0 more than one", "group billing is 0 behind"]);
});

test("billing that is run again goes on with other orders, and invoices each once", async () => {
  let again: string[] = [];
  await example("billing", async (_folder, runAgain) => {
    again = (await runAgain()).trimEnd().split("\n");
  });
  assert.equal(again.slice(2), ["80 orders have an invoice, 0 more than one", "group billing is 0 behind"]);
});

test("shipping handles each order once, although a worker leaves in the middle", async () => {
  const lines = (await example("shipping")).trimEnd().split("\n");
  assert.ok(lines.includes("ben leaves"));
  assert.ok(lines.filter((line) => /^(ann|ben|eve) begins with 2 partitions$/.test(line)).length >= 1);
  assert.ok(lines.includes("2 members, who own 3 and 3 partitions"));
  assert.is(lines.at(-1), "196 of 200 orders are shipped, 4 are put aside");
});

test("orders: each service gets every event, and one that comes late replays them without the others noticing", async () => {
  const lines = (await example("orders/main")).trimEnd().split("\n");
  assert.equal(lines, [
    "orders    21 events: 3 open, 6 packed, 3 cancelled",
    "shipping  21 events: parcels p-0 p-10 p-2 p-4 p-6 p-8",
    "pricing   21 events: 10 rice, 10 salt, 10 tea",
    "meanwhile orders and shipping stayed where they were",
    "then one more event: orders 22, shipping 22, pricing 22",
  ]);
});

test("orders that are run again know what was before", async () => {
  let again: string[] = [];
  await example("orders/main", async (_folder, runAgain) => {
    again = (await runAgain()).trimEnd().split("\n");
  });
  assert.is(again[0], "orders    43 events: 7 open, 12 packed, 6 cancelled");
  assert.is(again[2], "pricing   43 events: 20 rice, 20 salt, 22 tea");
  assert.is(again[4], "then one more event: orders 44, shipping 44, pricing 44");
});

test("opentelemetry: a trace goes from producer to consumer to producer, in the headers of records", async () => {
  const traces = ["4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"];
  const lines = (
    await example("opentelemetry/main", async (folder) => {
      await using log = await open(folder);
      const parents = new Map<string, string[]>();
      for (const name of ["orders", "invoices"]) {
        const records = await all(log.consumer({ topics: [await log.openTopic(name)], until: "end" }));
        parents.set(
          name,
          records.map((record, i) => {
            assert.is(record.headers.length, 2);
            assert.is(header(record, "tracestate")?.toString(), `shop=${i}`);
            const found = /^00-(\w{32})-(\w{16})-01$/.exec(`${header(record, "traceparent")}`);
            assert.is(found?.[1], traces[i]);
            return found![2]!;
          }),
        );
      }
      assert.is(new Set([...parents.values()].flat()).size, 4, "each record has a span of its own");
    })
  )
    .trimEnd()
    .split("\n");
  assert.equal(lines, [
    "invoices of 12 in all",
    ...traces.flatMap((trace, i) => [
      `trace ${trace}, state shop=${i}`,
      "  send orders",
      "    process orders",
      "      create invoices",
    ]),
    `process invoices, 2 records, with links to ${traces.join(" and ")}`,
  ]);
});

test.run();
