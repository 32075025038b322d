// What a consumer can be told, and the types of what it reads, which follow from the topics given.

import { InvalidArgumentError } from "../errors.js";
import type { MembershipOptions } from "../group/membership.js";
import { type AssignmentStrategy, type StrategyName, strategies } from "../group/strategies/index.js";
import { compileFilter, type NativeFilter } from "../native.js";
import { checkDuration, checkInteger, checkName, checkOneOf, checkOptions, checkSignal, shown } from "../options.js";
import type { ConsumerRecord, GroupRecord } from "../record.js";
import type { Duration } from "../time.js";
import type { AnyTopic, Topic } from "../topic.js";
import { type CheckedUntil, type From, type Start, startOf, type Until, untilOf } from "./bounds.js";

/** A partition to read, and where from. */
export interface Assignment<T = AnyTopic | string> {
  topic: T;
  partition: number;
  /** The first offset to read. Default what `from` says. */
  offset?: number | undefined;
}

/**
 * When records count as done, so that a consumer of the group that comes later, in this process or the next, is not
 * given them again.
 *
 * - `"at-least-once"`: a record, or a batch of `batches()`, counts as done when the next one is asked for, and is
 *   committed in the background, grouped: at most 20 times a second, one commit under way, and the rest when the loop ends
 *   or the consumer closes. One that a loop leaves by `break`, `throw` or `close()` is not done and is handed out again. A
 *   kill or power loss: some that were done are handed out again, none is lost.
 * - `"at-most-once"`: records are committed, durably, before they are handed out, as many at a time as are fetched
 *   (`readBytes`). A kill or power loss: some that were fetched are never handed out, none is twice. A loop that ends in
 *   order gives back what it did not hand out.
 * - `"manual"`: only `record.commit()`, `batch.commit()` and `consumer.commit()` commit.
 */
export type Delivery = "at-least-once" | "at-most-once" | "manual";

/**
 * Is told of partitions that change hands (KIP-415, KIP-429). What it does is waited for, `maxPollIntervalMs` at most; where it
 * throws or takes longer, the consumer leaves its group, and the loop fails: with its error, or with
 * `ERR_TIDELOG_LISTENER_FAILED` where it was late or what it threw is no error.
 */
export interface RebalanceListener {
  /** It is about to read these: nobody else does any more. */
  assigned?(partitions: readonly AssignedPartition[]): void | Promise<void>;
  /**
   * It gives these up, to another member or since it leaves the group, at the latest when it is closed: the last moment to
   * commit by hand. Nobody else reads them yet, and the record in hand is done; at a close, it is left out of what
   * `consumer.commit()` commits.
   */
  revoked?(partitions: readonly AssignedPartition[]): void | Promise<void>;
  /** These are gone, since it was expelled: others may read them already, and nothing of them can be committed. */
  lost?(partitions: readonly AssignedPartition[]): void | Promise<void>;
}

