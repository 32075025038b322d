// `npm run bench`: runs every contestant on every workload, in turns, each trial in a process of its own, and writes
// raw results, tables and a chart. The command line is said in README.md.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Contestant } from "./contestants/contestant.js";
import { contestantNamed, contestants } from "./contestants/index.js";
import { engineCases } from "./engine/cases.js";
import { measureEngine } from "./engine/run.js";
import { exactlyOnceCases } from "./exactly_once/cases.js";
import { measureExactlyOnce } from "./exactly_once/run.js";
import { filterCase } from "./filter/cases.js";
import { forked } from "./fork.js";
import { machine } from "./machine.js";
import { membersCase } from "./members/cases.js";
import { chart, charts } from "./report/chart.js";
import { kept, type Measured } from "./report/kept.js";
import { rowsOf, type Trial } from "./report/rows.js";
import { markdown } from "./report/summary.js";
import type { Table } from "./table.js";
import type { Order } from "./trial.js";
import { measureWays, type WaysCase } from "./ways.js";
import { type DataSet, type Phase, workloads } from "./workloads.js";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    small: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string", multiple: true },
    contestant: { type: "string", multiple: true },
    folder: { type: "string", default: tmpdir() },
    out: { type: "string" },
  },
});

const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds must be a whole number above 0");
const isWanted = ({ name }: { name: string }) => options.only?.some((only) => name.startsWith(only)) ?? true;
const wanted = workloads(options.quick).filter(isWanted);
const wantedOfExactlyOnce = exactlyOnceCases(options.quick).filter(isWanted);
const asked = options.contestant?.map(contestantNamed) ?? contestants;
const waysCases = (quick: boolean): readonly WaysCase[] => [filterCase(quick), membersCase(quick)];
// The engine's own measurements are of Tidelog beside the disk, those of ways of Tidelog beside itself.
const isOurs = asked.some(({ name }) => name === "tidelog");
const wantedOfEngine = isOurs ? engineCases.filter(isWanted) : [];
const wantedOfWays = isOurs ? waysCases(options.quick).filter(isWanted) : [];
const tablesWanted: readonly Table[] = [...wanted, ...wantedOfWays, ...wantedOfEngine, ...wantedOfExactlyOnce];
const names = [...workloads(false), ...waysCases(false), ...engineCases, ...exactlyOnceCases(false)].map(
  ({ name }) => name,
);
if (tablesWanted.length === 0) throw new Error(`--only names no workload; there are ${names.join(", ")}`);
const able = asked.filter((contestant) => contestant.unavailable() === undefined);
const leftOut = asked.filter((one) => !able.includes(one)).map((one) => `${one.name}, ${one.unavailable()}`);

