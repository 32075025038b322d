// `tidelog tail`: where it begins, when it ends, and how it follows a writer in another process.

import { type Log, open } from "tidelog";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Running, tidelog, withFolder } from "./tool.js";

const test = suite("tail");

/** Values `0`, `1`, ... from `first` on, a millisecond apart. */
async function send(log: Log, topic: string, first: number, count: number, partition?: number): Promise<void> {
  await using producer = log.producer();
  const handle = await log.openTopic(topic);
  const records = Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`k${first + i}`),
    value: Buffer.from(String(first + i)),
    timestamp: 1_700_000_000_000 + first + i,
    partition,
  }));
  await producer.sendBatch(handle, records);
}

function values(out: string): number[] {
  return out
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Number(JSON.parse(line).value));
}

test("reads from the beginning, an offset or a time up to the end, and no more than asked for", () =>
  withFolder(async (store) => {
    const log = await open(store);
    await log.topic("numbers");
    await send(log, "numbers", 0, 10);
    await log.close();
    const read = async (...args: string[]) => {
      const { code, out, err } = await tidelog("tail", store, "numbers", "--until-end", "--json", ...args);
      assert.is(code, 0, err);
      return values(out);
    };
    assert.equal(await read(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(await read("--from", "7"), [7, 8, 9]);
    assert.equal(await read("--from", new Date(1_700_000_000_005).toISOString(), "-n", "2"), [5, 6]);
    assert.equal(await read("--from", "latest"), []);
    for (const ago of [["--from", "-1h"], ["--from=-1h"], ["-f", "-1 h"], ["--from", "60 min ago"]]) {
      assert.equal(await read(...ago), [], `${ago}: the records are older`);
    }
    assert.is((await read("--from", "-2000w")).length, 10);
    assert.is((await read("--from", "2023-11-14T22:13:20.008Z")).length, 2);
    assert.is((await read("--from", "2023-11-14 23:13:20.008+01:00")).length, 2);
    assert.is((await read("--from", "2023-11-13")).length, 10);
    assert.equal(await read("-n", "0"), []);
    assert.equal(await read("--partition", "0", "-n", "1"), [0]);
  }));

test("prints only what a filter keeps, and says where a filter is wrong before it opens anything", () =>
  withFolder(async (store) => {
    const log = await open(store);
    await log.topic("numbers");
    await send(log, "numbers", 0, 20);
    await log.close();
    const read = (filter: string, ...args: string[]) =>
      tidelog("tail", store, "numbers", "-e", "--json", "--filter", filter, ...args);
    const kept = await read("key LIKE 'k1%' AND offset > 3");
    assert.equal([kept.code, values(kept.out)], [0, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]);
    assert.equal(values((await read("timestamp >= 1700000000005", "-n", "2")).out), [5, 6]);
    assert.equal(values((await read("headers.none = 'x'")).out), []);
    const wrong = await tidelog("tail", `${store}/nowhere`, "numbers", "--filter", "key == 'a'");
    assert.is(wrong.code, 2);
    const [line, text, mark] = wrong.err.split("\n");
    assert.is(line, "tidelog: the filter is wrong at character 5: there is no ==; write =");
    assert.equal([text, mark], ["  key == 'a'", "      ^"]);
  }));

test("follows a live writer, and ends in order at Ctrl-C", () =>
  withFolder(async (store) => {
    const log = await open(store);
    await log.topic("numbers", { partitions: 2 });
    await send(log, "numbers", 0, 2, 0);
    const running = new Running(["tail", store, "numbers", "--from", "earliest", "--json"]);
    await running.printed(2);
    await send(log, "numbers", 2, 2, 1);
    await running.printed(4);
    await send(log, "numbers", 4, 1, 0);
    const lines = await running.printed(5);
    assert.equal(values(lines.join("\n")).sort(), [0, 1, 2, 3, 4]);
    running.child.kill("SIGINT");
    const { code, signal, err } = await running.ended;
    assert.equal({ code, signal, err }, { code: 0, signal: null, err: "" });
    await log.close();
  }));

test("ends without a word when its reader goes away", () =>
  withFolder(async (store) => {
    const log = await open(store);
    await log.topic("numbers");
    await send(log, "numbers", 0, 5_000);
    const running = new Running(["tail", store, "numbers", "--from", "earliest"]);
    await running.printed(1);
    running.child.stdout?.destroy();
    // What it prints next finds nobody there.
    const pushing = setInterval(() => send(log, "numbers", 0, 1).catch(() => {}), 50);
    const { code, signal, err } = await running.ended;
    clearInterval(pushing);
    assert.equal({ code, signal, err }, { code: 0, signal: null, err: "" });
    await log.close();
  }));

test("a record can't send control characters to the terminal", () =>
  withFolder(async (store) => {
    const log = await open(store);
    const topic = await log.topic("hostile");
    await using producer = log.producer();
    const value = Buffer.from("\u001b[2J\u202eevil\nline \\ é");
    await producer.send(topic, { key: null, value, headers: [["h\u0007", null]], timestamp: 0 });
    const { out } = await tidelog("tail", store, "hostile", "--until-end");
    assert.is(out, "0:0  1970-01-01T00:00:00.000Z  [h\\u{7}=-]  -  \\u{1b}[2J\\u{202e}evil\\nline \\\\ é\n");
    const { out: json } = await tidelog("tail", store, "hostile", "--until-end", "--json");
    assert.is(JSON.parse(json).value, value.toString());
    await producer.close();
    await log.close();
  }));

test.run();
