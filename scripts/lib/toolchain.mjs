// Says in one line what is missing to build Tidelog from its sources. Plain Node without dependencies.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Refusal, root, run } from "./command.mjs";

/** Compares dotted versions; what is missing counts as zero. */
export function atLeast(version, wanted) {
  const have = version.split(".").map(Number);
  const need = wanted.split(".").map(Number);
  for (let i = 0; i < need.length; i++) {
    if ((have[i] ?? 0) !== need[i]) return (have[i] ?? 0) > need[i];
  }
  return true;
}

/** Refuses a Node.js older than package.json's `engines` says. */
export function checkNode() {
  const { engines } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
  const wanted = /\d+(\.\d+)*/.exec(engines.node)[0];
  if (!atLeast(process.versions.node, wanted)) {
    throw new Refusal(`Node.js ${wanted} or newer is needed, this is ${process.versions.node}.`);
  }
}

/** Refuses when Rust is missing or too old, or when there is no C compiler to link with. */
export async function checkNativeToolchain() {
  const wanted = /rust-version = "([\d.]+)"/.exec(readFileSync(resolve(root, "Cargo.toml"), "utf8"))[1];
  const advice = `Rust ${wanted} or newer is needed to build the native addon (https://rustup.rs)`;
  const cargo = await version("cargo", ["--version"]);
  if (cargo === undefined) throw new Refusal(`${advice}: there is no cargo on the PATH.`);
  const rust = /rustc (\d+\.\d+\.\d+)/.exec((await version("rustc", ["--version"])) ?? "")?.[1];
  if (rust === undefined) throw new Refusal(`${advice}: rustc does not run.`);
  if (!atLeast(rust, wanted)) throw new Refusal(`${advice}: this is ${rust}.`);
  // On Windows Rust brings or finds its own linker, and says so itself when it does not.
  if (process.platform === "win32") return;
  for (const compiler of [process.env.CC, "cc", "gcc", "clang"]) {
    if (compiler && (await version(compiler, ["--version"])) !== undefined) return;
  }
  throw new Refusal(
    "A C compiler is needed to build the native addon (for example gcc or clang): there is no cc on the PATH.",
  );
}

async function version(program, args) {
  try {
    const { code, output } = await run(program, args, { capture: true });
    return code === 0 ? output : undefined;
  } catch {
    return undefined;
  }
}
