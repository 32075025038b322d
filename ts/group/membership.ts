// A consumer's place in its group: it joins, answers to what the group's coordinator in the engine asks of it, and
// joins again when it was expelled. What it gains and gives up is the business of whoever reads.

import { performance } from "node:perf_hooks";
import type { LogContext } from "../context.js";
import { publishError } from "../diagnostics.js";
import { FencedMemberError, type TidelogError } from "../errors.js";
import { direct, type NativeGroupEvent, type NativeGroupMember, tickets } from "../native.js";
import { fromNative } from "../native_errors.js";
import { shown } from "../options.js";
import type { TopicState } from "../topic_state.js";
import { sharesOf } from "./strategies/shares.js";
import type { AssignmentStrategy, StrategyMember, TopicPartition } from "./strategies/strategy.js";

/** Heartbeats are at most so far apart, in ms. Kafka's `heartbeat.interval.ms`. */
const HEARTBEAT_MS = 3000;
/** A strategy that takes too long so often in a row is given up. */
const MAX_TOO_LATE = 3;

/** How a consumer takes part in its group. */
export interface MembershipOptions {
  readonly group: string;
  readonly strategy: AssignmentStrategy;
  readonly instanceId: string | undefined;
  readonly sessionTimeoutMs: number;
  readonly maxPollIntervalMs: number;
}

/** Who reads what the member owns. */
export interface Owner {
  /**
   * These are its own now. Nobody else reads them, and all that was committed of them can be seen. `isStill` says whether
   * that holds: it may have been expelled since.
   */
  gain(partitions: readonly TopicPartition[], isStill: () => boolean): Promise<void>;
  /** These go to somebody else, as soon as nothing of them is in hand and what was done is committed. */
  giveUp(partitions: readonly TopicPartition[], isStill: () => boolean): Promise<void>;
  /** It owns nothing any more: somebody else may read it already. */
  lose(reason: TidelogError): void;
  /** It can't be a member. */
  fail(error: TidelogError): void;
  /** It has been told what it has: all that is meant for it, or more is to come once others have given it up. */
  told(complete: boolean): void;
}

/** A consumer as a member of its group, if it is one now. */
export class Membership {
  readonly #context: LogContext;
  readonly #options: MembershipOptions;
  readonly #owner: Owner;
  #member: NativeGroupMember | undefined;
  #ticket = 0;
  #heart: NodeJS.Timeout | undefined;
  /** What it gains and gives up, in order. */
  #turns: Promise<void> = Promise.resolve();
  /** How often records were handed out, and how often that was when the heart beat last. */
  #handedOut = 0;
  #beaten = 0;
  /** How often in a row its strategy took longer than the engine waits. */
  #tooLate = 0;

  constructor(context: LogContext, options: MembershipOptions, owner: Owner) {
    this.#context = context;
    this.#options = options;
    this.#owner = owner;
  }

  /** The engine's side, while it is a member. */
  get member(): NativeGroupMember | undefined {
    return this.#member;
  }

