// `npm test [-- --rust | --js] [-- part of a file's path …]`: builds what is missing, runs the Rust and the
// TypeScript tests, shows what failed, and ends with one line `N passed, N failed[, N skipped]`.
import { Refusal } from "./lib/command.mjs";
import { ensureBuilt } from "./lib/ensure.mjs";
import { rustTests } from "./lib/rust_tests.mjs";
import { typescriptTests } from "./lib/typescript_tests.mjs";

const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith("--"));
const parts = args.filter((arg) => !arg.startsWith("--"));
const unknown = flags.find((flag) => flag !== "--rust" && flag !== "--js");
if (unknown) {
  console.error(`tidelog: unknown option ${unknown}; there are --rust, --js, and parts of test file paths.`);
  process.exit(2);
}
const wantRust = flags.includes("--rust") || (flags.length === 0 && parts.length === 0);
const wantTypescript = flags.includes("--js") || parts.length > 0 || flags.length === 0;

const started = performance.now();
const total = { passed: 0, failed: 0, skipped: 0 };
const add = (counts) => {
  for (const name of Object.keys(total)) total[name] += counts[name];
};
try {
  await ensureBuilt();
  if (wantRust) add(await rustTests());
  if (wantTypescript) add(await typescriptTests(parts));
} catch (error) {
  // Nothing may end without the closing line: whoever reads only that must see that it went wrong.
  console.error(error instanceof Refusal ? `tidelog: ${error.message}` : error);
  add({ passed: 0, failed: 1, skipped: 0 });
}
if (total.passed + total.failed === 0) {
  console.error("tidelog: no test was run.");
  total.failed = 1;
}
console.log(`\n${((performance.now() - started) / 1000).toFixed(0)} s`);
const skipped = total.skipped ? `, ${total.skipped} skipped` : "";
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed ? 1 : 0;
