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
    const abort = () => call(signal);
    signal.addEventListener("abort", abort, { once: true });
    listeners.push(() => signal.removeEventListener("abort", abort));
    if (signal.aborted) call(signal);
  }
  return () => {
    for (const remove of listeners) remove();
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
