// One `sendBatch` on its way: packed and handed over piece by piece, as fast as there is room, and answered once
// every piece has been.

import { TidelogError } from "../errors.js";
import { givePack, takePack } from "../pack.js";
import type { ProducerRecord } from "../record.js";
import type { Channel } from "./channel.js";
import { encode } from "./encode.js";
import { type Lane, PACK_BYTES, PACK_ROWS, partOf } from "./lane.js";
import { type BatchResult, batchResult, type Part } from "./result.js";

/** The records of one call. */
export class BatchJob {
  readonly #records: readonly ProducerRecord<unknown, unknown>[];
  readonly #resolve: (result: BatchResult) => void;
  readonly #reject: (error: unknown) => void;
  readonly #parts: Part[] = [];
  #next = 0;
  #open = 0;
  #error: TidelogError | undefined;

  constructor(
    records: readonly ProducerRecord<unknown, unknown>[],
    resolve: (result: BatchResult) => void,
    reject: (error: unknown) => void,
  ) {
    this.#records = records;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Hands over what there is room for. True once nothing is left to be handed over. */
  run(lane: Lane, channel: Channel, limit: number): boolean {
    // What was sent before must stay before.
    lane.flush();
    while (this.#error === undefined && this.#next < this.#records.length) {
      if (channel.inFlight >= limit) return false;
      try {
        this.#handOver(lane, channel);
      } catch (error) {
        this.fail(error as TidelogError);
      }
    }
    this.#settle();
    return true;
  }

  /** Hands nothing more over; what has been is still answered. */
  fail(error: TidelogError): void {
    this.#error ??= error;
    this.#settle();
  }

  #handOver(lane: Lane, channel: Channel): void {
    const terms = lane.renew();
    const records = this.#records;
    const pack = takePack();
    const first = this.#next;
    let next = first;
    try {
      while (next < records.length && pack.length < PACK_BYTES && pack.rows < PACK_ROWS) {
        encode(pack, terms, records[next]!);
        next++;
      }
    } catch (error) {
      givePack(pack);
      throw atIndex(error, next);
    }
    const part = partOf(pack);
    this.#parts.push(part);
    this.#open += 1;
    this.#next = next;
    channel.inFlight += pack.size;
    channel.produce(terms.topic, pack, (runs, error) => {
      part.runs = runs;
      if (error !== undefined) this.#error ??= error;
      this.#open -= 1;
      this.#settle();
    });
  }

  #settle(): void {
    if (this.#open > 0 || (this.#error === undefined && this.#next < this.#records.length)) return;
    const result = batchResult(this.#records.length, this.#parts);
    if (this.#error === undefined) {
      this.#resolve(result);
    } else {
      this.#error.appended = result;
      this.#reject(this.#error);
    }
  }
}

/** Says which record of the batch it was. */
function atIndex(error: unknown, index: number): unknown {
  if (error instanceof TidelogError) error.message = `record ${index} of the batch: ${error.message}`;
  return error;
}
