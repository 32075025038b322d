// Runs `cargo test` over the workspace's default members and counts what its result lines say.
import { run } from "./command.mjs";

const RESULT = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm;

/** Resolves with the counts of all test binaries and doc tests. A build that fails counts as one failure. */
export async function rustTests() {
  process.stdout.write("Rust\n");
  const started = performance.now();
  const { code, output } = await run("cargo", ["test", "--no-fail-fast", "--color", "never"], { capture: true });
  const counts = countResults(output);
  if (code !== 0) {
    process.stdout.write(`${failuresOf(output)}\n`);
    // A compiler error or a test binary that died prints no result line of its own.
    if (counts.failed === 0) counts.failed = 1;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? "  ok  " : "  FAIL"} cargo test  ${counts.passed} passed, ${seconds} s\n`);
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
