// Packs the project as npm would publish it, and installs it into an empty project as a user would, on a machine
// that has Node.js and nothing else.
import { realpathSync } from "node:fs";
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { delimiter, join, relative, sep } from "node:path";
import { root } from "../job/folder.js";
import { type Ended, outputOf, runNode } from "../job/program.js";

/** What a checkout holds that git does not. */
const NOT_IN_GIT = new Set([".git", "node_modules", "target", "build", "data", "prebuilds"]);

export interface Packed {
  tarball: string;
  /** Paths inside the package, with forward slashes. */
  files: string[];
}

/** Copies the project into the folder, adds this machine's prebuilt addon and files that must not be packed; packs. */
export async function packProject(folder: string): Promise<Packed> {
  const stage = join(folder, "stage");
  await cp(root, stage, {
    recursive: true,
    filter: (source) => !NOT_IN_GIT.has(relative(root, source).split(sep)[0] ?? ""),
  });
  // Within the project, because prebuildify moves the addon and a move can't leave a file system.
  const out = join(root, "build", "test-prebuilds");
  await outputOf(runNode(["scripts/prebuilds.mjs", "--out", out], { limit: 840 }));
  await cp(join(out, "prebuilds"), join(stage, "prebuilds"), { recursive: true });
  await rm(out, { recursive: true });
  await mkdir(join(stage, "build", "Release"), { recursive: true });
  await writeFile(join(stage, "build", "Release", "stray.node"), "");
  await writeFile(join(stage, "stray.node"), "");
  return pack(stage, folder);
}

/** Packs a folder with `npm pack`; the tarball goes to another. */
async function pack(source: string, destination: string): Promise<Packed> {
  const out = await outputOf(npm(["pack", "--json", "--silent", "--pack-destination", destination], { cwd: source }));
  const listed: unknown = JSON.parse(out.slice(out.search(/[[{]/)));
  // Newer npm answers with an object by name, older with an array.
  const [entry] = Object.values(listed as Record<string, { filename: string; files: { path: string }[] }>);
  if (entry === undefined) throw new Error(`npm pack printed no package: ${out}`);
  return { tarball: join(destination, entry.filename), files: entry.files.map(({ path }) => path).sort() };
}

/** Makes an empty project and installs the tarball there, without network, compiler or Rust. Gives its folder and environment. */
export async function installInto(
  folder: string,
  tarball: string,
): Promise<{ project: string; env: NodeJS.ProcessEnv }> {
  const project = join(folder, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "user", version: "1.0.0", private: true }));
  const env = await bareEnvironment(folder);
  // The one dependency comes along, so that nothing depends on what npm happens to have cached.
  const dependency = await pack(join(root, "node_modules", "node-gyp-build"), folder);
  const args = ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", dependency.tarball, tarball];
  await outputOf(npm(args, { cwd: project, env }));
  return { project, env };
}

/** A PATH with a node and a shell, and neither cargo nor a compiler. */
async function bareEnvironment(folder: string): Promise<NodeJS.ProcessEnv> {
  const bin = join(folder, "bin");
  await mkdir(bin);
  await symlink(process.execPath, join(bin, "node"));
  await symlink(realpathSync("/bin/sh"), join(bin, "sh"));
  const { CARGO_HOME: _cargo, RUSTUP_HOME: _rustup, CC: _cc, ...rest } = process.env;
  return { ...rest, PATH: bin };
}

function npm(args: string[], options: { cwd: string; env?: NodeJS.ProcessEnv }): Promise<Ended> {
  return runNode([npmScript(), ...args], { ...options, limit: 120 });
}

/** The npm that started the tests, or the one on the PATH. */
function npmScript(): string {
  const given = process.env["npm_execpath"];
  if (given && /npm-cli\.[cm]?js$/.test(given)) return given;
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    try {
      return realpathSync(join(folder, "npm"));
    } catch {
      // Not in this folder.
    }
  }
  throw new Error("there is no npm on the PATH");
}

export async function manifestOf(project: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(project, "node_modules", "tidelog", "package.json"), "utf8"));
}
