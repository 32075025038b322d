// What all handles of one open log share: the store, the topics that are open in it, and who hangs on it.

import type { Reading } from "./consumer/reading.js";
import { ClosedError, InvalidArgumentError, TidelogError } from "./errors.js";
import type { HandlerCounts } from "./handling/failures.js";
import { IterableWeakSet } from "./iterable_weak_set.js";
import { type NativeStore, type NativeTopic, settled } from "./native.js";
import { nearestOf } from "./nearest.js";
import { shown } from "./options.js";
import type { Producer } from "./producer/producer.js";
import { bytesCodec } from "./serdes/bytes.js";
import { type AnyTopic, stateOfTopic } from "./topic.js";
import { TopicState } from "./topic_state.js";
import type { TransactionalProducer } from "./transaction/producer.js";
import type { Turns } from "./transaction/turns.js";

/** Names of topics that an error lists at most. */
const SHOWN_TOPICS = 10;

/** The inside of an open log. */
export class LogContext {
  readonly native: NativeStore;
  /** The store's folder. */
  readonly path: string;
  /** Those that are in use: one that is forgotten goes, once all it has taken in is answered. */
  readonly producers = new IterableWeakSet<Producer>();
  /** Producers with a failure that nobody was told yet. */
  readonly failed = new Set<Producer>();
  readonly transactional = new Set<TransactionalProducer>();
  /** Those of `log.transaction`, by transactional id. */
  readonly turns = new Map<string, Turns>();
  /** Consumers that are being iterated. */
  readonly readings = new Set<Reading>();
  /** Consumers that are members of groups, iterated or not. */
  readonly members = new Set<Reading>();
  /** What the handlers of `consumer.run` and `log.process` have done. */
  readonly handlers: HandlerCounts = { failures: 0, retries: 0, deadLettered: 0 };
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
      const hint = (topic as unknown) instanceof Promise ? "; await it first" : "";
      throw new InvalidArgumentError(`a topic must be given by its handle or its name, not ${shown(topic)}${hint}`);
    }
    if (state.owner !== this) {
      throw new InvalidArgumentError(`topic "${state.name}" belongs to another log; open it in this one`);
    }
    return state;
  }

  /** As `resolve`; a topic given by name that was deleted since, by anybody, is none. */
  current(topic: AnyTopic | string): TopicState | undefined {
    const state = this.resolve(topic);
    if (typeof topic !== "string" || state?.native.deleted !== true) return state;
    this.forget(topic);
    return undefined;
  }

  /** Opens a topic for those who give only its name. */
  async open(name: string): Promise<TopicState> {
    this.checkOpen();
    return this.remember(await this.openNative(name));
  }

  /** Opens a topic that exists; an error says which topics there are. */
  async openNative(name: string): Promise<NativeTopic> {
    return this.#ofTopic(name, () => this.native.openTopic(name));
  }

  /** Deletes a topic that exists; an error says which topics there are. */
  async deleteTopic(name: string): Promise<void> {
    await this.#ofTopic(name, () => this.native.deleteTopic(name));
    this.forget(name);
  }

  async #ofTopic<T>(name: string, call: () => Promise<T>): Promise<T> {
    try {
      return await settled(call);
    } catch (error) {
      if (!(error instanceof TidelogError) || error.code !== "ERR_TIDELOG_UNKNOWN_TOPIC") throw error;
      const names = await settled(() => this.native.topics()).catch((): string[] => []);
      const message = `topic ${JSON.stringify(name)} does not exist; ${this.#instead(name, names.sort())}`;
      throw new TidelogError(error.code, message, { cause: error });
    }
  }

  #instead(name: string, names: readonly string[]): string {
    const nearest = nearestOf(name, names);
    if (nearest !== undefined) return `did you mean "${nearest}"?`;
    const more = names.length > SHOWN_TOPICS ? `, and ${names.length - SHOWN_TOPICS} more` : "";
    const there = names.length === 0 ? "no topics" : `${names.slice(0, SHOWN_TOPICS).join(", ")}${more}`;
    return `the store has ${there}${this.native.readOnly ? "" : "; log.topic(name) makes one"}`;
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
