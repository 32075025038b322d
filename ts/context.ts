// What all handles of one open log share: the store, the topics that are open in it, and who hangs on it.

import type { Reading } from "./consumer/reading.js";
import { ClosedError, InvalidArgumentError } from "./errors.js";
import { type NativeStore, type NativeTopic, settled } from "./native.js";
import { shown } from "./options.js";
import type { Producer } from "./producer/producer.js";
import { bytesCodec } from "./serdes/bytes.js";
import { type AnyTopic, stateOfTopic } from "./topic.js";
import { TopicState } from "./topic_state.js";
import type { TransactionalProducer } from "./transaction/producer.js";
import type { Turns } from "./transaction/turns.js";

/** The inside of an open log. */
export class LogContext {
  readonly native: NativeStore;
  /** The store's folder. */
  readonly path: string;
  readonly producers = new Set<Producer>();
  readonly transactional = new Set<TransactionalProducer>();
  /** Those of `log.transaction`, by transactional id. */
  readonly turns = new Map<string, Turns>();
  /** Consumers that are being iterated. */
  readonly readings = new Set<Reading>();
  closed = false;
  /** Topics as those see them who give only a name: bytes. */
  readonly #byName = new Map<string, TopicState>();

  constructor(native: NativeStore) {
    this.native = native;
    this.path = native.path;
  }

  /** Refuses everything after the close. */
  checkOpen(): void {
    if (this.closed) throw new ClosedError("the log");
  }

  /** The state of a topic given by handle or name; undefined if one of this name is not open yet. */
  resolve(topic: AnyTopic | string): TopicState | undefined {
    if (typeof topic === "string") return this.#byName.get(topic);
    const state = stateOfTopic(topic);
    if (state === undefined) {
      throw new InvalidArgumentError(`a topic must be given by its handle or its name, not ${shown(topic)}`);
    }
    if (state.owner !== this) {
      throw new InvalidArgumentError(`topic "${state.name}" belongs to another log; open it in this one`);
    }
    return state;
  }

  /** Opens a topic for those who give only its name. */
  async open(name: string): Promise<TopicState> {
    this.checkOpen();
    return this.remember(await settled(() => this.native.openTopic(name)));
  }

  /** Notes that a topic is open under its name. */
  remember(native: NativeTopic): TopicState {
    const known = this.#byName.get(native.name);
    if (known !== undefined && known.id === native.id) return known;
    const state = new TopicState(this, native, bytesCodec, bytesCodec);
    this.#byName.set(native.name, state);
    return state;
  }

  /** Forgets a topic that was deleted: the name may mean another one soon. */
  forget(name: string): void {
    this.#byName.delete(name);
  }
}
