// The only importer of the addon. It says what TypeScript expects of the binding, turns the binding's failures
// into TidelogErrors, and keeps the tickets: numbers under which work is handed over, whose answers come back in
// bunches when the event loop is asked to fetch them.

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { fromNative, fromThrown, type NativeError, TidelogError } from "./errors.js";

/** The answer to one ticket; what `numbers` are is said at each call. */
export interface Completion {
  ticket: number;
  error?: NativeError | undefined;
  numbers: number[];
}

export interface NativeCompletions {
  drain(): Completion[];
  take(ticket: number, bytes: Uint8Array, table: Uint8Array | null): void;
  discard(ticket: number): void;
}

export interface NativeOpenOptions {
  durability?: "fsync" | "buffered";
  readOnly: boolean;
  create: boolean;
  force: boolean;
  maintenanceIntervalMs?: number;
  checkpointIntervalMs?: number;
  openSegments?: number;
}

export interface NativeTopicConfig {
  partitions?: number;
  durability?: string;
  compression?: string;
  timestampType?: string;
  retentionMs?: number | null;
  retentionBytes?: number | null;
  segmentBytes?: number;
  segmentMs?: number;
  indexIntervalBytes?: number;
  maxBatchBytes?: number;
  maxFutureMs?: number;
}

export interface NativeTopicDescription {
  name: string;
  id: string;
  config: NativeTopicConfig;
  partitions: NativePartitionDescription[];
}

export interface NativePartitionDescription {
  partition: number;
  logStartOffset: number;
  highWatermark: number;
  logEndOffset: number;
  segments: number;
  bytes: number;
  damage?: string | undefined;
}

export interface NativeRecovery {
  clean: boolean;
  bytesChecked: number;
  bytesCut: number;
  tornFiles: string[];
  damaged: NativeError[];
  durationMs: number;
}

export interface NativeStore {
  readonly recovery: NativeRecovery;
  readonly path: string;
  readonly id: string;
  readonly readOnly: boolean;
  createTopic(name: string, config: NativeTopicConfig): Promise<NativeTopic>;
  openTopic(name: string): Promise<NativeTopic>;
  topics(): Promise<string[]>;
  deleteTopic(name: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
  producer(completions: NativeCompletions): NativeProducer;
  importKafka(
    folder: string,
    topic: string | null,
    progress: OnProgress | null,
    stop: NativeStop | null,
  ): Promise<ImportReport>;
}

export interface NativeTopic {
  readonly name: string;
  readonly id: string;
  readonly partitionCount: number;
  config(): NativeTopicConfig;
  describe(): Promise<NativeTopicDescription>;
  alter(change: NativeTopicConfig): Promise<void>;
  sync(): Promise<void>;
  partition(index: number): NativePartition;
  /** Numbers: bytes, bytes of the table, rows. */
  get(completions: NativeCompletions, ticket: number, wanted: Float64Array): void;
}

export interface NativeProducer {
  /** Numbers: for each run that was appended its partition, base offset, count, and time of the append or -1. */
  produce(
    ticket: number,
    topic: NativeTopic,
    table: Uint8Array,
    tableLength: number,
    bytes: Uint8Array,
    bytesLength: number,
  ): void;
}

export interface NativePartition {
  readonly topic: string;
  readonly index: number;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly logEndOffset: number;
  offsetForTime(ms: number): Promise<[number, number] | null>;
  deleteRecords(before: number): Promise<number>;
  /** Numbers: base offset, last offset, time of the append or -1. */
  append(completions: NativeCompletions, ticket: number, batch: Uint8Array): void;
  /** Numbers: bytes, the offset to read on from. */
  read(completions: NativeCompletions, ticket: number, offset: number, maxBytes: number): void;
  /** Numbers: bytes, bytes of the table, records, the offset to read on from, high watermark, log start. */
  readRecords(completions: NativeCompletions, ticket: number, offset: number, maxBytes: number): void;
  /** No numbers: there is something at this offset. */
  waitFor(completions: NativeCompletions, ticket: number, offset: number): void;
  cancelWait(completions: NativeCompletions, ticket: number): void;
}

/** One segment file, read from its beginning. */
export interface NativeSegmentScan {
  readonly fileLength: number;
  next(count: number, withRecords: boolean): Promise<ScannedBatch[]>;
}

export interface ScannedBatch {
  position: number;
  damage?: string;
  expectedOffset?: number;
  batch?: NativeBatch;
}

export interface NativeBatch {
  size: number;
  baseOffset: number;
  lastOffset: number;
  leaderEpoch: number;
  magic: number;
  crc: number;
  compression?: string;
  timestampType: string;
  isTransactional: boolean;
  isControl: boolean;
  baseTimestamp: number;
  maxTimestamp: number;
  producerId: string;
  producerEpoch: number;
  baseSequence: number;
  recordCount: number;
  records?: NativeRecord[];
  recordsError?: string;
}

export interface NativeRecord {
  offset: number;
  timestamp: number;
  key?: Buffer;
  value?: Buffer;
  headers: { name: string; value?: Buffer }[];
}

export interface VerifyReport {
  partitions: number;
  segments: number;
  batches: number;
  records: number;
  bytes: number;
  problems: VerifyProblem[];
}

export interface VerifyProblem {
  file: string;
  position: number;
  offset: number;
  reason: string;
  recordsAffected: boolean;
}

/** What an import has taken over. */
export interface ImportReport {
  topics: { name: string; partitions: ImportedPartition[]; missing: number[] }[];
  skipped: { name: string; reason: string }[];
  stopped: boolean;
}

export interface ImportedPartition {
  partition: number;
  logStartOffset: number;
  logEndOffset: number;
  records: number;
  batches: number;
  bytes: number;
  controlOffsets: number;
  abortedOffsets: number;
  unfinishedOffsets: number;
  removedOffsets: number;
  tornBytes: number;
}

interface NativeStop {
  stop(): void;
}

type OnProgress = (done: number, total: number) => void;

interface Addon {
  NativeStore: { open(path: string, options: NativeOpenOptions): Promise<NativeStore> };
  NativeSegmentScan: { open(path: string): Promise<NativeSegmentScan> };
  NativeStop: new () => NativeStop;
  Completions: new (wake: () => void) => NativeCompletions;
  verifyFiles(path: string, progress: OnProgress | null, stop: NativeStop | null): Promise<VerifyReport>;
}

type Settle = (completion: Completion) => void;

/** Work handed over by this thread, and what is to be done with the answers. One per thread. */
export class Tickets {
  readonly completions: NativeCompletions;
  readonly #settle = new Map<number, Settle>();
  #last = 0;
  // The binding's wake-up does not keep the process alive, on purpose: an idle store must not. What is under way
  // must, so a timer does while there is any.
  readonly #alive = setInterval(() => {}, 0x7fffffff).unref();

