// Runs the engine's own measurements: the Rust program is started once for each table, does all rounds by itself, its
// contestants in turns, and prints a line of JSON for each row and round.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Measure } from "../phases/measure.js";
import type { Trial } from "../report/rows.js";
import type { Table } from "../table.js";

export interface EngineOptions {
  readonly folder: string;
  readonly rounds: number;
  readonly quick: boolean;
  /** Stores of 1 GiB where they would be of 10. */
  readonly small: boolean;
}

/** What the program prints of a row in one round. */
interface Line extends Measure {
  readonly round: number;
  readonly contestant: string;
}

/** The trials of one table, and what the program could not measure here, with the reason. */
export interface Measured {
  readonly trials: readonly Trial[];
  readonly leftOut: readonly string[];
}

/** Measures all rows of one table. */
export async function measureEngine(table: Table, options: EngineOptions): Promise<Measured> {
  const { folder, rounds, quick, small } = options;
  // Figures need an optimised build; what only shows that it runs need not wait for one.
  const profile = quick ? [] : ["--release"];
  const cargo = ["run", "--quiet", ...profile, "--package", "tidelog-bench", "--bin", "durability", "--"];
  const flags = [...(quick ? ["--quick"] : []), ...(small ? ["--small"] : [])];
  const output = await cargoOutput([...cargo, table.name, "--folder", folder, "--rounds", `${rounds}`, ...flags]);
  const lines = output.split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => JSON.parse(line) as Line | { leftOut: string });
  return {
    trials: parsed.flatMap((line) => ("leftOut" in line ? [] : [trial(table, line)])),
    leftOut: parsed.flatMap((line) => ("leftOut" in line ? [line.leftOut] : [])),
  };
}

function trial({ name }: Table, { round, contestant, ...measure }: Line): Trial {
  const rate = Math.round(measure.perSecond).toLocaleString("en");
  process.stderr.write(`round ${round + 1}  ${name}  ${contestant}, ${measure.mode}: ${rate}/s\n`);
  return { round, contestant, workload: name, measures: [measure] };
}

function cargoOutput(args: readonly string[]): Promise<string> {
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn("cargo", args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`cargo ${args.join(" ")}: ended with ${signal ?? code}`));
    });
  });
}
