// Runs `cargo test` over the workspace's default members and the fuzz targets, and counts what its result lines say.
import { run } from "./command.mjs";

const RESULT = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm;

/** What a fuzz target says it has run, which is to be seen when all went well too. */
const FUZZED = /^fuzz .*: seed .*$/gm;

/** Resolves with the counts of all test binaries and doc tests. A build that fails counts as one failure. */
export async function rustTests() {
  process.stdout.write("Rust\n");
  const counts = await cargoTest("cargo test", []);
  const fuzzed = await cargoTest("fuzz targets", ["-p", "tidelog-fuzz", "--tests"], ["--nocapture"]);
  for (const name of Object.keys(counts)) counts[name] += fuzzed[name];
  return counts;
}

async function cargoTest(name, cargoArgs, testArgs = []) {
  const started = performance.now();
  const args = ["test", "--no-fail-fast", "--color", "never", ...cargoArgs, "--", ...testArgs];
  const { code, output } = await run("cargo", args, { capture: true });
  const counts = countResults(output);
  if (code !== 0) {
    process.stdout.write(`${failuresOf(output)}\n`);
    // A compiler error or a test binary that died prints no result line of its own.
    if (counts.failed === 0) counts.failed = 1;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  for (const [line] of output.matchAll(FUZZED)) process.stdout.write(`       ${line}\n`);
  process.stdout.write(`${code === 0 ? "  ok  " : "  FAIL"} ${name}  ${counts.passed} passed, ${seconds} s\n`);
  return counts;
}

/** Adds up every `test result:` line of cargo's output. */
export function countResults(output) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed, ignored] of output.matchAll(RESULT)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(ignored);
  }
  return counts;
}

/** Leaves out the lines that say nothing when something failed: tests that passed, crates that compiled. */
function failuresOf(output) {
  const dull =
    /^(test .* \.\.\. ok|\s*(Compiling|Checking|Running|Finished|Downloaded|Downloading|Doc-tests) .*|running \d+ tests?|)$/;
  return output
    .split("\n")
    .filter((line) => !dull.test(line))
    .join("\n");
}
