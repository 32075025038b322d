// What a program is told that finds no native part: each cause by a child process that has it, or by what it is told of
// another machine.

import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { explained, type Surroundings } from "../../ts/missing_native.js";
import { root } from "../job/folder.js";
import { runNode } from "../job/program.js";

const PROGRAM = (from: string) => `import { open } from ${JSON.stringify(from)};
open("./data").then(() => console.log("opened"), (error) => console.log(error.code, error.message));`;

/** Runs a program in a project that has the package without its addon; `prepare` is given the package's folder. */
async function told(prepare: (at: string) => Promise<unknown>, flags: string[] = [], loader = true): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "tidelog-native-")));
  try {
    const at = join(folder, "node_modules", "tidelog");
    await mkdir(at, { recursive: true });
    await cp(join(root, "dist"), join(at, "dist"), { recursive: true });
    await cp(join(root, "package.json"), join(at, "package.json"));
    if (loader)
      await symlink(join(root, "node_modules", "node-gyp-build"), join(folder, "node_modules", "node-gyp-build"));
    await writeFile(join(folder, "program.mjs"), PROGRAM("tidelog"));
    await prepare(at);
    const { out, err } = await runNode([...flags, "program.mjs"], { cwd: folder });
    assert.match(
      out,
      /^ERR_TIDELOG_NO_NATIVE the native part of tidelog can't be loaded \(linux-x64, glibc [\d.]+\): /,
      err,
    );
    return out;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("a package without the addon is to be installed anew", async () => {
  assert.match(
    await told(async () => {}),
    /there is none in .*node_modules\/tidelog\/; install the package anew on this/,
  );
});

test("a package of other platforms names them", async () => {
  const text = await told((at) => mkdir(join(at, "prebuilds", "darwin-arm64"), { recursive: true }));
  assert.match(text, /the package has it for darwin-arm64 only; run there/);
});

test("an addon that does not load is to be installed anew", async () => {
  const text = await told(async (at) => {
    await mkdir(join(at, "prebuilds", "linux-x64"), { recursive: true });
    await writeFile(join(at, "prebuilds", "linux-x64", "tidelog.glibc.node"), "torn");
  });
  assert.match(text, /it is there and does not load: .*tidelog\.glibc\.node.*; install the package anew/);
});

test("a package without its loader says so", async () => {
  assert.match(
    await told(async () => {}, [], false),
    /its loader is not installed: Cannot find module 'node-gyp-build'/,
  );
});

const withAddon = async (at: string) => {
  await mkdir(join(at, "prebuilds", "linux-x64"), { recursive: true });
  await symlink(
    join(root, "build", "Release", "tidelog.node"),
    join(at, "prebuilds", "linux-x64", "tidelog.glibc.node"),
  );
};

test("Node's permission model names the flag that it takes", async () => {
  const model = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
  const text = await told(withAddon, [model, "--allow-fs-read=*", "--allow-fs-write=*"]);
  assert.match(text, /Node's permission model keeps native addons out; start node with --allow-addons, /);
});

test("--no-addons is named", async () => {
  assert.match(await told(withAddon, ["--no-addons"]), /node was started with --no-addons; start it without/);
});

for (const format of ["esm", "cjs"] as const) {
  test(`a bundle of ${format} says what to keep external`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "tidelog-bundle-"));
    try {
      const outfile = join(folder, "out", format === "esm" ? "bundle.mjs" : "bundle.cjs");
      const stdin = { contents: PROGRAM(join(root, "dist", "index.js")), resolveDir: root };
      await build({ stdin, bundle: true, platform: "node", format, outfile, logLevel: "silent" });
      const { out, err } = await runNode([outfile], { cwd: folder });
      assert.match(
        out,
        /^ERR_TIDELOG_NO_NATIVE .*its code was bundled .*keep tidelog external .*--external:tidelog/,
        err,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

const here: Surroundings = {
  root: "/app/node_modules/tidelog/",
  isPackage: true,
  prebuilds: ["linux-x64"],
  platform: "linux",
  arch: "x64",
  glibc: "2.36",
  isPermitting: false,
  isElectron: false,
};

test("musl, an old glibc and another processor are named, with what is needed", () => {
  const none = new Error("No native build was found for platform=linux");
  assert.match(
    explained(none, { ...here, glibc: undefined }),
    /\(linux-x64, musl or another C library\): the package has it for linux-x64 with glibc 2\.34 or newer only; run there/,
  );
  assert.match(
    explained(none, { ...here, arch: "arm64" }),
    /\(linux-arm64, glibc 2\.36\): the package has it for linux-x64 /,
  );
  assert.match(
    explained(none, { ...here, platform: "darwin", glibc: undefined }),
    /\(darwin-x64\): the package has it for /,
  );
  const old = Object.assign(new Error("/lib/libc.so.6: version `GLIBC_2.34' not found (required by x.node)"), {
    code: "ERR_DLOPEN_FAILED",
  });
  assert.match(
    explained(old, { ...here, glibc: "2.31" }),
    /glibc 2\.31\): it needs glibc 2\.34 or newer, as of Debian 12/,
  );
  const packed = Object.assign(new Error("no such file"), { code: "ERR_DLOPEN_FAILED" });
  assert.match(explained(packed, { ...here, isElectron: true }), /with Electron, unpack it: asarUnpack/);
});

test.run();
