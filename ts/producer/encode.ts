// One record into a pack: key, value and headers serialized in place, the partition chosen, the limits checked
// that are fixed. Runs once for every record sent, so it allocates nothing of its own. Getters, serdes and partitioners
// are the user's code and may call the producer again: the pack must not be anybody else's meanwhile (lane.ts).

import { systemTime } from "../clock.js";
import { SerializationError, TidelogError } from "../errors.js";
import { writeHeaders } from "../headers.js";
import { shown } from "../options.js";
import { givePack, type Pack, type PackedRecord, takePack, UNPLACED } from "../pack.js";
import type { ProducerRecord } from "../record.js";
import { bytesCodec, notBytes } from "../serdes/bytes.js";
import type { Codec } from "../serdes/codec.js";
import { messageOf } from "../thrown.js";
import { timeMs, unitHint } from "../time.js";
import type { TopicState } from "../topic_state.js";
import { partitionOfKey } from "./murmur2.js";
import type { Partitioner } from "./partitioner.js";

/** Most bytes of a key. */
const MAX_KEY_BYTES = 64 << 10;
/** The largest number that a partition can have. */
const MAX_PARTITION = 2 ** 31 - 1;
/** What a batch of one record needs beside the record's packed bytes, at most: its header, lengths and times. */
const BATCH_OVERHEAD = 61 + 40;
/** What a header may need beside its packed bytes. */
const HEADER_OVERHEAD = 2;

/** What must be known of a topic to serialize its records. */
export interface Target {
  readonly name: string;
  readonly key: Codec;
  readonly value: Codec;
  readonly maxBatchBytes: number;
  readonly maxFutureMs: number;
  readonly appendTime: boolean;
  readonly compacts: boolean;
  refresh(): void;
  checkPartition(index: number): void;
}

/** What the records of one pack have in common. */
export interface Terms<T extends Target = Target> {
  topic: T;
  /** 0: partitions are chosen later. */
  partitionCount: number;
  /** The partition of records without a key. */
  sticky: number;
  /** The time of records that bring none. */
  now: number;
  partitioner: Partitioner | undefined;
}

/** A topic given by its name that is not open yet: records of bytes, whose limits are checked once it is. */
class UnopenedTopic implements Target {
  readonly name: string;
  readonly key = bytesCodec;
  readonly value = bytesCodec;
  readonly maxBatchBytes = Number.POSITIVE_INFINITY;
  readonly maxFutureMs = Number.POSITIVE_INFINITY;
  readonly appendTime = false;
  readonly compacts = false;

  constructor(name: string) {
    this.name = name;
  }

  refresh(): void {}

  checkPartition(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index <= MAX_PARTITION) return;
    throw new TidelogError(
      "ERR_TIDELOG_UNKNOWN_PARTITION",
      `topic "${this.name}" has no partition ${shown(index)}; partitions are numbered from 0 on`,
    );
  }
}

/** The terms of records whose partition, unless they name it, is chosen when their turn comes. */
export function termsForLater(topic: TopicState | string): Terms {
  const target = typeof topic === "string" ? new UnopenedTopic(topic) : topic;
  return { topic: target, partitionCount: 0, sticky: UNPLACED, now: systemTime(), partitioner: undefined };
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
      if (value === undefined) throw noValue(record, topic.name);
      valueLength = topic.value === bytesCodec ? writeBytes(value, pack) : topic.value.write(value, pack);
    }
    if (keyLength < 0 && topic.compacts) checkKeyless(topic);
    field = "headers";
    const headerCount = headers === undefined ? 0 : writeHeaders(headers, pack);
    field = "partition";
    const time = record.timestamp;
    const timestamp = time === undefined ? terms.now : timeOf(time, terms);
    const given = record.partition;
    const partition = given === undefined ? choose(pack, start, keyLength, terms) : given;
    if (!(partition >= 0 && partition < terms.partitionCount && Number.isInteger(partition))) {
      const later = given === undefined && partition === UNPLACED && terms.sticky === UNPLACED;
      if (!later) topic.checkPartition(partition);
    }
    pack.addRow(timestamp, partition, keyLength, valueLength, headerCount);
    return isLarge(pack.length - start, headerCount, topic);
  } catch (error) {
    pack.length = start;
    throw explained(error, field, record, topic.name);
  }
}

/** Appends a record that was packed before, as `encode` does. What was left for later is decided now. */
export function encodePacked(pack: Pack, terms: Terms, record: PackedRecord): boolean {
  const start = pack.length;
  const { topic } = terms;
  const { bytes, timestamp, keyLength, valueLength, headers } = record;
  let { partition } = record;
  try {
    pack.writeBytes(bytes);
    checkTime(timestamp, terms);
    if (keyLength < 0 && topic.compacts) checkKeyless(topic);
    if (partition === UNPLACED) partition = choose(pack, start, keyLength, terms);
    topic.checkPartition(partition);
    pack.addRow(timestamp, partition, keyLength, valueLength, headers);
    return isLarge(bytes.length, headers, topic);
  } catch (error) {
    pack.length = start;
    throw explained(error, "partition", record, topic.name);
  }
}

