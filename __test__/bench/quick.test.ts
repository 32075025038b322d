// The benchmarks in their quick form: every contestant and every workload still runs, and gives back what it was
// given. No figure is looked at.
// time limit: 300 s

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("benchmarks");

test("a quick run measures every workload and writes results, tables and a chart", () => {
  const out = mkdtempSync(join(tmpdir(), "tidelog-bench-test-"));
  try {
    const args = ["--import", "tsx", "bench/run.ts", "--quick", "--out", out];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.is(status, 0, stderr);
    const names = ["append-100", "append-1k", "durable-1k", "random-100", "random-1k", "replay-100", "replay-1k"];
    assert.equal(readdirSync(out).sort(), ["README.md", ...names.map((name) => `${name}.json`), "summary.svg"].sort());
    for (const name of names) {
      const { rows } = JSON.parse(readFileSync(join(out, `${name}.json`), "utf8"));
      for (const contestant of ["tidelog", "fs.writeSync"]) {
        const own = rows.filter((row: { contestant: string }) => row.contestant === contestant);
        assert.ok(own.length > 0, `${contestant} has no row in ${name}`);
        assert.ok(
          own.every((row: { median: number }) => row.median > 0),
          `${contestant} has no rate in ${name}`,
        );
      }
    }
    assert.not.match(stdout, /undefined|NaN|Infinity/);
    assert.match(stdout, /## Where Tidelog is behind/);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});

test.run();
