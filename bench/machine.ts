// What the figures were taken on, in words that mean something elsewhere: no host names, no paths.

import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { contestants } from "./contestants/index.js";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly fileSystem: string;
  readonly node: string;
  readonly rustc: string;
  readonly peers: Readonly<Record<string, string>>;
  readonly date: string;
  /** Processes that wanted a core in the minute before the run: above 0, others were at work. */
  readonly loadBefore: number;
}

/** Describes this machine and the file system that holds `folder`. */
export function machine(folder: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release().split("-")[0]}`,
    fileSystem: output("df", ["--output=fstype", folder]).trim().split("\n").at(-1)?.trim() || "unknown",
    node: process.version,
    rustc: output("rustc", ["--version"]).split(" ")[1] ?? "unknown",
    peers: Object.fromEntries(contestants.map((contestant) => [contestant.name, contestant.version()])),
    date: new Date().toISOString().slice(0, 10),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

/** One line for tables and charts. */
export function inWords(described: Machine): string {
  const { cpu, cores, memoryGiB, kernel, fileSystem, node, rustc, date } = described;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, ${fileSystem}, Node ${node}, rustc ${rustc}, ${date}`;
}

function output(command: string, args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return "";
  }
}