  constructor(addon: Addon) {
    this.completions = new addon.Completions(() => this.#drain());
  }

  /** Hands work over: `start` makes the call, `settle` gets the one answer to it, never before this returns. */
  issue(start: (completions: NativeCompletions, ticket: number) => void, settle: Settle): number {
    const ticket = ++this.#last;
    if (this.#settle.size === 0) this.#alive.ref();
    this.#settle.set(ticket, settle);
    try {
      start(this.completions, ticket);
    } catch (error) {
      this.forget(ticket);
      throw fromThrown(error);
    }
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
    if (this.#settle.delete(ticket) && this.#settle.size === 0) this.#alive.unref();
  }

  #drain(): void {
    for (const completion of this.completions.drain()) {
      const settle = this.#settle.get(completion.ticket);
      if (settle === undefined) continue;
      this.forget(completion.ticket);
      settle(completion);
    }
  }
}

let loaded: { addon: Addon; tickets: Tickets } | undefined;

function load(): { addon: Addon; tickets: Tickets } {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    const root = fileURLToPath(new URL("..", import.meta.url));
    try {
      const addon = (require("node-gyp-build") as (root: string) => Addon)(root);
      loaded = { addon, tickets: new Tickets(addon) };
    } catch (cause) {
      const platform = `${process.platform}-${process.arch}`;
      throw new TidelogError(
        "ERR_TIDELOG_INTERNAL",
        `no native part for ${platform} was found in ${root}; install the package anew on this machine, or build it`,
        { cause },
      );
    }
  }
  return loaded;
}

/** This thread's tickets. */
export function tickets(): Tickets {
  return load().tickets;
}

/** Opens a store natively. */
export function openStore(path: string, options: NativeOpenOptions): Promise<NativeStore> {
  return settled(() => load().addon.NativeStore.open(path, options));
}

/** Opens a segment file for a look at its batches. */
export function openSegment(path: string): Promise<NativeSegmentScan> {
  return settled(() => load().addon.NativeSegmentScan.open(path));
}

/** Checks the files of a store or of a partition's folder; after an abort it tells what was found so far. */
export async function verifyFiles(path: string, progress: OnProgress, signal: AbortSignal): Promise<VerifyReport> {
  return stoppable(signal, (stop) => load().addon.verifyFiles(path, progress, stop));
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
async function stoppable<T>(signal: AbortSignal, work: (stop: NativeStop) => Promise<T>): Promise<T> {
  const stop = new (load().addon.NativeStop)();
  const abort = () => stop.stop();
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await settled(() => work(stop));
  } finally {
    signal.removeEventListener("abort", abort);
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
