// Single records for one topic, gathered until the tick is over or there are enough of them, then handed over
// together; each sender gets its own answer. While a record is being serialized its pack belongs to that call alone:
// user code that sends or flushes from there finds the others in another pack, and comes before the record.

import { CallSite } from "../call_site.js";
import { systemTime } from "../clock.js";
import type { TidelogError } from "../errors.js";
import { givePack, PACKED_ROW_BYTES, type Pack, type PackedRecord, takePack } from "../pack.js";
import type { ProducerRecord, RecordMetadata } from "../record.js";
import type { TopicState } from "../topic_state.js";
import type { Sink } from "./channel.js";
import { encode, encodePacked, type Terms } from "./encode.js";
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
  readonly terms: Terms<TopicState>;
  readonly #sink: Sink;
  readonly #sticky = new Sticky();
  /** Told of failures of records that nobody waits for. */
  readonly #unheard: (error: TidelogError) => void;
  readonly #atEndOfTick = () => this.flush();
  #pack: Pack | null = null;
  /** A record is being written into the pack, behind this many bytes of those before it. */
  #writing = false;
  #length = 0;
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
  renew(): Terms<TopicState> {
    const { terms } = this;
    terms.partitionCount = terms.topic.partitionCount;
    terms.sticky = this.#sticky.next(terms.partitionCount);
    terms.now = systemTime();
    return terms;
  }

  /** Takes a record in, or throws. */
  add(record: ProducerRecord<unknown, unknown>, resolve: Resolve, reject: Reject): void {
    this.#take(encode, record, resolve, reject, true);
  }

  /** Takes in a record that has waited, or throws. */
  addPacked(record: PackedRecord, resolve: Resolve, reject: Reject): void {
    this.#take(encodePacked, record, resolve, reject, false);
  }

  #take<R>(
    write: (pack: Pack, terms: Terms, record: R) => boolean,
    record: R,
    resolve: Resolve,
    reject: Reject,
    isNew: boolean,
  ): void {
    if (this.#writing) this.#setAside();
    let pack = this.#pack;
    if (pack === null) {
      this.renew();
      pack = takePack();
    } else {
      this.#writing = true;
      this.#length = pack.length;
    }
    const start = pack.length;
    const rows = pack.rows;
    let large: boolean;
    try {
      large = write(pack, this.terms, record);
      const { refusal } = this.#sink;
      if (isNew && refusal !== undefined) throw refusal;
    } catch (error) {
      pack.length = start;
      pack.rows = rows;
      if (this.#pack === pack) this.#writing = false;
      else givePack(pack);
      throw error;
    }
    const size = pack.length - start;
    if (this.#pack === pack) this.#writing = false;
    else pack = this.#put(pack, start);
    this.#resolves.push(resolve);
    this.#rejects.push(large && isNew ? withCallSite(reject) : reject);
    this.#sink.inFlight += size + PACKED_ROW_BYTES;
    if (large) this.#sendAlone(pack, pack.length - size);
    else if (pack.length >= PACK_BYTES || pack.rows >= PACK_ROWS) this.flush();
  }

  /** Leaves the pack to the record that is being written, and goes on with the others in another one. */
  #setAside(): void {
    const others = takePack();
    this.#pack!.copyTo(others, this.#length);
    this.#pack = others;
    this.#writing = false;
  }

  /** Puts the last record of a pack of its own with the others, and gives the pack that holds it then. */
  #put(own: Pack, start: number): Pack {
    if (this.#pack === null) {
      process.nextTick(this.#atEndOfTick);
      if (own.rows === 1) {
        this.#pack = own;
        return own;
      }
      this.#pack = takePack();
    }
    own.moveLast(start, this.#pack);
    givePack(own);
    return this.#pack;
  }

  /** Hands over what has been gathered. */
  flush(): void {
    if (this.#writing) this.#setAside();
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

/** Has a rejection that may well come show the line of the send. */
function withCallSite(reject: Reject): Reject {
  if (reject === null) return null;
  const site = new CallSite();
  return (error) => reject(site.addTo(error));
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
