// Opening a store: what it can be told, checked, and an abort of a recovery that is under way.

import { resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import { abortable, checkAborted } from "./abort.js";
import { opened, publishError, recovering, retained } from "./diagnostics.js";
import { AbortedError, InvalidArgumentError, StoreLockedError, TidelogError } from "./errors.js";
import { type Log, logOf } from "./log.js";
import { type NativeOpenOptions, type NativeStore, openStore, settled } from "./native.js";
import {
  checkBoolean,
  checkDuration,
  checkGroup,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkSignal,
  shown,
} from "./options.js";
import type { Duration } from "./time.js";
import type { Durability } from "./topic_config.js";

/** How a store is opened. */
export interface OpenOptions {
  /**
   * Of topics that do not say otherwise. `"fsync"`, the default: an acknowledged record survives the process being
   * killed and power loss. `"buffered"`: it survives the process being killed, not power loss.
   */
  durability?: Durability | undefined;
  /** Reads a store while another process writes to it. Default false. */
  readOnly?: boolean | undefined;
  /** Makes the folder and the store where there is none. Default true, and false with `readOnly`. */
  create?: boolean | undefined;
  /**
   * How long to wait, in ms or as a `Duration`, while another process has the store open for writing, as in a rolling restart. Default 0:
   * `StoreLockedError` at once. The wait is ended by `signal`, too.
   */
  lockTimeoutMs?: number | Duration | undefined;
  /**
   * Opens even on a network file system, where locks and syncs can't be trusted, and where locks keep nobody out.
   * Default false.
   */
  allowNetworkFileSystem?: boolean | undefined;
  /** How often retention is applied, in ms or as a `Duration`. Default 300,000. */
  maintenanceIntervalMs?: number | Duration | undefined;
  /**
   * How often everything is synced, in ms or as a `Duration`: bounds what `buffered` topics lose with the power. Default
   * 10,000.
   */
  checkpointIntervalMs?: number | Duration | undefined;
  /**
   * How many segments keep their files open at once; the least recently used are closed. A segment takes one file handle,
   * and up to two more for its indexes while records are looked for. Default: an eighth of the files that the process may
   * have open (`ulimit -n`), at most 1024. When the system has none left, segments that are not in use are closed
   * whatever this says, and a call that gets no handle even so fails with `ERR_TIDELOG_TOO_MANY_OPEN_FILES`.
   */
  openSegments?: number | undefined;
  /** How topics with `cleanup: "compact"` are cleaned, in the background and one partition at a time. */
  compaction?: CompactionOptions | undefined;
  /**
   * Told now and then how far the recovery of a store has come that was not closed in order: bytes that are done, and
   * about how many there are to do.
   */
  onRecovery?: ((done: number, total: number) => void) | undefined;
  /** Ends the opening, a recovery that is under way or a wait for the lock above all; nothing is lost, and opening again goes on. */
  signal?: AbortSignal | undefined;
}

/** The pauses between two tries for the lock. */
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;

/** What the store's cleaner may use. */
export interface CompactionOptions {
  /** How often it looks for something to clean, in ms or as a `Duration`. Default 15,000. */
  intervalMs?: number | Duration | undefined;
  /** Bytes that it reads and writes in a second at most, both counted; at least 65,536. Default 64 MiB. */
  bytesPerSecond?: number | undefined;
  /**
   * Memory for keys in bytes, 24 bytes each, at least 1 MiB. What has more keys is cleaned in several passes. Default
   * 32 MiB, which is 1.25 million keys.
   */
  memoryBytes?: number | undefined;
}

/**
 * Opens the store in a folder, and makes one where there is none. Use `await using` to have it closed. One process at
 * a time may write to it, from any number of threads; others get `StoreLockedError`, or open it `readOnly`.
 *
 * A folder that is open in this process already, in any thread, is shared. It keeps the intervals, `openSegments` and
 * `compaction` that it was opened with first; another `durability` is refused.
 */
export async function open(path: string | URL, options?: OpenOptions): Promise<Log> {
  const where = "open";
  const native = nativeOptions(where, options);
  const { onRecovery, signal } = options ?? {};
  if (onRecovery !== undefined && typeof onRecovery !== "function") {
    throw new InvalidArgumentError(`${where}: onRecovery must be a function, not ${shown(onRecovery)}`);
  }
  checkSignal(where, signal);
  checkAborted(where, signal);
  const folder = folderOf(where, path);
  const progress = progressOf(folder, onRecovery);
  const opening = unlocked(where, lockTimeout(where, options), signal, () =>
    openStore(folder, native, progress, signal),
  );
  const store = await opening.catch((error: unknown) => {
    if (error instanceof TidelogError) {
      if (error.code === "ERR_TIDELOG_ABORTED") throw new AbortedError(where, signal?.reason);
      publishError({ path: folder, operation: "open", error });
    }
    throw error;
  });
  if (signal?.aborted) {
    await settled(() => store.close());
    throw new AbortedError(where, signal.reason);
  }
  if (opened.hasSubscribers) opened.publish({ path: store.path, id: store.id, readOnly: store.readOnly });
  publishRetention(store);
  return logOf(store);
}

/** How long to wait for the writer's lock. */
function lockTimeout(where: string, options: OpenOptions | undefined): number {
  const { lockTimeoutMs, readOnly } = options ?? {};
  if (lockTimeoutMs === undefined) return 0;
  if (readOnly) throw new InvalidArgumentError(`${where}: readOnly takes no lock; leave lockTimeoutMs out`);
  return checkDuration(where, "lockTimeoutMs", lockTimeoutMs);
}

/** Opens, again and again while another process has the lock, until the time is up. */
async function unlocked<T>(
  where: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  open: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await open();
    } catch (error) {
      const left = deadline - performance.now();
      if (!(error instanceof StoreLockedError) || left <= 0) throw error;
      let timer: NodeJS.Timeout | undefined;
      await abortable(where, signal, (resolve) => {
        timer = setTimeout(resolve, Math.min(pause, left));
      }).finally(() => clearTimeout(timer));
    }
  }
}

