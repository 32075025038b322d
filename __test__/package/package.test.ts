// time limit: 900 s
// The package as it would be published: what is in it, that it installs without compiler, network or scripts, and
// that programs of all kinds can use it.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "../job/folder.js";
import { outputOf, runNode } from "../job/program.js";
import { installInto, manifestOf, type Packed, packProject } from "./stage.js";

const ALLOWED = [
  /^dist\/[\w/]+\.js$/,
  /^prebuilds\/[\w-]+\/tidelog[\w.]*\.node$/,
  /^(index\.d\.ts|package\.json|README\.md|CHANGELOG\.md|LICENSE-MIT|LICENSE-APACHE)$/,
];
const WORK = `
  const orders = await log.topic("orders", { partitions: 2, key: string(), value: json() });
  const producer = log.producer();
  await producer.sendBatch(orders, [1, 2, 3].map((n) => ({ key: "same", value: { n } })));
  const { partition } = await producer.send(orders, { key: "same", value: { n: 4 } });
  const seen = [];
  for await (const record of log.consumer({ assign: [{ topic: orders, partition, offset: 0 }], until: "end" })) {
    seen.push(record.value.n);
  }
  await log.close();
  console.log(seen.join());`;

const test = suite("package");
let folder = "";
let packed: Packed;
let project = "";
let env: NodeJS.ProcessEnv = {};

/** Packs and installs once for all tests; whatever goes wrong is told by each. */
const ready = prepare();
ready.catch(() => {});

async function prepare(): Promise<void> {
  // Away from the project, whose node_modules would be found from inside of it.
  folder = await mkdtemp(join(tmpdir(), "tidelog-package-"));
  packed = await packProject(folder);
  ({ project, env } = await installInto(folder, packed.tarball));
}

test.before.each(() => ready);
test.after(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** Writes a program into the user's project and runs it there without any tool on the PATH. */
async function program(name: string, code: string): Promise<string> {
  await writeFile(join(project, name), code);
  return outputOf(runNode([name], { cwd: project, env }));
}

test("it holds only what is used, and all of it", () => {
  const strange = packed.files.filter((file) => !ALLOWED.some((pattern) => pattern.test(file)));
  assert.equal(strange, []);
  for (const file of [
    "dist/index.js",
    "dist/cli/main.js",
    "index.d.ts",
    "README.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
  ]) {
    assert.ok(packed.files.includes(file), `${file} is missing`);
  }
  assert.is(packed.files.filter((file) => file.endsWith(".node")).length, 1);
});

test("nothing runs when it is installed, and it depends on one small package", async () => {
  const { scripts, dependencies, exports } = await manifestOf(project);
  for (const name of ["preinstall", "install", "postinstall", "prepare", "prebuild"]) {
    assert.not((scripts as Record<string, string>)[name], name);
  }
  assert.equal(Object.keys(dependencies as object), ["node-gyp-build"]);
  assert.equal(Object.keys(exports as object), [".", "./package.json"]);
  assert.not(existsSync(join(project, "node_modules", "tidelog", "binding.gyp")));
  assert.not(existsSync(join(project, "node_modules", "tidelog", "build")));
});

test("an ES module writes and reads", async () => {
  const code = `import { json, open, string } from "tidelog"; const log = await open("./esm");${WORK}`;
  assert.is(await program("program.mjs", code), "1,2,3,4\n");
});

const commonjs = (process.features as { require_module?: boolean }).require_module ? test : test.skip;
commonjs("a CommonJS module writes and reads", async () => {
  const code = `const { json, open, string } = require("tidelog");
    (async () => { const log = await open("./cjs");${WORK} })();`;
  assert.is(await program("program.cjs", code), "1,2,3,4\n");
});

test("a worker thread writes and reads beside the main thread", async () => {
  const code = `import { Worker, isMainThread } from "node:worker_threads";
    import { json, open, string } from "tidelog";
    const log = await open(isMainThread ? "./main" : "./worker");${WORK}
    if (isMainThread) new Worker(new URL(import.meta.url));`;
  assert.is(await program("worker.mjs", code), "1,2,3,4\n1,2,3,4\n");
});

test("the command line tool is installed and answers", async () => {
  const tool = join(project, "node_modules", ".bin", "tidelog");
  assert.ok(existsSync(tool));
  assert.match(await outputOf(runNode([tool, "--help"], { cwd: project, env })), /tail/);
});

test("its types are complete for ES modules and CommonJS, strictly and without skipping the library", async () => {
  const code = `import { json, open, string } from "tidelog";
    export async function program(): Promise<number | undefined> {
      const log = await open("./typed");
      const orders = await log.topic("orders", { key: string(), value: json<{ n: number }>() });
      const { offset } = await log.producer().send(orders, { key: "k", value: { n: 1 } });
      // @ts-expect-error: a value of another type is refused
      await log.producer().send(orders, { key: "k", value: { m: 1 } });
      for await (const record of log.consumer({ assign: [{ topic: orders, partition: 0, offset }], until: "end" })) {
        const key: string | null = record.key;
        if (key !== null) return record.value?.n;
      }
      return undefined;
    }`;
  await writeFile(join(project, "typed.mts"), code);
  await writeFile(join(project, "typed.cts"), code);
  const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,esnext.disposable"];
  const module = ["--module", "nodenext", "--types", "node", "--typeRoots", join(root, "node_modules", "@types")];
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  await outputOf(runNode([tsc, ...options, ...module, "typed.mts", "typed.cts"], { cwd: project }));
});

test.run();
