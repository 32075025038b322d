// `npm start`: builds what is missing, then runs the flights job with the arguments given after `--`.
import { spawn } from "node:child_process";
import { fail, root } from "./lib/command.mjs";
import { ensureBuilt } from "./lib/ensure.mjs";

try {
  await ensureBuilt();
} catch (error) {
  fail(error);
}
const job = ["--import", "tsx", "examples/flights/main.ts", ...process.argv.slice(2)];
const child = spawn(process.execPath, job, { cwd: root, stdio: "inherit" });
// The terminal sends Ctrl-C to both of us: the job decides what to do, we wait for it.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
