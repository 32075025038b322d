// Makes a fresh clone runnable: npm packages, native addon, compiled TypeScript, each only when missing or stale.
// Called by `npm start`, `npm test` and whoever else needs a built tree. Plain Node without dependencies.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { npm, Refusal, root } from "./command.mjs";
import { checkNativeToolchain, checkNode } from "./toolchain.mjs";

/** Installs and builds what is missing; rejects with a `Refusal` that says what to do when it cannot. */
export async function ensureBuilt() {
  checkNode();
  await ensurePackages();
  await checkNativeToolchain();
  // Cargo and tsc know best what is up to date, so they are always asked: under a second when nothing changed.
  await step("build:native", "building the native addon (a few minutes the first time)");
  await step("build:ts", "compiling TypeScript");
}

/** Runs `npm ci` unless node_modules holds exactly what package-lock.json names. */
export async function ensurePackages() {
  if (packagesAreCurrent()) return;
  console.error("tidelog: installing npm packages");
  // No package here needs an install script; none gets to run one.
  // The manifest names the platforms of the published addon. Elsewhere it is built, and only --force has npm go on.
  const { os, cpu } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
  const force = os.includes(process.platform) && cpu.includes(process.arch) && !isMusl() ? [] : ["--force"];
  const { code } = await npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", ...force]);
  if (code !== 0) throw new Refusal("npm ci failed, see above.");
}

function isMusl() {
  return process.platform === "linux" && process.report.getReport().header.glibcVersionRuntime === undefined;
}

/** Compares the lock file with the one npm leaves in node_modules; what is optional may be absent. */
function packagesAreCurrent() {
  const wanted = packagesOf("package-lock.json");
  const present = packagesOf("node_modules/.package-lock.json");
  if (!wanted || !present) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "" || entry.link) continue;
    const installed = present[path];
    if (installed === undefined ? !entry.optional : installed.version !== entry.version) return false;
  }
  return true;
}

function packagesOf(lockFile) {
  try {
    return JSON.parse(readFileSync(resolve(root, lockFile), "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** Runs one npm script quietly: its output is shown if it fails, or line by line while it takes long. */
async function step(script, label) {
  let output = "";
  let shown = false;
  const slow = setTimeout(() => {
    shown = true;
    process.stderr.write(`tidelog: ${label}\n${output}`);
  }, 2_000);
  const { code } = await npm(["run", "--silent", script], {
    capture: true,
    onText: (text) => {
      output += text;
      if (shown) process.stderr.write(text);
    },
  });
  clearTimeout(slow);
  if (code === 0) return;
  if (!shown) process.stderr.write(output);
  throw new Refusal(`npm run ${script} failed, see above.`);
}
