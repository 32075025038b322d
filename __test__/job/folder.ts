// A temporary folder per test, inside of build/ so that programs in it find the package by its own name.

import { mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..", "..");

/** Runs `work` with an empty folder that is removed afterwards, whatever happened. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const parent = join(root, "build", "test");
  mkdirSync(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "t-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
