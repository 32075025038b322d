// Waits that an AbortSignal can end, without leaving a listener behind.

import { AbortedError } from "./errors.js";

/** Calls back when any of the signals aborts, at once if one has; gives the way to listen no longer. */
export function onAbort(
  signals: readonly (AbortSignal | undefined)[],
  call: (signal: AbortSignal) => void,
): () => void {
  const listeners: (() => void)[] = [];
  for (const signal of signals) {
    if (signal === undefined) continue;
    listeners.push(listen(signal, call));
    if (signal.aborted) call(signal);
  }
  return () => {
    for (const remove of listeners) remove();
  };
}

/** Whom a signal calls, and the one listener that it has for all: many consumers of one signal are no leak to warn of. */
interface Hearers {
  readonly calls: Set<{ readonly call: (signal: AbortSignal) => void }>;
  readonly listener: () => void;
}

const hearers = new WeakMap<AbortSignal, Hearers>();

function listen(signal: AbortSignal, call: (signal: AbortSignal) => void): () => void {
  let all = hearers.get(signal);
  if (all === undefined) {
    const calls: Hearers["calls"] = new Set();
    const listener = () => {
      for (const one of [...calls]) if (calls.delete(one)) one.call(signal);
    };
    all = { calls, listener };
    hearers.set(signal, all);
  }
  const { calls, listener } = all;
  if (calls.size === 0) signal.addEventListener("abort", listener, { once: true });
  const own = { call };
  calls.add(own);
  return () => {
    if (calls.delete(own) && calls.size === 0) signal.removeEventListener("abort", listener);
  };
}

/** Waits until `start` calls back, or the signal aborts; what was begun is not undone. */
export function abortable(
  where: string,
  signal: AbortSignal | undefined,
  start: (resolve: () => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal === undefined) return start(resolve);
    const quiet = onAbort([signal], () => reject(new AbortedError(where, signal.reason)));
    start(() => {
      quiet();
      resolve();
    });
  });
}

/** Refuses what begins under a signal that has aborted. */
export function checkAborted(where: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortedError(where, signal.reason);
}
