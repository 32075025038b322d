// `npm run fuzz [-- --seconds 60] [-- --keep] [target …]`: runs fuzz targets under libFuzzer and AddressSanitizer, one
// after the other, 60 seconds each. Needs cargo-fuzz (`cargo install cargo-fuzz`) and a C++ compiler, but no nightly
// Rust. What is found stays under `target/fuzz`; `--keep` adds to the corpus what reaches new code.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fail, Refusal, root, run } from "./lib/command.mjs";

const targets = readdirSync(join(root, "fuzz/fuzz_targets"))
  .map((file) => file.replace(".rs", ""))
  .sort();
const env = {
  // Sanitizers and coverage are open to a stable compiler that is told so.
  RUSTC_BOOTSTRAP: "1",
  CARGO_PROFILE_RELEASE_LTO: "off",
  // Freed memory that is held back counts against the limit below.
  ASAN_OPTIONS: "quarantine_size_mb=32",
};
const limits = ["-rss_limit_mb=512", "-timeout=20", "-max_len=16384"];

try {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: "string", default: "60" }, keep: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !targets.includes(name));
  if (unknown) throw new Refusal(`there is no target ${unknown}; there are ${targets.join(", ")}.`);
  if (!/^[1-9]\d*$/.test(values.seconds)) throw new Refusal("--seconds wants a whole number above 0.");
  const { code } = await run("cargo", ["fuzz", "--version"], { capture: true });
  if (code !== 0) throw new Refusal("cargo-fuzz is needed: cargo install cargo-fuzz");
  const failed = [];
  for (const target of positionals.length ? positionals : targets) {
    console.log(`\n== ${target}`);
    if (!(await fuzz(target, values.seconds, values.keep))) failed.push(target);
  }
  console.log(failed.length ? `\nfailed: ${failed.join(", ")}` : "\nnothing failed");
  process.exitCode = failed.length ? 1 : 0;
} catch (error) {
  fail(error);
}

/** Runs one target; false if an input failed. */
async function fuzz(target, seconds, keep) {
  const [found, corpus] = [join(root, "target/fuzz", target), join(root, "fuzz/corpus", target)];
  mkdirSync(found, { recursive: true });
  const artifacts = join(root, "fuzz/artifacts", target);
  const before = listed(artifacts);
  const passed = await libFuzzer(target, [found, corpus], [`-max_total_time=${seconds}`, "-print_final_stats=1"]);
  for (const name of listed(artifacts).filter((name) => !before.includes(name))) {
    const bytes = readFileSync(join(artifacts, name));
    console.log(`fuzz/artifacts/${target}/${name}: ${bytes.length} bytes ${bytes.toString("hex").slice(0, 400)}`);
  }
  // Edges only, not how often each was taken: the corpus is committed and has to stay small.
  if (passed && keep) return libFuzzer(target, [corpus, found], ["-merge=1", "-use_counters=0"]);
  return passed;
}

async function libFuzzer(target, folders, options) {
  const cargo = ["fuzz", "run", "--fuzz-dir", "fuzz", "--features", "libfuzzer", target];
  const { code } = await run("cargo", [...cargo, ...folders, "--", ...limits, ...options], { env });
  return code === 0;
}

function listed(folder) {
  return existsSync(folder) ? readdirSync(folder) : [];
}
