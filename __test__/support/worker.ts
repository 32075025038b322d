// Worker threads that run a TypeScript file from `__test__/programs/`.

import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

/** Starts a program in a thread of its own. */
export function worker(program: string, workerData: object): Worker {
  const file = fileURLToPath(new URL(`../programs/${program}.worker.ts`, import.meta.url));
  // The loader of TypeScript is asked for by the bootstrap, as workers do not run --import themselves on every Node.
  const boot = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(file)}); })`;
  return new Worker(boot, { eval: true, workerData });
}
