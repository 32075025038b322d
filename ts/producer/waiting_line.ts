// Those for whom there is no room yet, or whose topic is still being opened: first come, first served.

import type { LogContext } from "../context.js";
import type { AnyTopic } from "../topic.js";
import type { TopicState } from "../topic_state.js";

/** Somebody in the line. */
export interface Waiting {
  /** The topic that must be open for it; none for a mark in the line. */
  readonly topic: AnyTopic | string | undefined;
  /** Takes its turn, as far as there is room; true once it is done. */
  run(topic: TopicState | undefined): boolean;
  /** Can't have its turn any more. */
  fail(error: unknown): void;
  /** Has left the line early. */
  gone: boolean;
  /** Called when it leaves. */
  left?: () => void;
}

/** A queue whose head is served while there is room. */
export class WaitingLine {
  readonly #context: LogContext;
  readonly #changed: () => void;
  readonly #opening = new Set<string>();
  #line: Waiting[] = [];
  #head = 0;
  #serving = false;

  /** `changed` is called when a topic has been opened that somebody waits for. */
  constructor(context: LogContext, changed: () => void) {
    this.#context = context;
    this.#changed = changed;
  }

  get isEmpty(): boolean {
    return this.#head === this.#line.length;
  }

  /** How many stand in it. */
  get length(): number {
    return this.#line.slice(this.#head).filter(({ gone }) => !gone).length;
  }

  /** Joins the line. */
  push(waiting: Waiting): void {
    this.#line.push(waiting);
    const { topic } = waiting;
    if (typeof topic === "string" && this.#context.resolve(topic) === undefined) this.#open(topic);
  }

  /** Serves the head, and the next, until `full` says that there is no room. */
  advance(full: () => boolean): void {
    // Serving may end in another call: a record that is taken in can be the one that another waits for.
    if (this.#serving) return;
    this.#serving = true;
    try {
      while (!this.isEmpty && this.#serve(this.#line[this.#head]!, full)) this.#leave();
    } finally {
      this.#serving = false;
    }
  }

  /** Sends everybody away. */
  abandon(error: unknown): void {
    const line = this.#line.slice(this.#head);
    this.#line = [];
    this.#head = 0;
    for (const waiting of line) this.#dismiss(waiting, error);
  }

  /** True once the head is done. */
  #serve(head: Waiting, full: () => boolean): boolean {
    if (head.gone) return true;
    let topic: TopicState | undefined;
    if (head.topic !== undefined) {
      try {
        topic = this.#context.resolve(head.topic);
      } catch (error) {
        this.#dismiss(head, error);
        return true;
      }
      if (topic === undefined || full()) return false;
    }
    try {
      if (!head.run(topic)) return false;
    } catch (error) {
      head.fail(error);
    }
    head.gone = true;
    head.left?.();
    return true;
  }

  #leave(): void {
    this.#head += 1;
    if (this.#head === this.#line.length) {
      this.#line = [];
      this.#head = 0;
    } else if (this.#head >= 4096) {
      this.#line = this.#line.slice(this.#head);
      this.#head = 0;
    }
  }

  #dismiss(waiting: Waiting, error: unknown): void {
    if (waiting.gone) return;
    waiting.gone = true;
    waiting.left?.();
    waiting.fail(error);
  }

  #open(name: string): void {
    if (this.#opening.has(name)) return;
    this.#opening.add(name);
    this.#context
      .open(name)
      .catch((error) => {
        for (const waiting of this.#line.slice(this.#head)) {
          if (waiting.topic === name) this.#dismiss(waiting, error);
        }
      })
      .finally(() => {
        this.#opening.delete(name);
        this.#changed();
      });
  }
}
