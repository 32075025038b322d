// The benchmarks in their quick form: every contestant and every workload still runs, and gives back what it was
// given. No figure is looked at.
// time limit: 600 s

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("benchmarks");

/** The tables, and who must have a row in each. */
const NODE = ["append-100", "append-1k", "random-100", "random-1k", "replay-100", "replay-1k"];
const CONTESTANTS: Record<string, string[]> = {
  ...Object.fromEntries(NODE.map((name) => [name, ["tidelog", "fs.writeSync"]])),
  "durable-100": ["tidelog", "fs.writeSync", "fdatasync"],
  "durable-1k": ["tidelog", "fs.writeSync", "fdatasync"],
  filter: ["tidelog"],
  members: ["tidelog"],
  sends: ["tidelog", "file"],
  groups: ["tidelog", "file"],
  sizes: ["tidelog", "file"],
  "recovery-fsync": ["tidelog", "file"],
  "recovery-buffered": ["tidelog", "file"],
  "open-clean": ["tidelog"],
  compaction: ["tidelog"],
  transactions: ["tidelog", "fdatasync"],
  process: ["tidelog"],
  price: ["tidelog"],
};

interface Row {
  contestant: string;
  mode: string;
  median: number;
  p50: number;
  p99: number;
}

test("a quick run measures every workload and writes results, tables and charts", () => {
  const out = mkdtempSync(join(tmpdir(), "tidelog-bench-test-"));
  try {
    const args = ["--import", "tsx", "bench/run.ts", "--quick", "--out", out];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.is(status, 0, stderr);
    const names = Object.keys(CONTESTANTS);
    const files = [
      "README.md",
      "durability.svg",
      "exactly-once.svg",
      "summary.svg",
      ...names.map((name) => `${name}.json`),
    ];
    assert.equal(readdirSync(out).sort(), files.sort());
    for (const name of names) {
      const { rows, workload } = JSON.parse(readFileSync(join(out, `${name}.json`), "utf8"));
      for (const contestant of CONTESTANTS[name]!) {
        const own = rows.filter((row: Row) => row.contestant === contestant);
        assert.ok(own.length > 0, `${contestant} has no row in ${name}`);
        assert.ok(
          own.every((row: Row) => row.median > 0 && row.p50 > 0 && row.p99 >= row.p50),
          `${contestant} has no rate or no times in ${name}`,
        );
      }
      assert.ok(stdout.includes(`## ${workload.title}\n\nPromised: ${workload.promise}.`), `${name} promises nothing`);
      for (const { row, limit } of workload.limits) {
        for (const { contestant, mode } of [row, limit]) {
          assert.ok(
            rows.some((one: Row) => one.contestant === contestant && one.mode === mode),
            `${name} has no row "${contestant}, ${mode}", which a limit needs`,
          );
        }
      }
    }
    assert.not.match(stdout, /undefined|NaN|Infinity/);
    for (const callers of ["256", "1,000"]) assert.match(stdout, new RegExp(`\\| tidelog \\| ${callers} callers \\|`));
    for (const bar of ["1.3", "1.5", "0.2"])
      assert.match(stdout, new RegExp(`; at most ${bar} is the bar: (kept|\\*\\*missed)`));
    assert.match(stdout, /Left out: Kafka, |\| Kafka \|/);
    assert.match(stdout, /Left out: opening with a cold page cache, /);
    assert.match(stdout, /## Where Tidelog is behind/);
    const again = spawnSync(process.execPath, [...args, "--only", "groups"], { encoding: "utf8" });
    assert.is(again.status, 0, again.stderr);
    assert.equal(readdirSync(out).sort(), files.sort(), "a run of one table keeps the others");
    assert.is(again.stdout.split("\nTaken in another run: ").length, names.length);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});

test.run();
