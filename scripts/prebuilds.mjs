// `npm run package:prebuilds [-- --out FOLDER]`: builds this machine's addon into FOLDER/prebuilds (default: the
// project's), named so that node-gyp-build finds it, and loads it to see that it works.
// `--check`: refuses an incomplete set, and removes dist/, so that what is published is compiled anew and nothing
// that an older build left behind goes along; npm runs this before it publishes.
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fail, Refusal, root, run } from "./lib/command.mjs";
import { ensurePackages } from "./lib/ensure.mjs";
import { checkNativeToolchain, checkNode } from "./lib/toolchain.mjs";

const PLATFORMS = [
  "linux-x64/tidelog.glibc.node",
  "linux-x64/tidelog.musl.node",
  "linux-arm64/tidelog.glibc.node",
  "linux-arm64/tidelog.musl.node",
  "darwin-x64/tidelog.node",
  "darwin-arm64/tidelog.node",
];

try {
  const { values } = parseArgs({ options: { out: { type: "string", default: root }, check: { type: "boolean" } } });
  if (values.check) checkSet();
  else await build(resolve(values.out));
} catch (error) {
  fail(error);
}

function checkSet() {
  const missing = PLATFORMS.filter((file) => !existsSync(join(root, "prebuilds", file)));
  if (missing.length) throw new Refusal(`prebuilds/ is not complete, there is no ${missing.join(", ")}.`);
  rmSync(join(root, "dist"), { recursive: true, force: true });
}

async function build(out) {
  checkNode();
  await ensurePackages();
  await checkNativeToolchain();
  // prebuildify takes the first addon that it finds in <cwd>/build/Release, and moves it: a folder of its own, made
  // afresh, keeps strays out of the package and leaves the developer's build alone.
  const stage = join(root, "build", "prebuild");
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(join(stage, "build", "Release"), { recursive: true });
  const bin = (path) => join(root, "node_modules", path);
  const napi = [
    ["build", "--release", "--manifest-path", join(root, "crates/node/Cargo.toml")],
    ["--package-json-path", join(root, "package.json"), "--output-dir", join(stage, "build/Release")],
  ].flat();
  const preinstall = [process.execPath, bin("@napi-rs/cli/dist/cli.js"), ...napi].map((arg) => `"${arg}"`).join(" ");
  const { code } = await run(process.execPath, [
    bin("prebuildify/bin.js"),
    ...["--napi", "--strip", "--name", "tidelog", "--cwd", stage, "--out", out, "--preinstall", preinstall],
    // What distinguishes the two C libraries exists on Linux only. `true` stands where node-gyp would compile.
    ...(process.platform === "linux" ? ["--tag-libc"] : []),
    ...["--node-gyp", "true"],
  ]);
  if (code !== 0) throw new Refusal("prebuildify failed, see above.");
  await loadEach(join(out, "prebuilds", `${process.platform}-${process.arch}`));
}

/** An addon that does not load must not be found out by users. Each is loaded in a process of its own. */
async function loadEach(folder) {
  const addons = readdirSync(folder);
  for (const addon of addons) {
    const { code, output } = await run(process.execPath, ["-e", `require(${JSON.stringify(join(folder, addon))})`], {
      capture: true,
    });
    if (code !== 0) throw new Refusal(`${join(folder, addon)} does not load:\n${output}`);
    console.log(join(folder, addon));
  }
  if (addons.length === 0) throw new Refusal(`no addon was put into ${folder}.`);
}
