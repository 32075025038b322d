// What `npm test` counts: nothing that went wrong may look like success.
import { test } from "uvu";
import * as assert from "uvu/assert";
// The scripts run before anything is installed, so they are plain JavaScript.
// @ts-expect-error: no types
import { countResults } from "../../scripts/lib/rust_tests.mjs";
// @ts-expect-error: no types
import { atLeast } from "../../scripts/lib/toolchain.mjs";
// @ts-expect-error: no types
import { judge } from "../../scripts/lib/typescript_tests.mjs";

const ended = { code: 0, signal: null, late: false, limit: 120 };
const totals = (total: number, passed: number, skipped = 0) =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n`;

test("a good file counts its tests", () => {
  assert.equal(judge({ ...ended, output: totals(3, 3, 1) }), { passed: 3, failed: 0, skipped: 1, why: "" });
});

test("failed tests are the total less the passed", () => {
  assert.equal(judge({ ...ended, output: totals(3, 1), code: 1 }), { passed: 1, failed: 2, skipped: 0, why: "" });
});

test("no output, a crash, a hang, and an exit code without a failed test are one failure each", () => {
  const cases = [
    { ...ended, output: "" },
    { ...ended, output: totals(0, 0) },
    { ...ended, output: totals(3, 3), code: null, signal: "SIGSEGV" },
    { ...ended, output: totals(3, 3), code: null, signal: "SIGKILL", late: true },
    { ...ended, output: totals(3, 3), code: 1 },
  ];
  for (const item of cases) {
    const { failed, why } = judge(item);
    assert.is(failed, 1);
    assert.is.not(why, "");
  }
});

test("tests that a throwing hook kept from running have failed, although uvu says nothing", () => {
  const { failed, why } = judge({ ...ended, output: totals(7, 0) });
  assert.is(failed, 7);
  assert.match(why, "hook");
});

test("a file whose tests are all skipped has run", () => {
  assert.is(judge({ ...ended, output: totals(0, 0, 2) }).failed, 0);
});

test("cargo's result lines are added up, ignored ones as skipped", () => {
  const output = [
    "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
    "test a::b ... FAILED",
    "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
  ].join("\n");
  assert.equal(countResults(output), { passed: 15, failed: 2, skipped: 1 });
});

test("versions are compared as numbers", () => {
  assert.ok(atLeast("1.100.0", "1.89"));
  assert.ok(atLeast("1.89", "1.89.0"));
  assert.not(atLeast("1.88.9", "1.89"));
  assert.ok(atLeast("20.17.0", "20.17.0"));
});

test.run();
