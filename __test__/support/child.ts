// Programs of their own, for tests about what happens between processes or when one dies: a TypeScript file run by
// Node that tells its parent lines and is told lines.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** How a program ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

/** A running program. */
export interface Child {
  readonly process: ChildProcess;
  /** The next line that it writes, or undefined at its end. */
  line(): Promise<string | undefined>;
  /** Writes a line to it. */
  tell(text: string): void;
  kill(signal?: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

/** Runs a file from `__test__/programs/`; an object among the arguments is added to its environment. */
export function start(program: string, ...given: (string | Record<string, string>)[]): Child {
  const args = given.filter((one) => typeof one === "string");
  const env = Object.assign({}, globalThis.process.env, ...given.filter((one) => typeof one === "object"));
  const file = fileURLToPath(new URL(`../programs/${program}.ts`, import.meta.url));
  const process = spawn(globalThis.process.execPath, ["--import", "tsx", file, ...args], { cwd: root, env });
  let out = "";
  let err = "";
  process.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const lines: string[] = [];
  const waiting: ((line: string | undefined) => void)[] = [];
  let over = false;
  createInterface({ input: process.stdout }).on("line", (text) => {
    out += `${text}\n`;
    const resolve = waiting.shift();
    if (resolve === undefined) lines.push(text);
    else resolve(text);
  });
  const ended = new Promise<Ended>((resolve) => {
    process.on("close", (code, signal) => {
      over = true;
      for (const waiter of waiting.splice(0)) waiter(undefined);
      resolve({ code, signal, out, err });
    });
  });
  // A test that fails must not leave its programs behind.
  const sweep = () => process.kill("SIGKILL");
  globalThis.process.once("exit", sweep);
  process.once("close", () => globalThis.process.off("exit", sweep));
  return {
    process,
    ended,
    line() {
      if (lines.length > 0) return Promise.resolve(lines.shift());
      if (over) return Promise.resolve(undefined);
      return new Promise((resolve) => waiting.push(resolve));
    },
    tell: (text) => process.stdin.write(`${text}\n`),
    kill: (signal = "SIGKILL") => process.kill(signal),
  };
}
