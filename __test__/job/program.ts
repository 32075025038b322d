// Runs a Node.js program as a user would, and gives what it printed.
import { spawn } from "node:child_process";
import { root } from "./folder.js";

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

export interface ProgramOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Killed after so many seconds; 60 by default. */
  limit?: number;
}

/** Runs `node …args`, TypeScript included, and resolves when it has ended. */
export function runNode(args: string[], options: ProgramOptions = {}): Promise<Ended> {
  return runProgram(process.execPath, args, options);
}

export function runProgram(program: string, args: string[], options: ProgramOptions = {}): Promise<Ended> {
  const { cwd = root, env = process.env, limit = 60 } = options;
  return new Promise((done, failed) => {
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: limit * 1000 });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      err += text;
    });
    child.on("error", failed);
    child.on("close", (code) => done({ code, out, err }));
  });
}

/** The output of a program that must end well; its error output is in the message when it does not. */
export async function outputOf(ended: Promise<Ended>): Promise<string> {
  const { code, out, err } = await ended;
  if (code !== 0) throw new Error(`exit code ${code}\n${out}\n${err}`);
  return out;
}
