// time limit: 300 s
// The main job on a part of its data: it checks itself byte for byte, so here it is about its options, its folder
// and its summary, and about the data set being read right.
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readFlights } from "../../examples/flights/dataset.js";
import { KeyedDigest } from "../../examples/flights/digest.js";
import { readOptions } from "../../examples/flights/options.js";
import { withFolder } from "./folder.js";
import { type Ended, runNode } from "./program.js";

function job(...args: string[]): Promise<Ended> {
  return runNode(["--import", "tsx", "examples/flights/main.ts", ...args], { limit: 240 });
}

test("the data set is 3,000,000 flights in order, of the first half of 2001", async () => {
  let count = 0;
  let last = Number.NEGATIVE_INFINITY;
  for await (const { times, flights } of readFlights(3_000_000)) {
    if (count === 0) {
      const first = { date: "2001-01-01T00:01:00.000Z", delay: 33, distance: 2176, origin: "LAS", destination: "PHL" };
      assert.equal(flights[0], first);
    }
    for (const time of times) {
      if (!(time >= last)) throw new Error(`flight ${count} is of ${time}, after one of ${last}`);
      last = time;
      count++;
    }
  }
  assert.is(count, 3_000_000);
  // One flight of the very last minute is written down as 24:00.
  assert.is(last, Date.UTC(2001, 6, 1));
});

test("a count that ends inside a row group reads exactly so many", async () => {
  let count = 0;
  for await (const { flights } of readFlights(272_730)) {
    count += flights.length;
    assert.ok(flights.every(({ origin, destination, date }) => origin !== "" && destination !== "" && date !== ""));
  }
  assert.is(count, 272_730);
});

test("the job writes, replays, checks and sums up, then removes its folder", async () => {
  await withFolder(async (parent) => {
    const folder = join(parent, "flights");
    const { code, out, err } = await job("--flights", "20000", "--partitions", "3", "--folder", folder);
    assert.is(code, 0, err);
    assert.match(out, /^records +20,000 in 3 partitions/m);
    assert.match(out, /^durability +fsync \(acknowledged = survives power loss\)$/m);
    assert.match(out, /^written +[\d,]+ records\/s as bytes, [\d,]+ records\/s as JSON$/m);
    assert.match(out, /^replayed +[\d,]+ records\/s as bytes, [\d,]+ records\/s as JSON$/m);
    assert.match(out, /^checked +every record came back byte for byte, in order per key$/m);
    assert.match(out, /^first after a time +2001-01-01T\S+Z [A-Z]{3} to [A-Z]{3}, /m);
    assert.match(err, /^writing .*20,000 of 20,000/m);
    assert.not(existsSync(folder));
  });
});

test("--keep leaves a store that the job makes afresh the next time", async () => {
  await withFolder(async (parent) => {
    const args = ["--flights", "1000", "--durability", "buffered", "--keep", "--folder", join(parent, "flights")];
    for (let run = 0; run < 2; run++) {
      const { code, out, err } = await job(...args);
      assert.is(code, 0, err);
      assert.match(out, /^records +1,000 in 4 partitions/m);
      assert.match(out, /buffered \(acknowledged = survives a kill only\)/);
    }
    assert.ok((await readdir(join(parent, "flights"))).includes("flights-0"));
  });
});

test("a folder with files of others is refused and left alone", async () => {
  await withFolder(async (parent) => {
    const folder = join(parent, "photos");
    await mkdir(folder);
    await writeFile(join(folder, "holiday.jpg"), "precious");
    const { code, err } = await job("--flights", "10", "--folder", folder);
    assert.is(code, 1);
    assert.match(err, /holds files that this job did not make/);
    assert.equal(await readdir(folder), ["holiday.jpg"]);
  });
});

test("wrong options are named with what was expected", () => {
  assert.throws(() => readOptions(["--flights", "0"]), /--flights is a whole number from 1 to 3000000, not "0"/);
  assert.throws(() => readOptions(["--partitions", "4.5"]), /--partitions/);
  assert.throws(() => readOptions(["--durability", "maybe"]), /"fsync" or "buffered", not "maybe"/);
  assert.throws(() => readOptions(["--fligths", "10"]), /--fligths/);
  const options = readOptions(["--flights", "100_000"]);
  assert.is(typeof options === "object" && options.flights, 100_000);
});

test("the digest notices a changed byte, a changed order, a changed time and a moved boundary", () => {
  const digestOf = (...records: [number, string][]) => {
    const digest = new KeyedDigest();
    for (const [time, value] of records) digest.add("k", time, Buffer.from(value));
    return digest.finish().get("k");
  };
  const same = digestOf([1, "ab"], [2, "c"]);
  assert.is(digestOf([1, "ab"], [2, "c"]), same);
  assert.is.not(digestOf([1, "ab"], [2, "d"]), same);
  assert.is.not(digestOf([2, "c"], [1, "ab"]), same);
  assert.is.not(digestOf([1, "ab"], [3, "c"]), same);
  assert.is.not(digestOf([1, "a"], [2, "bc"]), same);
  assert.is.not(digestOf([1, "ab"]), same);
  const long = "x".repeat(100_000);
  assert.is(digestOf([1, long]), digestOf([1, long]));
  assert.is.not(digestOf([1, long]), digestOf([1, `${long.slice(1)}y`]));
});

test.run();
