// Single records for one topic, gathered until the tick is over or there are enough of them, then handed over
// together; each sender gets its own answer.

import type { TidelogError } from "../errors.js";
import { givePack, type Pack, takePack } from "../pack.js";
import type { ProducerRecord, RecordMetadata } from "../record.js";
import type { TopicState } from "../topic_state.js";
import type { Sink } from "./channel.js";
import { encode, type Terms } from "./encode.js";
import { type Partitioner, Sticky } from "./partitioner.js";
import { type Part, resolveOffsets } from "./result.js";

/** Bytes and records at which a pack is handed over before the tick ends: enough for a few batches of the engine's. */
export const PACK_BYTES = 256 << 10;
export const PACK_ROWS = 4096;

/** A sender's promise; null for a record that nobody waits for. */
export type Resolve = ((metadata: RecordMetadata) => void) | null;
export type Reject = ((error: unknown) => void) | null;

/** The gathering place of one producer, or transaction, and topic. */
export class Lane {
  readonly terms: Terms;
  readonly #sink: Sink;
  readonly #sticky = new Sticky();
  /** Told of failures of records that nobody waits for. */
  readonly #unheard: (error: TidelogError) => void;
  readonly #atEndOfTick = () => this.flush();
  #pack: Pack | null = null;
  #resolves: Resolve[] = [];
  #rejects: Reject[] = [];

  constructor(
    topic: TopicState,
    sink: Sink,
    partitioner: Partitioner | undefined,
    unheard: (error: TidelogError) => void,
  ) {
    this.#sink = sink;
    this.#unheard = unheard;
    this.terms = { topic, partitioner, partitionCount: 0, sticky: 0, now: 0 };
  }

  /** Looks at clock and topic again, and lets records without a key move on. */
  renew(): Terms {
    const { terms } = this;
    terms.partitionCount = terms.topic.partitionCount;
    terms.sticky = this.#sticky.next(terms.partitionCount);
    terms.now = Date.now();
    return terms;
  }

  /** Takes a record in, or throws. */
  add(record: ProducerRecord<unknown, unknown>, resolve: Resolve, reject: Reject): void {
    let pack = this.#pack;
    if (pack === null) {
      this.renew();
      pack = takePack();
    }
    const start = pack.length;
    const size = pack.size;
    let large: boolean;
    try {
      large = encode(pack, this.terms, record);
    } catch (error) {
      if (this.#pack === null) givePack(pack);
      throw error;
    }
    if (this.#pack === null) {
      this.#pack = pack;
      process.nextTick(this.#atEndOfTick);
    }
    this.#resolves.push(resolve);
    this.#rejects.push(reject);
    this.#sink.inFlight += pack.size - size;
    if (large) this.#sendAlone(pack, start);
    else if (pack.length >= PACK_BYTES || pack.rows >= PACK_ROWS) this.flush();
  }

  /** Hands over what has been gathered. */
  flush(): void {
    const pack = this.#pack;
    if (pack === null) return;
    this.#pack = null;
    const resolves = this.#resolves;
    const rejects = this.#rejects;
    this.#resolves = [];
    this.#rejects = [];
    const part = partOf(pack);
    const times = new Float64Array(part.count);
    for (let i = 0; i < part.count; i++) times[i] = pack.timestampAt(i);
    this.#sink.produce(this.terms.topic, pack, (runs, error) => {
      part.runs = runs;
      this.#answer(part, times, resolves, rejects, error);
    });
  }

  /** The last record of the pack may be refused, so it must not travel with the others. */
  #sendAlone(pack: Pack, start: number): void {
    const resolve = this.#resolves.pop()!;
    const reject = this.#rejects.pop()!;
    const single = takePack();
    pack.moveLast(start, single);
    if (pack.rows > 0) this.flush();
    else givePack(pack);
    this.#resolves = [resolve];
    this.#rejects = [reject];
    this.#pack = single;
    this.flush();
  }

  #answer(
    part: Part,
    times: Float64Array,
    resolves: Resolve[],
    rejects: Reject[],
    error: TidelogError | undefined,
  ): void {
    const { count, partition, partitions } = part;
    const offsets = new Float64Array(count);
    resolveOffsets(part, offsets, 0, times);
    for (let i = 0; i < count; i++) {
      const offset = offsets[i]!;
      if (offset >= 0) {
        const resolve = resolves[i];
        if (resolve) {
          resolve({ partition: partitions === null ? partition : partitions[i]!, offset, timestamp: times[i]! });
        }
      } else {
        const reject = rejects[i];
        if (reject) reject(error);
        else if (error !== undefined) this.#unheard(error);
      }
    }
  }
}

/** What must be remembered of a pack to tell its records' offsets later. */
export function partOf(pack: Pack): Part {
  const count = pack.rows;
  const partition = count === 0 ? 0 : pack.partitionAt(0);
  let same = 1;
  while (same < count && pack.partitionAt(same) === partition) same++;
  let partitions: Uint32Array | null = null;
  if (same < count) {
    partitions = new Uint32Array(count);
    for (let i = 0; i < count; i++) partitions[i] = pack.partitionAt(i);
  }
  return { count, partition, partitions, runs: [] };
}
