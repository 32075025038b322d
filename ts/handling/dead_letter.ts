// The place for records that could not be handled: each goes there as the bytes that it is, with headers that say what
// happened to it.

import type { LogContext } from "../context.js";
import { type HeaderInput, MAX_HEADER_BYTES, MAX_HEADERS } from "../headers.js";
import type { ConsumerRecord, ProducerRecord } from "../record.js";
import { type AnyTopic, topicOf } from "../topic.js";

/** Names a record. */
export interface RecordAt {
  topic: string;
  partition: number;
  offset: number;
}

/** Characters of an error's message that are kept. */
const MAX_MESSAGE = 1000;
const SEEN = new TextEncoder();

/** A dead letter topic. */
export class DeadLetter {
  readonly #context: LogContext;
  readonly topic: AnyTopic;

  private constructor(context: LogContext, topic: AnyTopic) {
    this.#context = context;
    this.topic = topic;
  }

  /** Opens the topic. */
  static async open(context: LogContext, given: AnyTopic | string): Promise<DeadLetter> {
    // Whatever its serdes are: what goes there are the bytes of another topic.
    const name = typeof given === "string" ? given : context.resolve(given)!.name;
    return new DeadLetter(context, await bytesTopic(context, name));
  }

  /** What is to be sent there for a record; undefined of one that retention has removed meanwhile. */
  async letter(
    at: RecordAt,
    cause: unknown,
    attempts: number,
  ): Promise<ProducerRecord<Uint8Array, Uint8Array> | undefined> {
    const source = await bytesTopic(this.#context, at.topic);
    const record = await source.get({ partition: at.partition, offset: at.offset });
    if (record === null) return undefined;
    const { key, value, timestamp } = record as ConsumerRecord<Uint8Array, Uint8Array>;
    return { key, value, timestamp, headers: headersOf(record, at, cause, attempts) };
  }
}

async function bytesTopic(context: LogContext, name: string): Promise<AnyTopic> {
  return topicOf(context.resolve(name) ?? (await context.open(name)));
}

function headersOf(
  { headers }: ConsumerRecord<unknown, unknown>,
  { topic, partition, offset }: RecordAt,
  cause: unknown,
  attempts: number,
): HeaderInput[] {
  const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  const added: HeaderInput[] = [
    ["dead.topic", topic],
    ["dead.partition", String(partition)],
    ["dead.offset", String(offset)],
    ["dead.attempts", String(attempts)],
    ["dead.error", text.slice(0, MAX_MESSAGE)],
  ];
  const all = [...headers, ...added];
  // Where both do not fit, those that say what happened are worth more: the record itself can be looked up.
  return all.length <= MAX_HEADERS && sizeOf(all) <= MAX_HEADER_BYTES ? all : added;
}

function sizeOf(headers: readonly HeaderInput[]): number {
  let size = 0;
  for (const [name, value] of headers) {
    size += SEEN.encode(name).length + (typeof value === "string" ? SEEN.encode(value).length : (value?.length ?? 0));
  }
  return size;
}
