// Sends that are appended only under a condition: at an offset, or with a sequence of the sender's own. Such a record
// travels alone, behind what was sent before it, so that no other is refused with it.

import { InvalidArgumentError } from "../errors.js";
import { checkInteger } from "../options.js";
import { givePack, type PackedRecord, takePack, UNPLACED } from "../pack.js";
import type { RecordMetadata, SequencedMetadata } from "../record.js";
import type { Channel } from "./channel.js";
import { encodePacked } from "./encode.js";
import type { Lane } from "./lane.js";
import type { SendOptions } from "./options.js";

/** What must hold for a record to be appended. */
export interface Condition {
  expectOffset: number | undefined;
  sequence: number | undefined;
}

const MAX_SEQUENCE = 2 ** 31 - 1;

/** The condition that a send's options make, if they make one. */
export function conditionOf({ expectOffset, sequence }: SendOptions, named: boolean): Condition | undefined {
  const where = "producer.send";
  if (expectOffset === undefined && sequence === undefined) return undefined;
  if (expectOffset !== undefined) checkInteger(where, "expectOffset", expectOffset);
  if (sequence !== undefined) {
    checkInteger(where, "sequence", sequence, 0, MAX_SEQUENCE);
    if (!named) {
      throw new InvalidArgumentError(`${where}: sequence needs a producer that has a name: log.producer({ name })`);
    }
  }
  return { expectOffset, sequence };
}

/** Hands a record over that is appended only under a condition. */
export function appendIf(
  lane: Lane,
  channel: Channel,
  record: PackedRecord,
  condition: Condition,
  resolve: (metadata: RecordMetadata | SequencedMetadata) => void,
  reject: (error: unknown) => void,
): void {
  // What was sent before must stay before.
  lane.flush();
  const terms = lane.renew();
  const { topic, partitionCount } = terms;
  if (partitionCount > 1 && record.partition === UNPLACED && record.keyLength < 0) {
    throw new InvalidArgumentError(
      `producer.send: expectOffset and sequence mean one partition, and topic "${topic.name}" has ${partitionCount}; ` +
        "give the record a partition or a key",
    );
  }
  const pack = takePack();
  try {
    encodePacked(pack, terms, record);
  } catch (error) {
    givePack(pack);
    throw error;
  }
  const own = pack.timestampAt(0);
  const partition = pack.partitionAt(0);
  channel.inFlight += pack.size;
  channel.produceIf(topic, pack, condition, ([offset, time, duplicate], error) => {
    // It is in the log, but where is not remembered.
    if (error?.code === "ERR_TIDELOG_DUPLICATE_SEQUENCE" || (error === undefined && !(offset! >= 0))) {
      resolve({ partition, offset: null, timestamp: null, duplicate: true });
    } else if (error !== undefined) {
      reject(error);
    } else {
      const place = { partition, offset: offset!, timestamp: time! >= 0 ? time! : own };
      resolve(condition.sequence === undefined ? place : { ...place, duplicate: duplicate === 1 });
    }
  });
}
