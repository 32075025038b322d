// The binding as it was built fits what TypeScript expects of it: its generated types are given to the compiler.

import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import * as assert from "uvu/assert";
import { suite } from "../support/suite.js";

const { test, skip, run } = suite("the binding's types");

const root = fileURLToPath(new URL("../..", import.meta.url));
const generated = `${root}build/Release/tidelog.d.ts`;

const PROGRAM = `
import type { Binding } from "../../ts/binding.js";
import type * as generated from "../Release/tidelog.js";
declare const binding: typeof generated;
export const expected: Binding = binding;
`;

if (existsSync(generated)) {
  test("fit", async () => {
    const file = `${root}build/test/binding_types.ts`;
    await mkdir(`${root}build/test`, { recursive: true });
    await writeFile(file, PROGRAM);
    const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [file] }, ts.sys, root);
    const problems = ts.getPreEmitDiagnostics(ts.createProgram([file], { ...options, noUnusedLocals: false }));
    const text = ts.formatDiagnostics(problems, {
      getCanonicalFileName: (name) => name,
      getCurrentDirectory: () => root,
      getNewLine: () => "\n",
    });
    assert.is(text, "");
  }, 60_000);
} else {
  skip("fit", "the addon was built without its types");
}

run();
