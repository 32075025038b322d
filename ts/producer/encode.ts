// One record into a pack: key, value and headers serialized in place, the partition chosen, the limits checked
// that are fixed. Runs once for every record sent, so it allocates nothing of its own.

import { SerializationError, TidelogError } from "../errors.js";
import { writeHeaders } from "../headers.js";
import { shown } from "../options.js";
import type { Pack } from "../pack.js";
import type { ProducerRecord } from "../record.js";
import { bytesCodec, notBytes } from "../serdes/bytes.js";
import type { TopicState } from "../topic_state.js";
import { partitionOfKey } from "./murmur2.js";
import type { Partitioner } from "./partitioner.js";

/** Most bytes of a key. */
const MAX_KEY_BYTES = 64 << 10;
/** What a batch of one record needs beside the record's packed bytes, at most: its header, lengths and times. */
const BATCH_OVERHEAD = 61 + 40;
/** What a header may need beside its packed bytes. */
const HEADER_OVERHEAD = 2;

/** What the records of one pack have in common. */
export interface Terms {
  topic: TopicState;
  partitionCount: number;
  /** The partition of records without a key. */
  sticky: number;
  /** The time of records that bring none. */
  now: number;
  partitioner: Partitioner | undefined;
}

/**
 * Appends a record, or throws and leaves the pack as it was. True if the record is so large that it may be refused
 * by the engine: it must then travel alone, so that no other is refused with it.
 */
export function encode(pack: Pack, terms: Terms, record: ProducerRecord<unknown, unknown>): boolean {
  const start = pack.length;
  const { topic } = terms;
  let field = "key";
  try {
    const { key, value, headers } = record;
    let keyLength = -1;
    if (key !== null && key !== undefined) {
      keyLength = topic.key === bytesCodec ? writeBytes(key, pack) : topic.key.write(key, pack);
      if (keyLength > MAX_KEY_BYTES) throw keyTooLarge(keyLength);
    }
    field = "value";
    let valueLength = -1;
    if (value !== null) {
      if (value === undefined) throw noValue(topic.name);
      valueLength = topic.value === bytesCodec ? writeBytes(value, pack) : topic.value.write(value, pack);
    }
    field = "headers";
    const headerCount = headers === undefined ? 0 : writeHeaders(headers, pack);
    field = "partition";
    const timestamp = record.timestamp === undefined ? terms.now : timeOf(record.timestamp, terms);
    const partition = record.partition === undefined ? choose(pack, start, keyLength, terms) : record.partition;
    if (!(partition >= 0 && partition < terms.partitionCount && Number.isInteger(partition))) {
      topic.checkPartition(partition);
    }
    pack.addRow(timestamp, partition, keyLength, valueLength, headerCount);
    return pack.length - start + BATCH_OVERHEAD + headerCount * HEADER_OVERHEAD > topic.maxBatchBytes;
  } catch (error) {
    pack.length = start;
    throw explained(error, field, record, topic.name);
  }
}

function writeBytes(value: unknown, pack: Pack): number {
  if (!(value instanceof Uint8Array)) throw notBytes(value);
  return pack.writeBytes(value);
}

function choose(pack: Pack, start: number, keyLength: number, terms: Terms): number {
  const { partitioner, partitionCount } = terms;
  if (partitioner !== undefined) {
    const key = keyLength < 0 ? null : pack.bytes.subarray(start, start + keyLength);
    return partitioner(key, partitionCount, terms.topic.name);
  }
  if (keyLength < 0) return terms.sticky;
  return partitionCount === 1 ? 0 : partitionOfKey(pack.bytes, start, keyLength, partitionCount);
}

function timeOf(timestamp: number, terms: Terms): number {
  const { topic } = terms;
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new TidelogError(
      "ERR_TIDELOG_INVALID_RECORD",
      `timestamp must be an integer of ms since 1970, not ${shown(timestamp)}`,
    );
  }
  if (!topic.appendTime && timestamp > terms.now + topic.maxFutureMs) {
    topic.refresh();
    const latest = Date.now() + topic.maxFutureMs;
    if (timestamp > latest) {
      throw new TidelogError(
        "ERR_TIDELOG_INVALID_RECORD",
        `timestamp ${timestamp} is further in the future than topic "${topic.name}" takes (up to ${latest}); ` +
          "give it in ms since 1970, or raise maxFutureMs",
      );
    }
  }
  return timestamp;
}

function explained(error: unknown, field: string, record: unknown, topic: string): unknown {
  if (error instanceof TidelogError) return error;
  if (typeof record !== "object" || record === null) {
    return new TidelogError(
      "ERR_TIDELOG_INVALID_RECORD",
      `a record for topic "${topic}" must be an object such as { key, value }, not ${shown(record)}`,
    );
  }
  const reason = (error as Error)?.message ?? String(error);
  if (field === "partition") {
    return new TidelogError(
      "ERR_TIDELOG_INVALID_RECORD",
      `the partitioner threw for a record of topic "${topic}": ${reason}`,
      { cause: error },
    );
  }
  return new SerializationError(`the ${field} of a record for topic "${topic}" can't be serialized: ${reason}`, error);
}

function noValue(topic: string): TidelogError {
  return new TidelogError(
    "ERR_TIDELOG_INVALID_RECORD",
    `a record for topic "${topic}" has no value; null makes a tombstone`,
  );
}

function keyTooLarge(size: number): TidelogError {
  return new TidelogError(
    "ERR_TIDELOG_RECORD_TOO_LARGE",
    `a key of ${size} bytes is over the limit of ${MAX_KEY_BYTES}; put large data in the value`,
  );
}
