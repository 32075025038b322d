// What `topics`, `describe`, `dump` and `verify` say about a store, sound and damaged.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { open } from "tidelog";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { flip, tidelog, withFolder } from "./tool.js";

const test = suite("looking into a store");
const SEGMENT = "orders-0/00000000000000000000.log";

/** Two topics; `orders` has three records in one batch in partition 0, the last one with bytes that are not text. */
async function fill(store: string): Promise<void> {
  await using log = await open(store);
  await log.topic("empty", { partitions: 2 });
  const orders = await log.topic("orders", { compression: "lz4" });
  await using producer = log.producer();
  await producer.sendBatch(orders, [
    {
      key: Buffer.from("o-1"),
      value: Buffer.from("first"),
      headers: [["source", "web"]],
      timestamp: 1_700_000_000_000,
    },
    { key: null, value: null, timestamp: 1_700_000_000_001 },
    { key: Buffer.from("o-3"), value: Buffer.from([0xff, 0x00]), timestamp: 1_700_000_000_002 },
  ]);
}

test("topics lists every topic with its size", () =>
  withFolder(async (store) => {
    await fill(store);
    const json = await tidelog("topics", store, "--json");
    assert.is(json.code, 0, json.err);
    const found = JSON.parse(json.out);
    assert.equal(
      found.map(({ name, partitions, offsets }: Record<string, unknown>) => ({ name, partitions, offsets })),
      [
        { name: "empty", partitions: 2, offsets: 0 },
        { name: "orders", partitions: 1, offsets: 3 },
      ],
    );
    const text = await tidelog("topics", store);
    assert.match(text.out, /^topic +partitions +offsets +size +durability\nempty +2 +0 +0 B +fsync\norders +1 +3 /);
  }));

test("groups tells what groups have committed, also beside the program that does", () =>
  withFolder(async (store) => {
    await fill(store);
    await using log = await open(store);
    await using consumer = log.consumer({ topics: ["orders"], group: "shop", until: "end", delivery: "manual" });
    for await (const record of consumer) if (record.offset === 1) await record.commit();
    const json = await tidelog("groups", "list", store, "--json");
    assert.is(json.code, 0, json.err);
    assert.equal(JSON.parse(json.out), [{ name: "shop", partitions: 1, lag: 1 }]);
    const described = await tidelog("groups", "describe", store, "shop", "--json");
    const { name, offsets } = JSON.parse(described.out);
    assert.equal([name, offsets[0].topic, offsets[0].offset, offsets[0].lag], ["shop", "orders", 2, 1]);
    const text = await tidelog("groups", "describe", store, "shop");
    assert.match(text.out, /^topic +partition +offset +high watermark +lag +committed.*\norders +0 +2 +3 +1 +20/);
    const wrong = await tidelog("groups", store);
    assert.match(wrong.err, /"groups" needs one of list, describe, reset, delete behind it/);
  }));

test("groups reset and delete change what is committed, alone with the store", () =>
  withFolder(async (store) => {
    await fill(store);
    const log = await open(store);
    await using consumer = log.consumer({ topics: ["orders"], group: "shop", until: "end" });
    for await (const record of consumer) assert.is(record.partition, 0);
    const locked = await tidelog("groups", "reset", store, "shop", "--to", "earliest", "--yes");
    assert.is(locked.code, 3);
    assert.match(locked.err, /ERR_TIDELOG_STORE_LOCKED/);
    await log.close();

    const unasked = await tidelog("groups", "reset", store, "shop", "--to", "1");
    assert.equal([unasked.code, unasked.out], [2, ""]);
    assert.match(
      unasked.err,
      /^orders-0: 3 becomes 1, lag 2\ntidelog groups reset: there is nobody to ask, .*; --yes does it; /,
    );
    const dry = await tidelog("groups", "reset", store, "shop", "--to", "1", "--dry-run");
    assert.equal([dry.code, dry.err], [0, ""]);
    assert.match(dry.out, /^topic +partition +before +offset +lag\norders +0 +3 +1 +2\n$/);
    const beyond = await tidelog("groups", "reset", store, "shop", "--to", "9", "--dry-run");
    assert.equal([beyond.code, beyond.out], [3, ""]);
    assert.match(beyond.err, /offset 9 of orders-0 is out of range: it holds 0 to 3/);
    const reset = await tidelog("groups", "reset", store, "shop", "--to", "1", "-y");
    assert.is(reset.code, 0, reset.err);
    assert.match(reset.out, /^topic +partition +before +offset +lag\norders +0 +3 +1 +2\n$/);
    const json = await tidelog("groups", "reset", store, "shop", "--to", "2023-11-14T22:13:20.002Z", "--json", "-y");
    const [{ before, offset }] = JSON.parse(json.out).offsets;
    assert.equal([before, offset], [1, 2]);
    const begun = await tidelog(
      "groups",
      "reset",
      store,
      "mail",
      "--topic",
      "empty",
      "-p",
      "1",
      "--to",
      "latest",
      "-y",
    );
    assert.match(begun.out, /\nempty +1 +- +0 +0\n$/);

    const wrong: [string[], number, RegExp][] = [
      [["reset", store, "shop"], 2, /--to is missing/],
      [["reset", store, "shop", "--to", "soon"], 2, /--to must be earliest, latest, an offset or a time, not soon/],
      [["reset", store, "none", "--to", "latest"], 3, /no group "none" has committed anything/],
      [["reset", store, "shop", "--to", "9", "-y"], 3, /ERR_TIDELOG_OFFSET_OUT_OF_RANGE/],
      [["delete", store, "none"], 3, /no group "none" has committed anything/],
      [["delete", `${store}/none`, "shop"], 3, /ERR_TIDELOG_NOT_A_STORE/],
    ];
    for (const [args, code, message] of wrong) {
      const ended = await tidelog("groups", ...args);
      assert.is(ended.code, code, ended.err);
      assert.match(ended.err, message);
    }

    const kept = await tidelog("groups", "delete", store, "shop");
    assert.equal([kept.code, kept.out], [2, ""]);
    const would = await tidelog("groups", "delete", store, "shop", "--dry-run");
    assert.is(would.out, "shop: would be forgotten, with the offsets of 1 partition(s)\n");
    const deleted = await tidelog("groups", "delete", store, "shop", "--yes");
    assert.match(deleted.out, /^shop: forgotten, with the offsets of 1 partition\(s\)\n$/);
    assert.equal(JSON.parse((await tidelog("groups", "list", store, "--json")).out), [
      { name: "mail", partitions: 1, lag: 0 },
    ]);
  }));

