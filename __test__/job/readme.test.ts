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

test("the programs of README and docs run in the order they stand in, and a second time on the same store", async () => {
  await withFolder(async (folder) => {
    const outputs: string[] = [];
    for (const _ of ["first", "second"]) {
      let output = "";
      for (const file of ["README.md", "docs/groups.md", "docs/compaction.md", "docs/backup.md"]) {
        for (const [i, program] of programsOf(readFileSync(join(root, file), "utf8")).entries()) {
          await writeFile(join(folder, "program.mjs"), program);
          const ended = runNode(["program.mjs"], { cwd: folder });
          output += await outputOf(ended).catch((error: Error) => {
            throw new Error(`program ${i + 1} of ${file}: ${error.message}`);
          });
        }
      }
      outputs.push(output);
    }
    // The second time there are more records, and so more lines, but no others.
    const expected = ["o-1 tea 3", "shipped o-1", "packed tea", "monday: N bytes shared, N copied", "restored o-1"];
    for (const output of outputs) {
      const lines = output.trimEnd().replaceAll(/\b\d+(?= (bytes|copied))/g, "N");
      assert.equal([...new Set(lines.split("\n"))], expected);
    }
  });
});

/** The programs of a document: one begins with its imports, and code without any goes on with the one before. */
function programsOf(text: string): string[] {
  const programs: string[] = [];
  for (const [, code = ""] of text.matchAll(/```js\n([\s\S]*?)```/g)) {
    if (code.startsWith("import ")) programs.push(code);
    else programs[programs.length - 1] += code;
  }
  return programs;
}

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