  /** The engine's side; throws if it is no member. */
  checked(): NativeGroupMember {
    if (this.#member === undefined) throw this.fenced();
    return this.#member;
  }

  /** Why nothing can be committed by one that is no member. */
  fenced(): FencedMemberError {
    const { group } = this.#options;
    return new FencedMemberError(
      `the consumer is no member of group ${shown(group)} (any more); what it had goes to others`,
    );
  }

  /** Becomes a member, unless it is one. What it gets is told to its owner. */
  join(topics: readonly TopicState[]): void {
    if (this.#member !== undefined) return;
    const { group, strategy, instanceId, sessionTimeoutMs, maxPollIntervalMs } = this.#options;
    const member = direct(() =>
      this.#context.native.joinGroup(
        tickets().completions,
        group,
        topics.map(({ native }) => native),
        { instanceId, strategy: strategy.name, sessionTimeoutMs, maxPollIntervalMs },
      ),
    );
    this.#member = member;
    this.#heart = setInterval(() => this.#beat(member), Math.min(HEARTBEAT_MS, sessionTimeoutMs / 3));
    this.#heart.unref();
    // Until somebody asks for records it counts as busy: one that nobody reads does not keep its partitions for ever.
    this.rest();
    this.#listen(member);
  }

  /** Something was handed out: user code is busy with it until `idle`. */
  handedOut(): void {
    if (this.#handedOut++ === this.#beaten) this.#member?.polled(true);
  }

  /** Nobody asks for more for now: time runs as it does for a handler. */
  rest(): void {
    this.#member?.polled(true);
  }

  /** User code asks for more. */
  idle(): void {
    this.#member?.polled(false);
    this.#beaten = this.#handedOut;
  }

  /** Leaves the group: its partitions go to others at once. */
  leave(): void {
    const member = this.#end();
    if (member !== undefined) direct(() => member.leave());
  }

  #end(): NativeGroupMember | undefined {
    const member = this.#member;
    this.#member = undefined;
    clearInterval(this.#heart);
    if (this.#ticket !== 0) tickets().forget(this.#ticket);
    this.#ticket = 0;
    return member;
  }

  #beat(member: NativeGroupMember): void {
    member.heartbeat();
    if (this.#handedOut === this.#beaten) return;
    // Records go through its hands: it is slow, perhaps, and not stuck.
    this.#beaten = this.#handedOut;
    member.polled(true);
  }

  #listen(member: NativeGroupMember): void {
    try {
      this.#ticket = tickets().listen(
        (_completions, ticket) => member.next(ticket),
        ({ error }) => {
          this.#ticket = 0;
          if (this.#member !== member) return;
          if (error !== undefined && error !== null) return this.#lost(fromNative(error));
          const event = direct(() => member.event());
          if (event !== null && event !== undefined) this.#take(member, event);
          if (this.#member === member) this.#listen(member);
        },
      );
    } catch (error) {
      this.#lost(error as TidelogError);
    }
  }

  #take(member: NativeGroupMember, event: NativeGroupEvent): void {
    // In a turn of its own: one that is slow must not keep timers from theirs, however often it is asked.
    if (event.kind === "assign") setImmediate(() => this.#lead(member, event));
    else if (event.kind === "lost") this.#lost(fromNative(event.reason!));
    // One after the other: what is gained may be given up soon.
    else this.#turns = this.#turns.then(() => this.#turn(member, event));
  }

  async #turn(member: NativeGroupMember, { kind, partitions, complete }: NativeGroupEvent): Promise<void> {
    const isStill = () => this.#member === member;
    if (!isStill()) return;
    try {
      if (kind === "assigned") {
        if (partitions.length > 0) await this.#owner.gain(partitions, isStill);
        if (isStill()) this.#owner.told(complete);
      } else {
        await this.#owner.giveUp(partitions, isStill);
        direct(() => member.revoked([...partitions]));
      }
    } catch (error) {
      // Of one that is expelled nothing more is expected.
      if (!isStill()) return;
      // What it can't begin to read, or can't let go of in order, somebody else shall have.
      this.leave();
      this.#owner.lose(error as TidelogError);
      this.#owner.fail(error as TidelogError);
    }
  }

  /** Shares the partitions out for all. */
  #lead(member: NativeGroupMember, { generation, members, topics }: NativeGroupEvent): void {
    if (this.#member !== member) return;
    const { strategy, sessionTimeoutMs } = this.#options;
    try {
      const since = performance.now();
      const shares = sharesOf(strategy, {
        members: members.map((one): StrategyMember => ({ ...one, instanceId: one.instanceId ?? undefined })),
        topics: new Map(topics.map(({ topic, partitions }) => [topic, partitions])),
      });
      const tookMs = Math.round(performance.now() - since);
      if (tookMs > sessionTimeoutMs) {
        this.#ledTooLate(tooSlow(strategy, tookMs, sessionTimeoutMs));
      } else {
        this.#tooLate = 0;
        direct(() => member.assign(generation, shares));
      }
    } catch (error) {
      this.#ledWrong(error as TidelogError);
    }
  }

  /** Whoever leads next may do better; who gave this strategy is told. */
  #ledWrong(error: TidelogError): void {
    publishError({ path: this.#context.path, operation: "read", error });
    this.leave();
    this.#owner.lose(error);
    this.#owner.fail(error);
  }

  /** It is expelled by now, and may do better when it has joined again; but not for ever. */
  #ledTooLate(error: TidelogError): void {
    this.#tooLate += 1;
    if (this.#tooLate === MAX_TOO_LATE) this.#ledWrong(error);
    else publishError({ path: this.#context.path, operation: "read", error });
  }

  #lost(reason: TidelogError): void {
    this.#end();
    this.#owner.lose(reason);
    // Another one bears its name now: two would take it from each other for ever.
    if (reason.code === "ERR_TIDELOG_FENCED_INSTANCE" || reason.code === "ERR_TIDELOG_CLOSED") this.#owner.fail(reason);
  }
}

function tooSlow({ name }: AssignmentStrategy, tookMs: number, sessionTimeoutMs: number): FencedMemberError {
  return new FencedMemberError(
    `strategy ${shown(name)} took ${tookMs} ms, in which the event loop stood still: longer than sessionTimeoutMs, ${sessionTimeoutMs}; ` +
      "make it faster, or raise sessionTimeoutMs",
  );
}
