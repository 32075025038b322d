// `tidelog import`, on the folders that a real Kafka broker left behind.

import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open } from "tidelog";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { flip, tidelog, withFolder } from "./tool.js";

const test = suite("import");
const LOG = fileURLToPath(new URL("../kafka/fixture/log", import.meta.url));

test("takes over a log folder, and refuses to do it twice", () =>
  withFolder(async (folder) => {
    const store = join(folder, "store");
    const first = await tidelog("import", LOG, store, "--json");
    assert.is(first.code, 0, first.err);
    assert.is(first.err, "", "no progress where nobody watches");
    const { topics, skipped, stopped } = JSON.parse(first.out);
    assert.equal(
      topics.map(({ name }: { name: string }) => name),
      ["appended", "compacted", "events", "trimmed"],
    );
    assert.equal(
      skipped.map(({ name }: { name: string }) => name),
      ["__transaction_state-0"],
    );
    assert.is(stopped, false);

    const tail = await tidelog("tail", store, "events", "-p", "1", "--until-end", "--json", "-n", "2");
    const values = tail.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).value);
    assert.equal(values, ["before any transaction", "committed 0.0 lorem ipsum "]);

    const second = await tidelog("import", LOG, store);
    assert.is(second.code, 3);
    assert.match(second.err, /^tidelog: topic "appended" holds records already, [^\n]*\(ERR_TIDELOG_TOPIC_EXISTS\)\n$/);
    assert.is((await tidelog("verify", store)).code, 0);
  }));

test("takes one partition's folder into a topic of another name", () =>
  withFolder(async (folder) => {
    const store = join(folder, "store");
    const { code, out, err } = await tidelog("import", join(LOG, "trimmed-0"), store, "--topic", "kept");
    assert.is(code, 0, err);
    assert.match(out, /^partition +log start +log end +records +size +left out\nkept-0 +\d+ +60 +\d+ /);
    await using log = await open(store, { readOnly: true });
    assert.equal(await log.topics(), ["kept"]);
  }));

test("a store that is open for writing is refused with the one who holds it", () =>
  withFolder(async (folder) => {
    const store = join(folder, "store");
    await using log = await open(store);
    const { code, err } = await tidelog("import", LOG, store);
    assert.is(code, 3);
    assert.match(err, new RegExp(`^tidelog: [^\\n]*\\b${process.pid}\\b[^\\n]*\\(ERR_TIDELOG_STORE_LOCKED\\)\\n$`));
    assert.equal(await log.topics(), []);
  }));

test("nothing is written when the folder is damaged", () =>
  withFolder(async (folder) => {
    const [copy, store] = [join(folder, "log"), join(folder, "store")];
    await cp(LOG, copy, { recursive: true });
    await flip(join(copy, "events-0", "00000000000000000000.log"), 100);
    const { code, err } = await tidelog("import", copy, store);
    assert.is(code, 3);
    assert.match(err, /^tidelog: [^\n]*events-0[^\n]*00000000000000000000\.log[^\n]*\n$/);
    assert.equal(JSON.parse((await tidelog("topics", store, "--json")).out), []);
  }));

test.run();
