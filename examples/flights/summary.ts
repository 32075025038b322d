// What the job prints at the end: one line a figure, with its unit.
import type { Options } from "./options.js";

export interface Figures {
  count: number;
  /** Bytes of keys and values. */
  bytes: number;
  diskBytes: number;
  writeBareMs: number;
  writeJsonMs: number;
  readBareMs: number;
  readJsonMs: number;
  closeMs: number;
  openMs: number;
  seekMs: number;
  found: string;
  memoryBytes: number;
}

export function summary(figures: Figures, { partitions, durability, folder }: Options): string {
  const { count } = figures;
  const rate = (ms: number) => `${Math.round((count / ms) * 1000).toLocaleString("en")} records/s`;
  const survives =
    durability === "fsync" ? "acknowledged = survives power loss" : "acknowledged = survives a kill only";
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const rows = [
    ["records", `${count.toLocaleString("en")} in ${partitions} partitions, ${mib(figures.bytes)} of keys and values`],
    ["durability", `${durability} (${survives})`],
    ["written", `${rate(figures.writeBareMs)} as bytes, ${rate(figures.writeJsonMs)} as JSON`],
    ["replayed", `${rate(figures.readBareMs)} as bytes, ${rate(figures.readJsonMs)} as JSON`],
    ["checked", "every record came back byte for byte, in order per key"],
    ["first after a time", `${figures.found} (${figures.seekMs.toFixed(1)} ms)`],
    ["close, open", `${figures.closeMs.toFixed(1)} ms, ${figures.openMs.toFixed(1)} ms`],
    ["on disk", `${mib(figures.diskBytes)} in ${folder}`],
    ["memory", `${mib(figures.memoryBytes)} at most, with Node.js and the data set's decoding`],
  ];
  return rows.map(([name, text]) => `${name?.padEnd(20)}${text}`).join("\n");
}