test("describe shows configuration and ends", () =>
  withFolder(async (store) => {
    await fill(store);
    const json = await tidelog("describe", store, "orders", "--json");
    assert.is(json.code, 0, json.err);
    const { config, partitions } = JSON.parse(json.out);
    assert.is(config.compression, "lz4");
    assert.is(partitions[0].highWatermark, 3);
    const text = await tidelog("describe", store, "orders");
    assert.match(text.out, /compression: lz4/);
    assert.match(text.out, /\n +0 +0 +3 +1 /);
  }));

test("dump shows batches and their records as they stand in the file", () =>
  withFolder(async (store) => {
    await fill(store);
    const json = await tidelog("dump", join(store, SEGMENT), "--records", "--json");
    assert.is(json.code, 0, json.err);
    const batches = json.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.is(batches.length, 1);
    const [{ records, ...batch }] = batches;
    assert.is(batch.position, 0);
    assert.is(batch.lastOffset, 2);
    assert.is(batch.compression, "lz4");
    assert.is(batch.crcOk, true);
    // The first of the store's first opening.
    assert.equal([batch.producerId, batch.producerEpoch, batch.baseSequence], [String(2 ** 32), 0, 0]);
    assert.equal(records, [
      { offset: 0, timestamp: 1_700_000_000_000, key: "o-1", value: "first", headers: [["source", "web"]] },
      { offset: 1, timestamp: 1_700_000_000_001, key: null, value: null, headers: [] },
      { offset: 2, timestamp: 1_700_000_000_002, key: "o-3", value: { base64: "/wA=" }, headers: [] },
    ]);
    const text = await tidelog("dump", join(store, SEGMENT), "-r");
    assert.match(text.out, /^byte 0 {2}offsets 0-2 {2}3 records .* lz4 {2}crc ok /);
    assert.match(text.out, / {2}2 {2}2023-11-14T22:13:20.002Z {2}o-3 {2}0xff00\n/);
  }));

test("verify passes a sound store and names the place of damage in another", () =>
  withFolder(async (store) => {
    await fill(store);
    const sound = await tidelog("verify", store);
    assert.is(sound.code, 0, sound.out + sound.err);
    assert.match(sound.out, /3 partitions, .* 1 batches, 3 records, .*: all hold\n$/);
    assert.is(sound.err, "", "no progress where nobody watches");

    await flip(join(store, SEGMENT), 80);
    const damaged = await tidelog("verify", join(store, "orders-0"), "--json");
    assert.is(damaged.code, 1, damaged.out + damaged.err);
    const { problems } = JSON.parse(damaged.out);
    assert.match(problems[0].file, /00000000000000000000\.log$/);
    assert.is(problems[0].position, 0);
    assert.is(problems[0].offset, 0);
    assert.is(problems[0].recordsAffected, true);
    assert.match((await tidelog("verify", store)).out, /^DAMAGED: .*\.log at byte 0, offset 0: /);

    const dumped = await tidelog("dump", join(store, SEGMENT));
    assert.is(dumped.code, 1);
    assert.match(dumped.out, /^DAMAGED at byte 0, where offset 0 should be: /);
  }));

test("verify finds what keeps a store from being opened", () =>
  withFolder(async (store) => {
    await fill(store);
    for (const [file, said] of [
      ["checkpoint", /DAMAGED: .*checkpoint at byte 0/],
      ["meta.properties", /DAMAGED: .*meta\.properties at byte 0/],
      ["topics/orders", /DAMAGED: .*topics.orders at byte 0/],
    ] as const) {
      const path = join(store, file);
      const whole = await readFile(path);
      await writeFile(path, "");
      const { code, out } = await tidelog("verify", store);
      assert.is(code, 1, out);
      assert.match(out, said);
      await writeFile(path, whole);
    }
    assert.is((await tidelog("verify", store)).code, 0);
  }));

test("verify refuses a folder that is no store, with the words of the other commands", () =>
  withFolder(async (folder) => {
    await mkdir(join(folder, "x-1"));
    for (const meta of [undefined, "version=1\ncluster.id=abc\nnode.id=1\n"]) {
      if (meta !== undefined) await writeFile(join(folder, "meta.properties"), meta);
      const { code, err } = await tidelog("verify", folder);
      const topics = await tidelog("topics", folder);
      assert.is(code, topics.code);
      assert.is(err.replace("tidelog verify", ""), topics.err.replace("tidelog topics", ""));
    }
  }));

test("looking changes nothing", () =>
  withFolder(async (store) => {
    await fill(store);
    const before = await contents(store);
    for (const args of [
      ["topics", store],
      ["describe", store, "orders"],
      ["verify", store],
    ])
      await tidelog(...args);
    await tidelog("tail", store, "orders", "--until-end");
    assert.equal(await contents(store), before);
  }));

async function contents(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path, (await readFile(path)).toString("base64"));
  }
  return files;
}

test.run();
