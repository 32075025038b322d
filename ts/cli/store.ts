// Opening a store to look into it: read-only, so beside a running writer.

import type { Log } from "../log.js";
import { open } from "../open.js";

/** Opens the store read-only, and closes it whatever happens. */
export async function reading<T>(path: string, use: (log: Log) => Promise<T>): Promise<T> {
  const log = await open(path, { readOnly: true });
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}
