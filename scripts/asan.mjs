// `npm run asan [-- cargo test's arguments]`: the Rust suites with every access to memory checked by AddressSanitizer,
// and LeakSanitizer at the end of each binary. Those that damage every byte in turn are left out, for they take minutes
// each: `npm run asan -- --test damage` has one of them as well, and fuzzing is under it too. It is the compiler's own, which stable ones give only when told to;
// a machine on which it is not to be had says so and fails.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fail, Refusal, root, run } from "./lib/command.mjs";
import { countResults } from "./lib/rust_tests.mjs";

const SUITES = ["-p", "tidelog-format", "-p", "tidelog-io", "-p", "tidelog", "--lib"];
const tests = ["format", "io", "core"].flatMap(testsOf).filter((name) => !name.startsWith("damage"));
const REPORT = /ERROR: (Address|Leak)Sanitizer|SUMMARY: \w+Sanitizer/;

try {
  const { output: version } = await run("rustc", ["-vV"], { capture: true });
  const host = /^host: (.+)$/m.exec(version)?.[1];
  if (host !== "x86_64-unknown-linux-gnu" && host !== "aarch64-unknown-linux-gnu")
    throw new Refusal(`AddressSanitizer with leaks runs on Linux with glibc, not on ${host}.`);
  // With a target named, build scripts and macros are left as they are.
  const named = tests.flatMap((name) => ["--test", name]);
  const args = ["test", "--target", host, "--no-fail-fast", ...SUITES, ...named, ...process.argv.slice(2)];
  const { code, output } = await run("cargo", args, {
    capture: true,
    env: {
      RUSTC_BOOTSTRAP: "1",
      RUSTFLAGS: `${process.env.RUSTFLAGS ?? ""} -Zsanitizer=address`.trim(),
      // Stories of the simulation take ten times as long here, and are all of one kind to a sanitizer.
      TIDELOG_SIMULATION_SEEDS: process.env.TIDELOG_SIMULATION_SEEDS ?? "1000",
      ASAN_OPTIONS: "detect_leaks=1:detect_stack_use_after_return=1",
      CARGO_TARGET_DIR: join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "asan"),
    },
    onText: (text) => process.stdout.write(text),
  });
  if (REPORT.test(output)) throw new Refusal("a sanitizer has found something; see above.");
  if (code !== 0) throw new Refusal("a test failed, or was not built; see above.");
  if (countResults(output).passed === 0) throw new Refusal("no test was run.");
} catch (error) {
  fail(error);
}

function testsOf(crate) {
  const folder = join(root, "crates", crate, "tests");
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files.filter((file) => file.endsWith(".rs")).map((file) => file.replace(".rs", ""));
}
