// The place for records that could not be handled: each goes there as the bytes that it is, with headers that say what
// happened to it; without some of them, or its bytes, where it would be too large with them.

import { systemTime } from "../clock.js";
import type { LogContext } from "../context.js";
import { InvalidArgumentError } from "../errors.js";
import { type HeaderInput, MAX_HEADER_BYTES, MAX_HEADERS } from "../headers.js";
import { direct } from "../native.js";
import type { ConsumerRecord, ProducerRecord } from "../record.js";
import { textOf } from "../thrown.js";
import { type AnyTopic, stateOfTopic, topicOf } from "../topic.js";
import type { TopicState } from "../topic_state.js";
import type { HandledBy, RecordAt } from "./failures.js";

/** Characters of an error's message that are kept, and where there is little room. */
const MAX_MESSAGE = 1000;
const SHORT_MESSAGE = 100;
/** A batch's header, and what one record and one header have beside their bytes, at most. */
const BATCH_BYTES = 61;
const RECORD_BYTES = 40;
const HEADER_BYTES = 10;

type Letter = ProducerRecord<Uint8Array, Uint8Array>;
type BytesRecord = ConsumerRecord<Uint8Array, Uint8Array>;

/** A dead letter topic. */
export class DeadLetter {
  readonly topic: AnyTopic;
  readonly #context: LogContext;
  readonly #state: TopicState;
  readonly #by: HandledBy;

  private constructor(context: LogContext, state: TopicState, by: HandledBy) {
    this.#context = context;
    this.#state = state;
    this.#by = by;
    this.topic = topicOf(state);
  }

  /** Opens the topic, unless it is none for this. `sources`: the topics that are read. */
  static async open(
    context: LogContext,
    given: AnyTopic | string,
    by: HandledBy,
    sources: readonly (AnyTopic | string)[],
  ): Promise<DeadLetter> {
    // Whatever its serdes are: what goes there are the bytes of another topic.
    const name = nameOf(context, given);
    if (sources.some((source) => nameOf(context, source) === name)) {
      throw new InvalidArgumentError(
        `${by.where}: deadLetter "${name}" is a topic that is read here, where its records would fail again without end; ` +
          "give another topic",
      );
    }
    const state = stateOfTopic(await bytesTopic(context, name))!;
    const { cleanup } = direct(() => state.native.config());
    if (cleanup?.includes("compact")) {
      throw new InvalidArgumentError(
        `${by.where}: deadLetter "${name}" is compacted, and would lose letters of the same key, and take none without one; ` +
          'give a topic with cleanup "delete"',
      );
    }
    if (by.id !== undefined) state.checkTransactional();
    return new DeadLetter(context, state, by);
  }

  /**
   * What is to be sent there for a record, of `limit` bytes at most; undefined of one that retention has removed
   * meanwhile.
   */
  async letter(
    at: RecordAt,
    cause: unknown,
    attempts: number,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<Letter | undefined> {
    const source = await bytesTopic(this.#context, at.topic);
    const record = (await source.get({ partition: at.partition, offset: at.offset })) as BytesRecord | null;
    if (record === null) return undefined;
    this.#state.refresh();
    const most = Math.min(limit, this.#room());
    const letters = this.#letters(record, at, cause, attempts);
    let smallest!: Letter;
    for (const letter of letters) {
      smallest = letter;
      if (sizeOf(letter) <= most && haveRoom(letter.headers!)) break;
    }
    return smallest;
  }

  /** The same record with less and less of it. What says where it stands is worth the most: it can be looked up. */
  *#letters(record: BytesRecord, at: RecordAt, cause: unknown, attempts: number): Generator<Letter> {
    const { key, value, headers } = record;
    const timestamp = this.#timeOf(record);
    const { group, id } = this.#by;
    const place: HeaderInput[] = [
      ["dead.topic", at.topic],
      ["dead.partition", String(at.partition)],
      ["dead.offset", String(at.offset)],
    ];
    const by: HeaderInput[] = [];
    if (group !== undefined) by.push(["dead.group", group]);
    if (id !== undefined) by.push(["dead.process", id]);
    const text = textOf(cause);
    const added = (length: number): HeaderInput[] => [
      ...place,
      ...by,
      ["dead.attempts", String(attempts)],
      ["dead.error", text.slice(0, length)],
    ];
    const without = (...names: string[]): HeaderInput => ["dead.omitted", names.join(",")];
    yield { key, value, timestamp, headers: [...headers, ...added(MAX_MESSAGE)] };
    yield { key, value, timestamp, headers: [...added(MAX_MESSAGE), without("headers")] };
    yield { key, value, timestamp, headers: [...added(SHORT_MESSAGE), without("headers")] };
    yield { key, value: null, timestamp, headers: [...added(MAX_MESSAGE), without("headers", "value")] };
    yield { key: null, value: null, timestamp, headers: [...added(MAX_MESSAGE), without("headers", "key", "value")] };
    yield { key: null, value: null, timestamp, headers: [...added(SHORT_MESSAGE), without("headers", "key", "value")] };
    yield { key: null, value: null, timestamp, headers: place };
  }

  /** Its time, unless the dead letter topic would refuse it. */
  #timeOf({ timestamp }: BytesRecord): Date | undefined {
    // A Date: a number that looks like seconds would be refused.
    return timestamp >= 0 && timestamp <= systemTime() + this.#state.maxFutureMs ? new Date(timestamp) : undefined;
  }

  /** Bytes that a record may have there, also where it does not shrink but grows by being compressed. */
  #room(): number {
    const { compression } = direct(() => this.#state.native.config());
    const { maxBatchBytes } = this.#state;
    return compression === undefined || compression === "none" ? maxBatchBytes : maxBatchBytes * (5 / 6) - 64;
  }
}

function nameOf(context: LogContext, topic: AnyTopic | string): string {
  return typeof topic === "string" ? topic : context.resolve(topic)!.name;
}

async function bytesTopic(context: LogContext, name: string): Promise<AnyTopic> {
  return topicOf(context.resolve(name) ?? (await context.open(name)));
}

/** Bytes that a record has as the only one of its batch, at most. */
function sizeOf({ key, value, headers }: Letter): number {
  const bytes = (key?.length ?? 0) + (value?.length ?? 0);
  return BATCH_BYTES + RECORD_BYTES + bytes + headers!.length * HEADER_BYTES + headerBytes(headers!);
}

/** Whether so many headers are allowed. */
function haveRoom(headers: readonly HeaderInput[]): boolean {
  return headers.length <= MAX_HEADERS && headerBytes(headers) <= MAX_HEADER_BYTES;
}

function headerBytes(headers: readonly HeaderInput[]): number {
  let size = 0;
  for (const [name, value] of headers) {
    size += Buffer.byteLength(name) + (typeof value === "string" ? Buffer.byteLength(value) : (value?.length ?? 0));
  }
  return size;
}