/** Who is told how far a recovery is. */
function progressOf(path: string, onRecovery: OpenOptions["onRecovery"]): OpenOptions["onRecovery"] {
  if (!recovering.hasSubscribers) return onRecovery;
  return (done, total) => {
    recovering.publish({ path, done, total });
    onRecovery?.(done, total);
  };
}

function publishRetention(store: NativeStore): void {
  const { path } = store;
  store.onRetention((topic, partition, logStartOffset, segments, bytes) => {
    if (retained.hasSubscribers) retained.publish({ path, topic, partition, logStartOffset, segments, bytes });
  });
}

function nativeOptions(where: string, options: OpenOptions | undefined): NativeOpenOptions {
  checkOptions(where, options, [
    "durability",
    "readOnly",
    "create",
    "lockTimeoutMs",
    "allowNetworkFileSystem",
    "maintenanceIntervalMs",
    "checkpointIntervalMs",
    "openSegments",
    "compaction",
    "onRecovery",
    "signal",
  ]);
  const { durability, readOnly = false, allowNetworkFileSystem = false, ...rest } = options ?? {};
  const { create = !readOnly, maintenanceIntervalMs, checkpointIntervalMs, openSegments, compaction } = rest;
  checkBoolean(where, "readOnly", readOnly);
  checkBoolean(where, "create", create);
  checkBoolean(where, "allowNetworkFileSystem", allowNetworkFileSystem);
  if (readOnly && create) {
    throw new InvalidArgumentError(`${where}: readOnly can't create a store; leave create out, or open it to write`);
  }
  const native: NativeOpenOptions = { readOnly, create, force: allowNetworkFileSystem };
  if (durability !== undefined) native.durability = checkOneOf(where, "durability", durability, ["fsync", "buffered"]);
  if (maintenanceIntervalMs !== undefined) {
    native.maintenanceIntervalMs = checkDuration(where, "maintenanceIntervalMs", maintenanceIntervalMs, 1);
  }
  if (checkpointIntervalMs !== undefined) {
    native.checkpointIntervalMs = checkDuration(where, "checkpointIntervalMs", checkpointIntervalMs, 1);
  }
  if (openSegments !== undefined) native.openSegments = checkInteger(where, "openSegments", openSegments, 1);
  if (compaction !== undefined) {
    checkGroup(where, "compaction", compaction, ["intervalMs", "bytesPerSecond", "memoryBytes"]);
    const { intervalMs, bytesPerSecond, memoryBytes } = compaction;
    const least = (name: string, value: number, min: number) => checkInteger(where, `compaction.${name}`, value, min);
    if (intervalMs !== undefined) {
      native.compactionIntervalMs = checkDuration(where, "compaction.intervalMs", intervalMs, 1);
    }
    if (bytesPerSecond !== undefined) {
      native.compactionBytesPerSecond = least("bytesPerSecond", bytesPerSecond, 1 << 16);
    }
    if (memoryBytes !== undefined) native.compactionMemoryBytes = least("memoryBytes", memoryBytes, 1 << 20);
  }
  return native;
}

function folderOf(where: string, path: string | URL): string {
  if (path instanceof URL) return fileURLToPath(path);
  if (typeof path !== "string" || path === "") {
    throw new InvalidArgumentError(`${where}: path must be a folder's path or file: URL, not ${shown(path)}`);
  }
  return resolvePath(path);
}
