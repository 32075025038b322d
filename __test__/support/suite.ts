// Suites whose tests get a folder of their own and can't hang: uvu knows no time limits, so each test has one here.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as uvu from "uvu";
import { type Log, type OpenOptions, open } from "../../ts/index.js";

/** What a test is given. */
export interface Context {
  /** An empty folder, removed afterwards. */
  folder: string;
  /** Opens a store in the folder, closed afterwards if the test has not done it. Buffered unless told otherwise. */
  open(options?: OpenOptions): Promise<Log>;
}

export interface Suite {
  test(name: string, body: (context: Context) => unknown, limitMs?: number): void;
  /** Leaves a test out, and counts it as skipped, with the reason in its name. */
  skip(name: string, reason: string): void;
  run(): void;
}

/** A suite; `run()` it at the end of the file. */
export function suite(name: string): Suite {
  const tests = uvu.suite(name);
  return {
    test(title, body, limitMs = 20_000) {
      tests(title, () => within(limitMs, title, inFolder(body)));
    },
    skip(title, reason) {
      tests.skip(`${title} (${reason})`, () => {});
    },
    run: () => tests.run(),
  };
}

/** Rejects when a promise takes too long. */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function inFolder(body: (context: Context) => unknown): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tidelog-"));
  const logs: Log[] = [];
  try {
    await body({
      folder,
      async open(options) {
        const log = await open(folder, { ...(options?.readOnly ? {} : { durability: "buffered" }), ...options });
        logs.push(log);
        return log;
      },
    });
  } finally {
    await Promise.allSettled(logs.map((log) => log.close({ timeoutMs: 1000 })));
    await rm(folder, { recursive: true, force: true });
  }
}
