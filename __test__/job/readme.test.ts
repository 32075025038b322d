// The README's code is run as it stands there, in plain Node.js; what it says about commands and files is true.
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { root, withFolder } from "./folder.js";
import { outputOf, runNode } from "./program.js";

const readme = readFileSync(join(root, "README.md"), "utf8");

test("the first program of the README runs and prints the event", async () => {
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1];
  assert.type(code, "string");
  await withFolder(async (folder) => {
    await writeFile(join(folder, "program.mjs"), code ?? "");
    assert.is(await outputOf(runNode(["program.mjs"], { cwd: folder })), "o-1 tea 3\n");
    assert.ok(existsSync(join(folder, "data", "meta.properties")));
  });
});

test("its programs of exactly once run, on what the first one would have made", async () => {
  const code = /```js\n\/\/ Reads orders([\s\S]*?)```/.exec(readme)?.[1];
  assert.type(code, "string");
  const before = `
    import { json, open, string } from "tidelog";
    const log = await open("./data");
    const orders = await log.topic("orders", { partitions: 4, key: string(), value: json() });
    const invoices = await log.topic("invoices", { key: string(), value: json() });
    const accounts = await log.topic("accounts", { key: string(), value: json() });
    const producer = log.producer();
    await producer.send(orders, { key: "o-1", value: { item: "tea", amount: 3 } });
  `;
  const after = `
    console.log((await invoices.get({ offset: 0 })).value.total, (await accounts.get({ offset: 2 })).value);
    await log.close();
  `;
  await withFolder(async (folder) => {
    await writeFile(join(folder, "program.mjs"), `${before}//${code}${after}`);
    assert.is(await outputOf(runNode(["program.mjs"], { cwd: folder })), "shipped o-1\n12 5\n");
  });
});

test("it has about ten lines of code", () => {
  const lines =
    /```js\n([\s\S]*?)```/
      .exec(readme)?.[1]
      ?.split("\n")
      .filter((line) => line.trim() !== "") ?? [];
  assert.ok(lines.length <= 10, `${lines.length} lines`);
});

test("durability is stated by naming the failure", () => {
  assert.match(readme, "power loss");
  assert.match(readme, "kill -9");
});

test("every npm command and every link to a file exists", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const documents = [readme, readFileSync(join(root, "CONTRIBUTING.md"), "utf8")];
  for (const text of documents) {
    for (const [, name = ""] of text.matchAll(/npm run ([\w:]+)/g)) assert.ok(scripts[name], `npm run ${name}`);
    for (const [, path = ""] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      assert.ok(existsSync(join(root, path)), path);
    }
  }
  assert.ok(scripts.start);
  assert.ok(scripts.test);
});

test.run();
