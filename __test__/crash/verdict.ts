// How crash tests are told what to do, and how they tell what came of it.

import { FAULTS, type Finding, type Oracle } from "./oracle.js";

/** How many cycles to run, from an environment variable, and the seed: `TIDELOG_CRASH_SEED` or a new one. */
export function chances(variable: string, usual: number): { cycles: number; seed: number } {
  return {
    cycles: Number(process.env[variable] ?? usual),
    seed: Number(process.env["TIDELOG_CRASH_SEED"] ?? Math.floor(Math.random() * 2 ** 31)),
  };
}

/** Throws if anything was found, and says what. */
export function mustBeSound(findings: readonly Finding[], when: string): void {
  if (findings.length === 0) return;
  const shown = findings.slice(0, 20).map(({ fault, what }) => `${fault}: ${what}`);
  throw new Error(`${findings.length} findings in ${when}:\n${shown.join("\n")}`);
}

/** What was written and what was found, in one line. */
export function summary({ counts, faults, openingMs, codes }: Oracle): string {
  const { intended, acked, refused, unknownKept, unknownGone, looks } = counts;
  const sorted = [...openingMs].sort((a, b) => a - b);
  return [
    `${looks} looks: intended ${intended}, acked ${acked}, refused ${refused}`,
    `unknown ${unknownKept} kept and ${unknownGone} gone`,
    ...FAULTS.map((fault) => `${fault} ${faults[fault]}`),
    `openings ${sorted[sorted.length >> 1]} ms, the slowest ${sorted.at(-1)} ms`,
    `failed ${JSON.stringify(codes)}`,
  ].join(", ");
}
