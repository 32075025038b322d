// A copy of an open store: what it can be told, checked, and an abort of one that is under way.

import { resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import { checkAborted } from "./abort.js";
import { AbortedError, InvalidArgumentError, TidelogError } from "./errors.js";
import { type NativeStore, settled, stoppable } from "./native.js";
import { checkOptions, checkSignal, shown } from "./options.js";

/** How a backup is made. */
export interface BackupOptions {
  /** Ends the backup; the folder is then as it was before. */
  signal?: AbortSignal | undefined;
  /** Told now and then how far it has come: bytes that are done, and all bytes. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What a backup holds, and what it took. */
export interface BackupReport {
  /** The folder that is a store now, absolute. */
  readonly path: string;
  /** The moment that it shows, in ms since 1970. */
  readonly timestamp: number;
  /** Topics in it. */
  readonly topics: number;
  /** Their partitions. */
  readonly partitions: number;
  /** Bytes of files that are never written again, which the backup shares with the store: they take no space of their own. */
  readonly bytesLinked: number;
  /** Bytes that were copied. */
  readonly bytesCopied: number;
  /** How long it took, in ms. */
  readonly durationMs: number;
}

/** Copies a store as it is at one moment. */
export async function backupOf(
  native: NativeStore,
  folder: string | URL,
  options: BackupOptions | undefined,
): Promise<BackupReport> {
  const where = "log.backup";
  const path = folderOf(where, folder);
  checkOptions(where, options, ["signal", "onProgress"]);
  const { signal, onProgress } = options ?? {};
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw new InvalidArgumentError(`${where}: onProgress must be a function, not ${shown(onProgress)}`);
  }
  checkSignal(where, signal);
  checkAborted(where, signal);
  const progress = onProgress === undefined ? null : (done: number, total: number) => onProgress(done, total);
  const copying =
    signal === undefined
      ? settled(() => native.backup(path, progress, null))
      : stoppable(signal, (stop) => native.backup(path, progress, stop));
  return copying.catch((error: unknown) => {
    const aborted = error instanceof TidelogError && error.code === "ERR_TIDELOG_ABORTED";
    throw aborted ? new AbortedError(where, signal?.reason) : error;
  });
}

function folderOf(where: string, folder: unknown): string {
  if (folder instanceof URL) return fileURLToPath(folder);
  if (typeof folder !== "string" || folder === "") {
    throw new InvalidArgumentError(`${where}: folder must be a folder's path or file: URL, not ${shown(folder)}`);
  }
  return resolvePath(folder);
}
