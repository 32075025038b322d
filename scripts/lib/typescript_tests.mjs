// Runs every __test__/**/*.test.ts with uvu, one process a file and two at a time, so that a crash, a hang or a
// leaked handle is that file's failure and nobody else's. A file may ask for more time than the default with a
// comment line `// time limit: 300 s` in its first ten lines.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { root } from "./command.mjs";

const TIME_LIMIT_S = 120;
const PARALLEL = 2;

/** Runs the test files whose path contains one of `parts` (all without any) and resolves with the counts. */
export async function typescriptTests(parts) {
  const files = testFiles().filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)));
  process.stdout.write("TypeScript\n");
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const waiting = [...files];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runFile(file);
      for (const name of Object.keys(counts)) counts[name] += result[name];
      report(file, result);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return counts;
}

/** All test files, as paths from the project's folder with forward slashes, those with the most time first. */
function testFiles() {
  return readdirSync(join(root, "__test__"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort((a, b) => timeLimit(b) - timeLimit(a) || (a < b ? -1 : 1));
}

function timeLimit(file) {
  const head = readFileSync(join(root, file), "utf8").split("\n", 10).join("\n");
  return Number(/^\/\/ time limit: (\d+) s$/m.exec(head)?.[1] ?? TIME_LIMIT_S);
}

/** Runs one file; the whole process group is killed when its time is up, children of the test included. */
function runFile(file) {
  const limit = timeLimit(file);
  const started = performance.now();
  return new Promise((done) => {
    const child = spawn(process.execPath, ["--import", "tsx", file], {
      cwd: root,
      env: { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: process.platform !== "win32",
    });
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill(child);
    }, limit * 1000);
    child.on("error", (error) => chunks.push(Buffer.from(String(error))));
    // A child that outlives its test may hold our pipes open: what the test itself did is known at its exit.
    child.on("exit", () => setTimeout(() => child.stdout.destroy() && child.stderr.destroy(), 1_000).unref());
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const output = Buffer.concat(chunks).toString("utf8");
      done({ ...judge({ output, code, signal, late, limit }), output, seconds: (performance.now() - started) / 1000 });
    });
  });
}

function kill(child) {
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended by itself in the meantime.
  }
}

/** Turns a file's end and output into counts; whatever did not end well is at least one failure. */
export function judge({ output, code, signal, late, limit }) {
  const number = (name) => Number(new RegExp(`^ {2}${name}: +(\\d+)$`, "m").exec(output)?.[1] ?? 0);
  const total = number("Total");
  const passed = number("Passed");
  const skipped = number("Skipped");
  let failed = total - passed;
  let why = "";
  if (late) why = `killed: it took longer than ${limit} s`;
  else if (signal) why = `died of ${signal}`;
  else if (code !== 0 && failed === 0) why = `exit code ${code}`;
  else if (total + skipped === 0) why = "it ran no test";
  // uvu swallows what a hook throws, and then does not even set an exit code.
  else if (code === 0 && failed > 0) why = "a hook threw (uvu does not say what)";
  if (why && failed === 0) failed = 1;
  return { passed, failed, skipped, why };
}

function report(file, { passed, failed, skipped, why, output, seconds }) {
  const name = file.replace("__test__/", "");
  const counts = `${passed} passed${failed ? `, ${failed} failed` : ""}${skipped ? `, ${skipped} skipped` : ""}`;
  process.stdout.write(
    `${failed ? "  FAIL" : "  ok  "} ${name}  ${counts}, ${seconds.toFixed(1)} s${why ? `: ${why}` : ""}\n`,
  );
  if (!failed) return;
  const lines = output.trimEnd().split("\n");
  const shown = lines.length > 200 ? [`… ${lines.length - 200} lines`, ...lines.slice(-200)] : lines;
  process.stdout.write(`${shown.map((line) => `       ${line}`).join("\n")}\n`);
}