/** What a consumer can be told. Either `assign` or `topics` must be given. */
export interface ConsumerOptions<T extends readonly (AnyTopic | string)[] = readonly (AnyTopic | string)[]> {
  /** The partitions to read. */
  assign?: { readonly [I in keyof T]: Assignment<T[I]> } | undefined;
  /** Topics of which to read all the partitions that there are now. */
  topics?: T | undefined;
  /**
   * The group whose committed offsets it begins at, and for which it commits. With `topics`, the consumer is a member of
   * the group from its first loop until that has come to its end (`until`) or the consumer is closed: all members, in any thread of this process, share the partitions, and
   * each record goes to one of them. With `assign` it reads what it is given, and can commit while the group has no
   * members.
   */
  group?: string | undefined;
  /**
   * How the members of the group share partitions: as evenly as can be with as few moves as can be
   * (`"cooperative-sticky"`, the default), `"range"`, `"round-robin"`, or a strategy of your own. The same for all members.
   */
  strategy?: StrategyName | AssignmentStrategy | undefined;
  /**
   * The name of a static member (KIP-345): when its thread ends and it joins again within `sessionTimeoutMs`, it gets its
   * partitions back, and they do not go round meanwhile. Each member needs its own.
   */
  instanceId?: string | undefined;
  /** A member whose event loop stands still for so long is expelled. Default 45,000 ms, 1 s to 30 min. */
  sessionTimeoutMs?: number | Duration | undefined;
  /**
   * A member that asks for no record for so long, of whose run no handler returns, or that does not give up a partition,
   * is expelled: its handler is stuck. Default 300,000 ms, 1 s to 24 h.
   */
  maxPollIntervalMs?: number | Duration | undefined;
  /** Told of what the member gains and gives up. */
  onRebalance?: RebalanceListener | undefined;
  /** When records count as done. Needs a `group`; default `"at-least-once"` then. */
  delivery?: Delivery | undefined;
  /**
   * Where to begin in partitions without an offset of their own, given in `assign` or committed by the group. Default `"earliest"`. `"latest"` is the end as it is
   * when the consumer is made or, of a topic given by name that was not open, when that has been opened.
   */
  from?: From | undefined;
  /**
   * Gives only records of which this is true, for example `"headers.region = 'eu' AND key LIKE 'o-%'"`: SQL-92 conditions,
   * as in JMS selectors, over `key`, `headers.NAME`, `topic`, `partition`, `offset` and `timestamp`, evaluated before
   * anything crosses into JavaScript. The others count as read: positions, and what a group commits, move on over them.
   * docs/filters.md says what can be written and what it means. One that is wrong throws an `InvalidFilterError`. Default
   * none: all records.
   */
  filter?: string | undefined;
  /** Where reading ends. Default `"live"`: it goes on waiting for more. */
  until?: Until | undefined;
  /**
   * What to do about an offset that is no longer, or not yet, held. Default `"error"`. Where reading begins at the earliest,
   * retention may move that until the first record is read.
   */
  onOutOfRange?: "error" | "earliest" | "latest" | undefined;
  /** Bytes to read at once, from one partition; two such reads are held. Default 1 MiB, 1 KiB to 64 MiB. */
  readBytes?: number | undefined;
  /** Ends reading with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** The records of a topic given by handle or name. */
export type RecordOf<T> =
  T extends Topic<infer _K, infer _V, infer RK, infer RV> ? ConsumerRecord<RK, RV> : ConsumerRecord<Buffer, Buffer>;

/** The records of a topic given by handle or name, as a consumer with a group gives them. */
export type GroupRecordOf<T> =
  T extends Topic<infer _K, infer _V, infer RK, infer RV> ? GroupRecord<RK, RV> : GroupRecord<Buffer, Buffer>;

/** Picks partitions among those of a consumer: of one topic, of one number; all of them where nothing is given. */
export interface PartitionChoice {
  topic?: AnyTopic | string | undefined;
  partition?: number | undefined;
}

/** One partition of a consumer. */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
}

/** How far behind a consumer is in one partition. */
export interface PartitionLag extends AssignedPartition {
  /** The offset that is read next. */
  readonly position: number;
  readonly highWatermark: number;
  /** Offsets from one to the other. */
  readonly lag: number;
}

/** What a group has committed of one partition. */
export interface CommittedPosition extends AssignedPartition {
  /** The offset of the record to read next; null where nothing is committed. */
  readonly offset: number | null;
}

const NAMES = [
  "assign",
  "topics",
  "group",
  "delivery",
  "strategy",
  "instanceId",
  "sessionTimeoutMs",
  "maxPollIntervalMs",
  "onRebalance",
  "from",
  "filter",
  "until",
  "onOutOfRange",
  "readBytes",
  "signal",
] as const;

/** Options of members only. */
const MEMBER_NAMES = ["strategy", "instanceId", "sessionTimeoutMs", "maxPollIntervalMs", "onRebalance"] as const;

/** Checked and complete. */
export interface ReadingOptions {
  /** What to read: with a number, one partition; without, all of the topic's. */
  wanted: { topic: AnyTopic | string; partition?: number; offset?: number }[];
  group: string | undefined;
  /** None without a group. */
  delivery: Delivery | undefined;
  /** None of a consumer that is no member of a group. */
  membership: MembershipOptions | undefined;
  onRebalance: RebalanceListener;
  from: Start;
  filter: NativeFilter | undefined;
  until: CheckedUntil;
  onOutOfRange: "error" | "earliest" | "latest";
  readBytes: number;
  signal: AbortSignal | undefined;
}

