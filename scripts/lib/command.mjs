// Starts other programs for the scripts: npm as the one that started us, errors as one line, no shell.
// Plain Node without dependencies, because it runs before anything is installed.
import { spawn } from "node:child_process";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of package.json. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** A failure whose message says everything: printed without a stack. */
export class Refusal extends Error {}

/** Ends the process with a refusal's message, or with the stack of what nobody foresaw. */
export function fail(error) {
  console.error(error instanceof Refusal ? `tidelog: ${error.message}` : error);
  process.exit(1);
}

/**
 * Runs a program in the project's folder and resolves with its exit code and, when `capture` is set, what it printed.
 * Rejects only if it could not be started.
 */
export function run(program, args, { capture = false, env = {}, cwd = root, onText } = {}) {
  return new Promise((done, failed) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: capture ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"],
    });
    let output = "";
    const take = (chunk) => {
      output += chunk;
      onText?.(String(chunk));
    };
    child.stdout?.setEncoding("utf8").on("data", take);
    child.stderr?.setEncoding("utf8").on("data", take);
    child.on("error", failed);
    child.on("close", (code, signal) => done({ code: code ?? 1, signal, output }));
  });
}

/** Runs npm: the very one that started us where there is one, else the one on the PATH. */
export function npm(args, options) {
  const script = process.env.npm_execpath;
  if (script && /npm-cli\.[cm]?js$/.test(script)) return run(process.execPath, [script, ...args], options);
  if (process.platform === "win32") return run("cmd.exe", ["/d", "/c", "npm", ...args], options);
  return run("npm", args, options);
}
