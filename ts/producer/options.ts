// What a producer can be told.

import { InvalidArgumentError } from "../errors.js";
import { checkDuration, checkInteger, checkName, checkOptions, shown } from "../options.js";
import type { Duration } from "../time.js";
import type { Partitioner } from "./partitioner.js";

/** What a producer can be told. */
export interface ProducerOptions {
  /**
   * Gives the producer an identity that lasts (KIP-98): it is registered durably under this name when it is opened, which
   * sends wait for, and what it sends to a partition is numbered 0, 1, 2... across restarts (see `lastSequence`). A
   * second producer of the name takes it over, and the older one gets `ProducerFencedError` from then on. Default: an
   * identity that ends with the producer.
   */
  name?: string | undefined;
  /**
   * Bytes of records that may be on their way to the disk before senders wait. Default 64 MiB, at least 1 KiB.
   * A single record may be larger; it then waits until nothing else is on its way.
   */
  bufferBytes?: number | undefined;
  /**
   * Chooses the partition of records that name none. Default: as Kafka does, the murmur2 hash of the key, so that
   * a key keeps its partition; records without a key change partitions from one group of records to the next.
   */
  partitioner?: Partitioner | undefined;
}

/** How to give up waiting. */
export interface WaitOptions {
  /** Ends the wait with an `AbortError`. What has been handed to the engine already is not taken back. */
  signal?: AbortSignal | undefined;
}

/** What a single send can be told. */
export interface SendOptions extends WaitOptions {
  /**
   * Appends the record only if it gets this offset, and rejects with `OffsetConflictError` otherwise: the way to decide
   * on what has been read, as long as nobody else has written since. The record's partition must be certain: by
   * `partition`, by a key, or since there is only one.
   */
  expectOffset?: number | undefined;
  /**
   * The record's number among those that a named producer sends to its partition: `lastSequence` + 1 for a new one. One
   * that is in the log already is not appended again, and answered as a `duplicate`. Counts from 0 to 2^31 - 1, and goes
   * on at 0. The record's partition must be certain.
   */
  sequence?: number | undefined;
}

/** Bounds a close. */
export interface CloseOptions {
  /** How long to wait for what is on its way, in ms or as a `Duration`. Default 30,000. */
  timeoutMs?: number | Duration | undefined;
}

/** Default of `bufferBytes`. */
const BUFFER_BYTES = 64 << 20;

/** Checked and complete. */
export interface CheckedProducerOptions {
  name: string | undefined;
  bufferBytes: number;
  partitioner: Partitioner | undefined;
}

/** Checks what was given and fills in the defaults. */
export function producerOptions(given: ProducerOptions | undefined): CheckedProducerOptions {
  const where = "log.producer";
  checkOptions(where, given, ["name", "bufferBytes", "partitioner"]);
  const { name, bufferBytes = BUFFER_BYTES, partitioner } = given ?? {};
  if (name !== undefined) checkName(where, "name", name);
  checkInteger(where, "bufferBytes", bufferBytes, 1024);
  return { name, bufferBytes, partitioner: checkPartitioner(where, partitioner) };
}

/** A partitioner, or nothing. */
export function checkPartitioner(where: string, partitioner: Partitioner | undefined): Partitioner | undefined {
  if (partitioner !== undefined && typeof partitioner !== "function") {
    throw new InvalidArgumentError(
      `${where}: partitioner must be a function (key, partitionCount, topic) => number, not ${shown(partitioner)}`,
    );
  }
  return partitioner;
}

/** The time limit of a close. */
export function closeTimeout(where: string, given: CloseOptions | undefined): number {
  checkOptions(where, given, ["timeoutMs"]);
  return checkDuration(where, "timeoutMs", given?.timeoutMs ?? 30_000, 0, 2 ** 31 - 1);
}
