// The next record or batch out of a chunk, and the place moved on behind it. Nothing moves where that fails.

import { type ConsumerRecord, type GroupRecord, recordAt } from "../record.js";
import { batchOf, type RecordBatch } from "./batch.js";
import { Delivered } from "./delivered.js";
import type { Chunk } from "./fetcher.js";
import type { Reading } from "./reading.js";

/** The next record. */
export function nextRecord(chunk: Chunk, reading: Reading): ConsumerRecord<unknown, unknown> {
  const { place, rows, row } = chunk;
  const { topic } = place;
  const reused = !topic.key.keepsBytes && !topic.value.keepsBytes;
  const record = recordAt(rows, row, topic, place.partition, reused);
  passOver(chunk, reading);
  return record;
}

/** The next record, for a group. */
export function nextGroupRecord(chunk: Chunk, reading: Reading): GroupRecord<unknown, unknown> {
  const record = nextRecord(chunk, reading);
  reading.progress?.handedOut(chunk.place, record.offset);
  return new Delivered(record, chunk.place.commit!);
}

/** The rest of the chunk. */
export function nextBatch(chunk: Chunk, reading: Reading): RecordBatch<never> {
  const { place, next } = chunk;
  const batch = batchOf(chunk);
  const { position } = place;
  place.position = next;
  reading.chunk = null;
  reading.progress?.handedOut(place, position);
  return batch;
}

/** Moves on behind the next record without looking at it. */
export function passOver(chunk: Chunk, reading: Reading): void {
  const { place, rows, row } = chunk;
  chunk.row = row + 1;
  if (chunk.row === chunk.end) {
    place.position = chunk.next;
    reading.chunk = null;
  } else {
    place.position = rows.offset(row) + 1;
  }
}
