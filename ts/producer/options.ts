// What a producer can be told.

import { InvalidArgumentError } from "../errors.js";
import { checkInteger, checkOptions, shown } from "../options.js";
import type { Partitioner } from "./partitioner.js";

/** What a producer can be told. */
export interface ProducerOptions {
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

/** Bounds a close. */
export interface CloseOptions {
  /** How long to wait for what is on its way, in ms. Default 30,000. */
  timeoutMs?: number | undefined;
}

/** Default of `bufferBytes`. */
const BUFFER_BYTES = 64 << 20;

/** The options, checked and complete. */
export function producerOptions(given: ProducerOptions | undefined): {
  bufferBytes: number;
  partitioner: Partitioner | undefined;
} {
  const where = "log.producer";
  checkOptions(where, given, ["bufferBytes", "partitioner"]);
  const { bufferBytes = BUFFER_BYTES, partitioner } = given ?? {};
  checkInteger(where, "bufferBytes", bufferBytes, 1024);
  if (partitioner !== undefined && typeof partitioner !== "function") {
    throw new InvalidArgumentError(
      `${where}: partitioner must be a function (key, partitionCount, topic) => number, not ${shown(partitioner)}`,
    );
  }
  return { bufferBytes, partitioner };
}

/** The time limit of a close. */
export function closeTimeout(where: string, given: CloseOptions | undefined): number {
  checkOptions(where, given, ["timeoutMs"]);
  return checkInteger(where, "timeoutMs", given?.timeoutMs ?? 30_000, 0, 2 ** 31 - 1);
}