const root = mkdtempSync(join(options.folder, "tidelog-bench-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const described = machine(root);
const trials = await runAll();
const tables = new Map(
  tablesWanted.map((workload) => [workload.name, { workload, rows: rowsOf(workload, trials) }] as const),
);
// A quick run's figures mean nothing, so it keeps none unless it is told where.
const out = options.out ?? (options.quick ? undefined : fileURLToPath(new URL("results", import.meta.url)));
const shown: readonly Measured[] = names.flatMap((name) => {
  const table = tables.get(name);
  if (table !== undefined) return [table];
  return out === undefined ? [] : kept(out, name);
});
const summary = markdown({ machine: described, rounds, tables: shown, contestants: able, leftOut });
process.stdout.write(summary);
if (out !== undefined) writeResults(out);

/**
 * All rounds; in each, contestants take turns, beginning with another one. Tidelog's ways of reading and the engine's own
 * measurements come after them, those of exactly once last.
 */
async function runAll(): Promise<Trial[]> {
  const all: Trial[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const data of new Set(wanted.map((workload) => workload.data))) {
      for (const contestant of rotated(able, round)) all.push(...(await visit(contestant, data, round)));
    }
  }
  for (const table of wantedOfWays) {
    const folder = fresh();
    all.push(...(await measureWays(table, { rounds, folder })));
    remove(folder);
  }
  for (const table of wantedOfEngine) {
    const { quick, small } = options;
    const measured = await measureEngine(table, { folder: root, rounds, quick, small });
    all.push(...measured.trials);
    leftOut.push(...measured.leftOut.filter((line) => !leftOut.includes(line)));
    rest();
  }
  for (const table of wantedOfExactlyOnce) {
    const names = able.map(({ name }) => name);
    const measured = await measureExactlyOnce(table, { rounds, contestants: names, fresh, remove });
    all.push(...measured.trials);
    leftOut.push(...measured.leftOut);
  }
  return all;
}

/** One contestant's trials on one data set: written once, in a fresh folder, then read by the others. */
async function visit(contestant: Contestant, data: DataSet, round: number): Promise<Trial[]> {
  const { phases } = contestant;
  const own = wanted.filter((workload) => workload.data === data && (phases?.includes(workload.phase) ?? true));
  const trials: Trial[] = [];
  const folder = fresh();
  const reads = own.filter((workload) => workload.phase === "replay" || workload.phase === "random");
  const appends = own.find((workload) => workload.phase === "append");
  if (appends !== undefined || reads.length > 0) {
    const [window, ...others] = contestant.windows ?? [];
    const trial = await attempt(contestant, "append", data, folder, round, appends?.name ?? "", window);
    if (appends !== undefined) {
      trials.push(trial);
      for (const other of others) {
        const own = fresh();
        trials.push(await attempt(contestant, "append", data, own, round, appends.name, other));
        remove(own);
      }
    }
  }
  for (const workload of reads) {
    trials.push(await attempt(contestant, workload.phase, data, folder, round, workload.name));
  }
  remove(folder);
  for (const workload of own.filter((one) => one.phase === "durable")) {
    const own = fresh();
    trials.push(await attempt(contestant, "durable", data, own, round, workload.name));
    remove(own);
  }
  return trials;
}

async function attempt(
  contestant: Contestant,
  phase: Phase,
  data: DataSet,
  folder: string,
  round: number,
  workload: string,
  window?: number,
): Promise<Trial> {
  const order: Order = {
    contestant: contestant.name,
    phase,
    data,
    folder,
    ...(window === undefined ? {} : { window }),
  };
  const program = fileURLToPath(new URL("trial.ts", import.meta.url));
  const { measures } = await forked(program, order, `${contestant.name}, ${phase} on ${data.name}`);
  for (const measure of measures) {
    const rate = Math.round(measure.perSecond).toLocaleString("en");
    process.stderr.write(`round ${round + 1}  ${phase}-${data.name}  ${contestant.name}, ${measure.mode}: ${rate}/s\n`);
  }
  return { round, contestant: contestant.name, workload, measures };
}

function fresh(): string {
  return mkdtempSync(join(root, "trial-"));
}

/** Removes a trial's folder, so that the next contestant does not pay for this one. */
function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  rest();
}

/** Lets the disk come to rest. */
function rest(): void {
  if (!options.quick && process.platform !== "win32") execFileSync("sync");
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % Math.max(items.length, 1);
  return [...items.slice(start), ...items.slice(0, start)];
}

function writeResults(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const { workload, rows } of tables.values()) {
    const raw = trials.filter((trial) => trial.workload === workload.name);
    const content = { workload, machine: described, rounds, rows, trials: raw };
    writeFileSync(join(folder, `${workload.name}.json`), `${JSON.stringify(content, null, 2)}\n`);
  }
  writeFileSync(join(folder, "README.md"), summary);
  for (const name of charts) {
    const charted = shown.filter(({ workload, rows }) => workload.chart === name && rows.length > 0);
    if (charted.length > 0) writeFileSync(join(folder, `${name}.svg`), chart(charted, described));
  }
}
