// A file system that is full soon: a tmpfs of a few MiB, where the system lets us mount one.

import { execFileSync } from "node:child_process";

/** Why no small disk can be made here, or undefined if one can. */
export function noSmallDisk(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  return undefined;
}

/** Runs `work` with a folder that has `mebibytes` of room. */
export async function withSmallDisk(folder: string, mebibytes: number, work: () => Promise<void>): Promise<void> {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tidelog-test", folder]);
  try {
    await work();
  } finally {
    execFileSync("umount", ["-l", folder]);
  }
}
