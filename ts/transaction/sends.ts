// The records of one transaction on their way into the engine's memory: gathered and packed as a producer does it, and
// handed over once a tick or when there are enough. Where they are is known at the commit, which comes in its turn.

import type { LogContext } from "../context.js";
import type { TidelogError } from "../errors.js";
import { type NativeTransactionalProducer, tickets } from "../native.js";
import { fromNative } from "../native_errors.js";
import { givePack, PACKED_ROW_BYTES, type Pack } from "../pack.js";
import type { Sink } from "../producer/channel.js";
import { Lane, partOf } from "../producer/lane.js";
import type { Partitioner } from "../producer/partitioner.js";
import type { ProducerRecord } from "../record.js";
import type { TopicState } from "../topic_state.js";
import type { SentTo } from "./result.js";

/** What is sent in one transaction. */
export class Sends implements Sink {
  inFlight = 0;
  /** Why the transaction takes nothing more in. */
  refusal: TidelogError | undefined;
  /** By topic, in the order of first sends. */
  readonly sent: SentTo[] = [];
  readonly #context: LogContext;
  readonly #native: NativeTransactionalProducer;
  readonly #partitioner: Partitioner | undefined;
  readonly #failed: (error: TidelogError) => void;
  /** By topic id, so that the order of the calls holds for all handles of one topic. */
  readonly #lanes = new Map<string, { lane: Lane; sent: SentTo }>();
  #closed = false;
  /** The transaction's number, once it has begun. */
  number = 0;

  /** `failed` is told why the engine refused something: the transaction can't be committed any more. */
  constructor(
    context: LogContext,
    native: NativeTransactionalProducer,
    partitioner: Partitioner | undefined,
    failed: (error: TidelogError) => void,
  ) {
    this.#context = context;
    this.#native = native;
    this.#partitioner = partitioner;
    this.#failed = failed;
  }

  /** Takes a record in, or throws if it can't be serialized. */
  add(topic: TopicState, record: ProducerRecord<unknown, unknown>): void {
    const known = this.#lanes.get(topic.id);
    if (known !== undefined) {
      // Another handle of the topic may bring other serdes.
      known.lane.terms.topic = topic;
      known.lane.add(record, null, null);
      return;
    }
    topic.checkTransactional();
    const lane = new Lane(topic, this, this.#partitioner, () => {});
    this.#lanes.set(topic.id, { lane, sent: { topic: topic.name, parts: [] } });
    lane.add(record, null, null);
  }

  /** Hands over what has been gathered. */
  flush(): void {
    for (const { lane } of this.#lanes.values()) lane.flush();
  }

  /** Drops what is gathered, and whatever comes. */
  close(): void {
    this.#closed = true;
  }

  produce(topic: TopicState, pack: Pack): void {
    this.inFlight -= pack.size;
    if (!this.#closed) this.#handOver(topic, pack);
    givePack(pack);
  }

  #handOver(topic: TopicState, pack: Pack): void {
    const { sent } = this.#lanes.get(topic.id)!;
    if (sent.parts.push(partOf(pack)) === 1) this.sent.push(sent);
    const { table, bytes, rows, length } = pack;
    const refused = (error: TidelogError): void => {
      if (this.#closed) return;
      if (error.code === "ERR_TIDELOG_TOPIC_DELETED") this.#context.forget(topic.name);
      this.#failed(error);
    };
    try {
      tickets().issue(
        (_completions, ticket) =>
          this.#native.send(ticket, this.number, topic.native, table, rows * PACKED_ROW_BYTES, bytes, length),
        ({ error }) => error && refused(fromNative(error)),
      );
    } catch (error) {
      refused(error as TidelogError);
    }
  }
}