/** Serializes a record that has to wait into memory of its own. */
export function packed(terms: Terms, record: ProducerRecord<unknown, unknown>): PackedRecord {
  const pack = takePack();
  try {
    encode(pack, terms, record);
    const view = pack.recordAt(0, 0, pack.length);
    return { ...view, bytes: Buffer.from(view.bytes) };
  } finally {
    givePack(pack);
  }
}

function isLarge(bytes: number, headers: number, topic: Target): boolean {
  return bytes + BATCH_OVERHEAD + headers * HEADER_OVERHEAD > topic.maxBatchBytes;
}

function writeBytes(value: unknown, pack: Pack): number {
  if (!(value instanceof Uint8Array)) throw notBytes(value);
  return pack.writeBytes(value);
}

function choose(pack: Pack, start: number, keyLength: number, terms: Terms): number {
  const { partitioner, partitionCount } = terms;
  if (partitioner !== undefined) {
    // A copy: what is stored is not the partitioner's to change.
    const key = keyLength < 0 ? null : Buffer.from(pack.bytes.subarray(start, start + keyLength));
    return partitioner(key, partitionCount, terms.topic.name);
  }
  if (keyLength < 0) return terms.sticky;
  if (partitionCount === 0) return UNPLACED;
  return partitionCount === 1 ? 0 : partitionOfKey(pack.bytes, start, keyLength, partitionCount);
}

function timeOf(given: number | Date, terms: Terms): number {
  // What is ms without doubt.
  if (typeof given === "number" && given >= 4e9 && given < 1e15 && Number.isInteger(given))
    return checkTime(given, terms);
  const timestamp = timeMs(given);
  const hint = unitHint(given);
  if (timestamp === undefined || hint !== undefined) {
    throw new TidelogError(
      "ERR_TIDELOG_INVALID_RECORD",
      `timestamp must be an integer of ms since 1970 or a Date from then on, not ${shown(given)}` +
        (hint === undefined ? (typeof given === "string" ? "; pass new Date(text)" : "") : `: ${hint}`),
    );
  }
  return checkTime(timestamp, terms);
}

/** Refuses a time that is further in the future than the topic takes. */
function checkTime(timestamp: number, terms: Terms): number {
  const { topic } = terms;
  if (!topic.appendTime && timestamp > terms.now + topic.maxFutureMs) {
    topic.refresh();
    const latest = systemTime() + topic.maxFutureMs;
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
  if (typeof record !== "object" || record === null) return noRecord(record, topic);
  const reason = messageOf(error);
  if (field === "partition") {
    return new TidelogError(
      "ERR_TIDELOG_INVALID_RECORD",
      `the partitioner threw for a record of topic "${topic}": ${reason}`,
      { cause: error },
    );
  }
  return new SerializationError(`the ${field} of a record for topic "${topic}" can't be serialized: ${reason}`, error);
}

/** Refuses a record without a key where the topic keeps the newest of each key. */
function checkKeyless(topic: Target): void {
  topic.refresh();
  if (!topic.compacts) return;
  throw new TidelogError(
    "ERR_TIDELOG_INVALID_RECORD",
    `a record for topic "${topic.name}" has no key, and the topic is compacted: it keeps the newest record of each key; give it one`,
  );
}

function noValue(record: unknown, topic: string): TidelogError {
  if (typeof record !== "object" || ArrayBuffer.isView(record) || Array.isArray(record)) return noRecord(record, topic);
  return new TidelogError(
    "ERR_TIDELOG_INVALID_RECORD",
    `a record for topic "${topic}" has no value; give it one; null makes a tombstone`,
  );
}

function noRecord(given: unknown, topic: string): TidelogError {
  const instead = Array.isArray(given) ? "use sendBatch for many" : `pass { value: ${shown(given)} }`;
  const hint = given === undefined || given === null ? "" : `; ${instead}`;
  return new TidelogError(
    "ERR_TIDELOG_INVALID_RECORD",
    `a record for topic "${topic}" must be an object such as { key, value }, not ${shown(given)}${hint}`,
  );
}

function keyTooLarge(size: number): TidelogError {
  return new TidelogError(
    "ERR_TIDELOG_RECORD_TOO_LARGE",
    `a key of ${size} bytes is over the limit of ${MAX_KEY_BYTES}; put large data in the value`,
  );
}
