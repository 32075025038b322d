// Keeps the process alive while somebody waits for what only the log can bring: timers and waits in the engine that have
// ended, or that a pause has called off, do not.

const LONG_MS = 2 ** 31 - 1;

/** Waits, and keeps the process alive meanwhile. */
export async function keepAlive<T>(wait: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, LONG_MS);
  try {
    return await wait;
  } finally {
    clearInterval(timer);
  }
}
