// The only importer of the addon. It turns the binding's failures into TidelogErrors, and keeps the tickets: numbers
// under which work is handed over, whose answers come back in bunches when the event loop is asked to fetch them.

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { onAbort } from "./abort.js";
import type {
  Binding,
  Completion,
  ImportReport,
  NativeCompletions,
  NativeFilter,
  NativeOpenOptions,
  NativeSegmentScan,
  NativeStop,
  NativeStore,
  NativeSurvey,
  OnProgress,
  VerifyReport,
} from "./binding.js";
import { noNative } from "./missing_native.js";
import { fromNative, fromThrown } from "./native_errors.js";

export type * from "./binding.js";

type Settle = (completion: Completion) => void;

/** Work handed over by this thread, and what is to be done with the answers. One per thread. */
export class Tickets {
  readonly completions: NativeCompletions;
  readonly #settle = new Map<number, Settle>();
  /** Those that wait for news. */
  readonly #idle = new Set<number>();
  #last = 0;
  // The binding's wake-up does not keep the process alive, on purpose: an idle store must not. What is under way
  // must, so a timer does while there is any.
  readonly #alive = setInterval(() => {}, 0x7fffffff).unref();

  constructor(addon: Binding) {
    this.completions = new addon.Completions(() => this.#drain());
  }

  /** Hands work over: `start` makes the call, `settle` gets the one answer to it, never before this returns. */
  issue(start: (completions: NativeCompletions, ticket: number) => void, settle: Settle): number {
    const ticket = ++this.#last;
    if (this.#settle.size === this.#idle.size) this.#alive.ref();
    this.#settle.set(ticket, settle);
    try {
      start(this.completions, ticket);
    } catch (error) {
      this.forget(ticket);
      throw fromThrown(error);
    }
    return ticket;
  }

  /** As `issue`, for news that may never come: waiting for them does not keep the process alive. */
  listen(start: (completions: NativeCompletions, ticket: number) => void, settle: Settle): number {
    const ticket = this.issue(start, settle);
    if (!this.#settle.has(ticket)) return ticket;
    this.#idle.add(ticket);
    this.#rest();
    return ticket;
  }

  /** The same for those who await: the numbers, or the error. */
  request(start: (completions: NativeCompletions, ticket: number) => void): Promise<Completion> {
    return new Promise((resolve, reject) => {
      this.issue(start, (completion) => {
        if (completion.error === undefined || completion.error === null) resolve(completion);
        else reject(fromNative(completion.error));
      });
    });
  }

  /** No longer waits for an answer. */
  forget(ticket: number): void {
    this.#idle.delete(ticket);
    if (this.#settle.delete(ticket)) this.#rest();
  }

  #rest(): void {
    if (this.#settle.size === this.#idle.size) this.#alive.unref();
  }

  #drain(): void {
    for (const completion of this.completions.drain()) {
      const settle = this.#settle.get(completion.ticket);
      if (settle === undefined) continue;
      this.forget(completion.ticket);
      try {
        settle(completion);
      } catch (error) {
        // A mistake of ours must be seen, and must not cost the others their answers.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }
}

let loaded: { addon: Binding; tickets: Tickets } | undefined;

function load(): { addon: Binding; tickets: Tickets } {
  if (loaded === undefined) {
    // A bundle for CommonJS does not know where it lies.
    const here = import.meta.url as string | undefined;
    const root = here === undefined ? undefined : fileURLToPath(new URL("..", here));
    let addon: Binding;
    try {
      if (here === undefined || root === undefined) throw new Error("import.meta.url is not known");
      addon = (createRequire(here)("node-gyp-build") as (root: string) => Binding)(root);
    } catch (cause) {
      throw noNative(cause, root);
    }
    loaded = { addon, tickets: new Tickets(addon) };
  }
  return loaded;
}

/** This thread's tickets. */
export function tickets(): Tickets {
  return load().tickets;
}

/** Opens a store natively; an abort ends its recovery. */
export function openStore(
  path: string,
  options: NativeOpenOptions,
  progress: OnProgress | undefined,
  signal: AbortSignal | undefined,
): Promise<NativeStore> {
  const open = (stop: NativeStop | null) => load().addon.NativeStore.open(path, options, progress ?? null, stop);
  return signal === undefined ? settled(() => open(null)) : stoppable(signal, open);
}

/** Compiles a filter. */
export function compileFilter(text: string): NativeFilter {
  return direct(() => new (load().addon.NativeFilter)(text));
}

/** Opens a segment file for a look at its batches. */
export function openSegment(path: string): Promise<NativeSegmentScan> {
  return settled(() => load().addon.NativeSegmentScan.open(path));
}

/** Checks the files of a store or of a partition's folder; after an abort it tells what was found so far. */
export async function verifyFiles(path: string, progress: OnProgress, signal: AbortSignal): Promise<VerifyReport> {
  return stoppable(signal, (stop) => load().addon.verifyFiles(path, progress, stop));
}

/** As `verifyFiles`, of a backup: also that it is complete, and ends where its checkpoint says. */
export async function verifyBackup(path: string, progress: OnProgress, signal: AbortSignal): Promise<VerifyReport> {
  return stoppable(signal, (stop) => load().addon.verifyBackup(path, progress, stop));
}

/** Looks for damage in a store that nobody writes to; after an abort its plan is not complete. */
export async function surveyStore(path: string, progress: OnProgress, signal: AbortSignal): Promise<NativeSurvey> {
  return stoppable(signal, (stop) => load().addon.NativeSurvey.run(path, progress, stop));
}

/** Takes over a Kafka log folder; after an abort the topics that it made are gone again. */
export async function importKafka(
  store: NativeStore,
  folder: string,
  topic: string | undefined,
  progress: OnProgress,
  signal: AbortSignal,
): Promise<ImportReport> {
  return stoppable(signal, (stop) => store.importKafka(folder, topic ?? null, progress, stop));
}

/** Has a signal stop work of the binding's. */
export async function stoppable<T>(signal: AbortSignal, work: (stop: NativeStop) => Promise<T>): Promise<T> {
  const stop = new (load().addon.NativeStop)();
  const quiet = onAbort([signal], () => stop.stop());
  try {
    return await settled(() => work(stop));
  } finally {
    quiet();
  }
}

/** A promise of the binding, its failures turned into TidelogErrors. */
export async function settled<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromThrown(error);
  }
}

/** A synchronous call of the binding, its failures turned into TidelogErrors. */
export function direct<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromThrown(error);
  }
}