/** Checks what was given and fills in the defaults. */
export function readingOptions(given: ConsumerOptions): ReadingOptions {
  const where = "log.consumer";
  checkOptions(where, given ?? null, NAMES);
  const { assign, topics, from = "earliest", until = "live", onOutOfRange = "error", readBytes = 1 << 20 } = given;
  if ((assign === undefined) === (topics === undefined)) {
    throw new InvalidArgumentError(`${where}: give either assign, a list of partitions, or topics, to read them whole`);
  }
  const { group, delivery = group === undefined ? undefined : "at-least-once" } = given;
  if (group !== undefined) checkName(where, "group", group);
  if (delivery !== undefined) {
    checkOneOf(where, "delivery", delivery, ["at-least-once", "at-most-once", "manual"]);
    if (group === undefined) throw new InvalidArgumentError(`${where}: delivery needs a group to commit for`);
  }
  return {
    wanted: assign === undefined ? wholeTopics(where, topics!) : partitions(where, assign),
    group,
    delivery,
    membership: membershipOptions(where, given),
    onRebalance: given.onRebalance ?? {},
    from: startOf(where, from),
    filter: checkFilter(where, given.filter),
    until: untilOf(where, until),
    onOutOfRange: checkOneOf(where, "onOutOfRange", onOutOfRange, ["error", "earliest", "latest"]),
    readBytes: checkInteger(where, "readBytes", readBytes, 1024, 64 << 20),
    signal: checkSignal(where, given.signal),
  };
}

/** How it is a member of its group; undefined if it is none. */
function membershipOptions(where: string, given: ConsumerOptions): MembershipOptions | undefined {
  const { group, topics, strategy = "cooperative-sticky", instanceId, onRebalance } = given;
  const { sessionTimeoutMs = 45_000, maxPollIntervalMs = 300_000 } = given;
  if (group === undefined || topics === undefined) {
    for (const name of MEMBER_NAMES) {
      if (given[name] === undefined) continue;
      throw new InvalidArgumentError(`${where}: ${name} is for members of a group: give group and topics`);
    }
    return undefined;
  }
  if (instanceId !== undefined) checkName(where, "instanceId", instanceId);
  if (onRebalance !== undefined) checkOptions(`${where}: onRebalance`, onRebalance, ["assigned", "revoked", "lost"]);
  return {
    group,
    strategy: checkStrategy(where, strategy),
    instanceId,
    sessionTimeoutMs: checkDuration(where, "sessionTimeoutMs", sessionTimeoutMs, 1000, 1_800_000),
    maxPollIntervalMs: checkDuration(where, "maxPollIntervalMs", maxPollIntervalMs, 1000, 86_400_000),
  };
}

function checkStrategy(where: string, strategy: unknown): AssignmentStrategy {
  if (typeof strategy === "string" && Object.hasOwn(strategies, strategy)) return strategies[strategy as StrategyName];
  const own = strategy as Partial<AssignmentStrategy> | null;
  if (typeof own === "object" && typeof own?.name === "string" && typeof own.assign === "function") {
    return own as AssignmentStrategy;
  }
  const names = Object.keys(strategies).map((name) => `"${name}"`);
  throw new InvalidArgumentError(
    `${where}: strategy must be ${names.join(", ")} or { name, assign }, not ${shown(strategy)}`,
  );
}

function wholeTopics(where: string, topics: readonly (AnyTopic | string)[]): ReadingOptions["wanted"] {
  checkList(where, "topics", topics);
  return topics.map((topic) => ({ topic }));
}

function partitions(where: string, assign: readonly Assignment[]): ReadingOptions["wanted"] {
  checkList(where, "assign", assign);
  return assign.map((assignment, i) => {
    const entry = `${where}: assign[${i}]`;
    checkOptions(entry, assignment ?? null, ["topic", "partition", "offset"]);
    const { topic, partition, offset } = assignment;
    checkInteger(entry, "partition", partition);
    if (offset === undefined) return { topic, partition };
    return { topic, partition, offset: checkInteger(entry, "offset", offset) };
  });
}

function checkList(where: string, name: string, list: unknown): void {
  if (!Array.isArray(list) || list.length === 0) {
    throw new InvalidArgumentError(`${where}: ${name} must be an array that is not empty, not ${shown(list)}`);
  }
}

/** Compiles a filter, if one is given. */
export function checkFilter(where: string, filter: unknown): NativeFilter | undefined {
  if (filter === undefined) return undefined;
  if (typeof filter !== "string") {
    throw new InvalidArgumentError(`${where}: filter must be a string, not ${shown(filter)}`);
  }
  return compileFilter(filter);
}
