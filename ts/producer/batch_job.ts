// One `sendBatch` on its way: all of it is read and packed in the call, piece by piece, so that the array and what is in
// it are the caller's again when that returns. Pieces are handed over as fast as there is room, and the call is answered
// once every one has been.

import { CallSite } from "../call_site.js";
import { TidelogError } from "../errors.js";
import { fitted, givePack, type Pack, takePack } from "../pack.js";
import type { ProducerRecord } from "../record.js";
import type { TopicState } from "../topic_state.js";
import type { Channel } from "./channel.js";
import { encode, encodePacked, type Terms } from "./encode.js";
import { type Lane, PACK_BYTES, PACK_ROWS, partOf } from "./lane.js";
import { type BatchResult, batchResult, type Part } from "./result.js";

/** The records of one call. */
export class BatchJob {
  readonly #count: number;
  readonly #resolve: (result: BatchResult) => void;
  readonly #reject: (error: unknown) => void;
  /** Of each piece that was handed over. */
  readonly #parts: Part[] = [];
  /** Pieces for which there was no room, and how many of them have been handed over since. */
  readonly #waiting: (Pack | undefined)[] = [];
  #served = 0;
  /** Records that were handed over, and pieces that have no answer yet. */
  #sent = 0;
  #open = 0;
  #error: TidelogError | undefined;
  #site: CallSite | undefined;

  constructor(count: number, resolve: (result: BatchResult) => void, reject: (error: unknown) => void) {
    this.#count = count;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Whether pieces wait. */
  get waits(): boolean {
    return this.#served < this.#waiting.length;
  }

  /** Whether it has failed. */
  get failed(): boolean {
    return this.#error !== undefined;
  }

  /** Reads and packs all records, and gives away each piece. One that can't be serialized fails the rest. */
  read(records: readonly ProducerRecord<unknown, unknown>[], termsNow: () => Terms, give: (piece: Pack) => void): void {
    let next = 0;
    while (this.#error === undefined && next < this.#count) {
      const terms = termsNow();
      const pack = takePack();
      try {
        while (next < this.#count && pack.length < PACK_BYTES && pack.rows < PACK_ROWS) {
          // One that may be refused.
          if (encode(pack, terms, records[next]!)) this.#site ??= new CallSite();
          next++;
        }
      } catch (error) {
        givePack(pack);
        this.fail(atIndex(error, next));
        return;
      }
      give(pack);
    }
  }

  /** Keeps a piece for which there is no room. */
  keep(piece: Pack): void {
    this.#waiting.push(fitted(piece));
  }

  /** Hands over the pieces that wait, as far as there is room. True once nothing is left to be handed over. */
  run(lane: Lane, channel: Channel, limit: number): boolean {
    // What was sent before must stay before.
    lane.flush();
    while (this.waits) {
      if (channel.inFlight >= limit) return false;
      const piece = this.#waiting[this.#served]!;
      this.#waiting[this.#served++] = undefined;
      try {
        this.handOver(placed(piece, lane, this.#sent), lane.terms.topic, channel);
      } catch (error) {
        this.fail(error as TidelogError);
      }
    }
    this.settle();
    return true;
  }

  /** Hands a piece over. */
  handOver(piece: Pack, topic: TopicState, channel: Channel): void {
    const part = partOf(piece);
    this.#parts.push(part);
    this.#open += 1;
    this.#sent += piece.rows;
    channel.inFlight += piece.size;
    channel.produce(topic, piece, (runs, error) => {
      part.runs = runs;
      if (error !== undefined) this.#error ??= error;
      this.#open -= 1;
      this.settle();
    });
  }

  /** Hands nothing more over; what has been is still answered. */
  fail(error: TidelogError): void {
    this.#error ??= error;
    this.#waiting.length = 0;
    this.settle();
  }

  /** Answers the call, if all that there is to be said is known. */
  settle(): void {
    if (this.#open > 0 || (this.#error === undefined && this.#sent < this.#count)) return;
    const result = batchResult(this.#count, this.#parts);
    if (this.#error === undefined) {
      this.#resolve(result);
    } else {
      this.#error.appended = result;
      this.#reject(this.#site?.addTo(this.#error) ?? this.#error);
    }
  }
}

/** A piece with a partition for each record, which those of a topic get only now that was not open yet. */
function placed(piece: Pack, lane: Lane, first: number): Pack {
  const pack = takePack();
  const terms = lane.renew();
  let index = first;
  try {
    for (const record of piece.records()) {
      encodePacked(pack, terms, record);
      index += 1;
    }
  } catch (error) {
    givePack(pack);
    throw atIndex(error, index);
  }
  return pack;
}

/** Says which record of the batch it was. */
function atIndex(error: unknown, index: number): TidelogError {
  if (error instanceof TidelogError) error.message = `record ${index} of the batch: ${error.message}`;
  return error as TidelogError;
}
