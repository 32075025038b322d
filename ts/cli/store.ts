// Opening a store: to look into it, read-only, so beside a running writer, or to change it, which only one can at a time.

import type { Log } from "../log.js";
import { open } from "../open.js";

/** Opens the store read-only, and closes it whatever happens. */
export function reading<T>(path: string, use: (log: Log) => Promise<T>): Promise<T> {
  return within(open(path, { readOnly: true }), use);
}

/** Opens the store, which must be there, and closes it whatever happens. */
export function changing<T>(path: string, use: (log: Log) => Promise<T>): Promise<T> {
  return within(open(path, { create: false }), use);
}

async function within<T>(opening: Promise<Log>, use: (log: Log) => Promise<T>): Promise<T> {
  const log = await opening;
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}
