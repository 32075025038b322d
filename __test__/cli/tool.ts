// Runs the command line tool as a user would, on stores made through the public API.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** A tool that is running, with what it has printed so far. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #out = "";
  #err = "";

  constructor(args: readonly string[]) {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#err += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ code, signal, out: this.#out, err: this.#err }));
    });
  }

  get lines(): string[] {
    return this.#out.split("\n").slice(0, -1);
  }

  /** Resolves once it has printed so many lines; fails after ten seconds. */
  async printed(count: number): Promise<string[]> {
    const deadline = Date.now() + 10_000;
    while (this.lines.length < count) {
      if (Date.now() > deadline)
        throw new Error(`${this.lines.length} of ${count} lines came: ${this.#out}${this.#err}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this.lines;
  }
}

/** Runs it to its end. */
export function tidelog(...args: string[]): Promise<Ended> {
  return new Running(args).ended;
}

/** Runs it to its end, with its output in a file or device. */
export async function tidelogInto(path: string, ...args: string[]): Promise<{ code: number | null; err: string }> {
  const file = await open(path, "w");
  try {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", file.fd, "pipe"] });
    let err = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    const [code] = await once(child, "close");
    return { code, err };
  } finally {
    await file.close();
  }
}

/** Calls `work` with an empty folder that goes afterwards. */
export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tidelog-cli-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Flips one bit of a file. */
export async function flip(path: string, position: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  byte[0]! ^= 0x10;
  await file.write(byte, 0, 1, position);
  await file.close();
}
