// The records of one transaction on their way into the engine's arena: gathered and packed as a producer does it, and
// handed over once a tick or when there are enough. Nothing is answered: where they are is known at the commit.

import type { LogContext } from "../context.js";
import type { TidelogError } from "../errors.js";
import { direct, type NativeTransactionalProducer } from "../native.js";
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
  /** By topic, in the order of first sends. */
  readonly sent: SentTo[] = [];
  readonly #context: LogContext;
  readonly #native: NativeTransactionalProducer;
  readonly #partitioner: Partitioner | undefined;
  readonly #failed: (error: TidelogError) => void;
  /** By topic id, so that the order of the calls holds for all handles of one topic. */
  readonly #lanes = new Map<string, { lane: Lane; sent: SentTo }>();
  #closed = false;

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
    const lane = new Lane(topic, this, this.#partitioner, () => {});
    this.#lanes.set(topic.id, { lane, sent: { topic: topic.name, parts: [] } });
    try {
      lane.add(record, null, null);
    } catch (error) {
      this.#lanes.delete(topic.id);
      throw error;
    }
    // At once, so that a topic that can't take part is refused here, where it was given.
    lane.flush();
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
    try {
      if (this.#closed) return;
      const { sent } = this.#lanes.get(topic.id)!;
      const rows = pack.rows * PACKED_ROW_BYTES;
      direct(() => this.#native.send(topic.native, pack.table, rows, pack.bytes, pack.length));
      if (sent.parts.push(partOf(pack)) === 1) this.sent.push(sent);
    } catch (error) {
      const refused = error as TidelogError;
      if (refused.code === "ERR_TIDELOG_TOPIC_DELETED") this.#context.forget(topic.name);
      this.#failed(refused);
    } finally {
      givePack(pack);
    }
  }
}
