// Groups as operators see them: what each has committed, how far behind it is, and another place to begin at.

import { systemTime } from "../clock.js";
import { inOurWords, type Target } from "../consumer/bounds.js";
import { offsetsOf } from "../consumer/committer.js";
import type { AssignedPartition, PartitionChoice } from "../consumer/options.js";
import { Place } from "../consumer/place.js";
import { LogContext } from "../context.js";
import { InvalidArgumentError, OffsetOutOfRangeError } from "../errors.js";
import { checkMadeInside } from "../made_inside.js";
import { direct, type NativeCommittedOffset, type NativeMemberDescription, settled, tickets } from "../native.js";
import { checkInteger, checkName, checkOptions, checkTime, shown } from "../options.js";
import { showAs } from "../shown_as.js";

/** What a group has committed of one partition. */
export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  /** The offset of the record to read next. */
  readonly offset: number;
  readonly highWatermark: number;
  /** Offsets from one to the other. */
  readonly lag: number;
  /** The text that was committed with it. */
  readonly metadata: string;
  /** When it was committed, in ms since 1970. */
  readonly timestamp: number;
}

/** A member of a group: a consumer, or a `log.process`, in some thread of this process. */
export interface GroupMemberDescription {
  /** Unique in the group; another one each time that it joins. */
  readonly id: string;
  /** The name of a static member; null of others. */
  readonly instanceId: string | null;
  /**
   * `"stable"` when it has what is meant for it; `"revoking"` while it gives partitions up, `"waiting"` while it waits for
   * others to, `"away"` of a static member whose thread is gone and which may come back.
   */
  readonly state: "stable" | "revoking" | "waiting" | "away";
  /** The topics that it subscribes to. */
  readonly topics: readonly string[];
  /** The partitions that it owns. */
  readonly assignment: readonly AssignedPartition[];
  /** Offsets by which its group is behind in these; where nothing is committed, from the log start on. */
  readonly lag: number;
}

/** A group, as `describe` tells. */
export interface GroupDescription {
  readonly name: string;
  /** Whether it has no members, or each of them has what is meant for it, or partitions are changing hands. */
  readonly state: "empty" | "stable" | "rebalancing";
  /** Rises with each change of members, their topics, or partitions; 0 where there was none since the store was opened. */
  readonly generation: number;
  /** The strategy that members share partitions by; null without members. */
  readonly strategy: string | null;
  /** In the order in which they joined. None are seen from another process. */
  readonly members: readonly GroupMemberDescription[];
  /** By topic and partition; empty for a group that has committed nothing. */
  readonly offsets: readonly GroupOffset[];
}

/** Where a group shall go on. */
export interface ResetOptions extends PartitionChoice {
  to: "earliest" | "latest" | { offset: number } | { timestamp: number | Date };
}

let makeGroup: (context: LogContext, name: string) => Group;
let planOf: (group: Group, options: ResetOptions) => Promise<Map<Place, number>>;

/** A group of consumers, by its name. It holds nothing that has to be closed. */
export class Group {
  readonly name: string;
  readonly #context: LogContext;

  private constructor(context: LogContext, name: string) {
    checkMadeInside(context instanceof LogContext, "Group", "log.group(name)");
    this.#context = context;
    this.name = name;
  }

  static {
    showAs(Group, ({ name }) => ({ name }));
    makeGroup = (context, name) => new Group(context, name);
    planOf = (group, options) => group.#plan(options);
  }

  /** Who is in it, what it has committed, and how far behind it is. */
  async describe(): Promise<GroupDescription> {
    const offsets: GroupOffset[] = [];
    for (const { topic, partition, offset, metadata, timestamp } of await this.#committed()) {
      const { native } = await this.#place(topic, partition);
      const { highWatermark } = native;
      const lag = Math.max(0, highWatermark - offset);
      offsets.push({ topic, partition, offset, highWatermark, lag, metadata, timestamp });
    }
    const { generation, strategy = null, stable, members } = direct(() => this.#context.native.groupMembers(this.name));
    const described = members.map((member) => this.#member(member, offsets));
    const state = members.length === 0 ? "empty" : stable ? "stable" : "rebalancing";
    return { name: this.name, state, generation, strategy, members: await Promise.all(described), offsets };
  }

  async #member(
    { id, instanceId = null, state, topics, owned }: NativeMemberDescription,
    offsets: readonly GroupOffset[],
  ): Promise<GroupMemberDescription> {
    let lag = 0;
    for (const { topic, partition } of owned) {
      const known = offsets.find((one) => one.topic === topic && one.partition === partition);
      if (known !== undefined) lag += known.lag;
      else {
        const { native } = await this.#place(topic, partition);
        lag += native.highWatermark - native.logStartOffset;
      }
    }
    return { id, instanceId, state: state as GroupMemberDescription["state"], topics, assignment: owned, lag };
  }

  /**
   * Commits another place to go on from, in all partitions of which the group has committed something, or in those of
   * `topic` (all of them, committed or not) and `partition`. Gives the offsets as they are then.
   *
   * Rejects with `ERR_TIDELOG_GROUP_NOT_EMPTY` while the group has members: close them first.
   */
  async reset(options: ResetOptions): Promise<GroupDescription> {
    const offsets = await this.#plan(options);
    const { topics, numbers } = offsetsOf(offsets);
    if (offsets.size > 0) {
      await tickets().request((completions, ticket) =>
        this.#context.native.commitOffsets(completions, ticket, this.name, topics, numbers, []),
      );
    }
    return this.describe();
  }

  async #plan(options: ResetOptions): Promise<Map<Place, number>> {
    const where = "group.reset";
    checkOptions(where, options ?? null, ["to", "topic", "partition"]);
    const target = targetOf(where, options.to);
    const offsets = new Map<Place, number>();
    for (const place of await this.#chosen(where, options)) {
      const { logStartOffset, highWatermark } = place.native;
      const offset = await place.offsetOf(target);
      if (offset < logStartOffset || offset > highWatermark) {
        throw new OffsetOutOfRangeError(
          `${where}: offset ${offset} of ${place.topic.name}-${place.partition} is out of range: ` +
            `it holds ${logStartOffset} to ${highWatermark}`,
          [offset, logStartOffset, highWatermark],
          {},
        );
      }
      offsets.set(place, offset);
    }
    return offsets;
  }

  /** Forgets all that it has committed. Rejects with `ERR_TIDELOG_GROUP_NOT_EMPTY` while it has members. */
  async delete(): Promise<void> {
    this.#context.checkOpen();
    await settled(() => this.#context.native.deleteGroup(this.name));
  }

  async #committed(): Promise<NativeCommittedOffset[]> {
    this.#context.checkOpen();
    const found = await settled(() => this.#context.native.committedOffsets(this.name));
    return found.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
  }

  async #place(name: string, partition: number): Promise<Place> {
    return new Place(this.#context.current(name) ?? (await this.#context.open(name)), partition, 0);
  }

  async #chosen(where: string, { topic, partition }: PartitionChoice): Promise<Place[]> {
    if (partition !== undefined) checkInteger(where, "partition", partition);
    if (topic === undefined) {
      const committed = await this.#committed();
      const chosen = committed.filter((offset) => partition === undefined || offset.partition === partition);
      return Promise.all(chosen.map((offset) => this.#place(offset.topic, offset.partition)));
    }
    this.#context.checkOpen();
    const state = this.#context.current(topic) ?? (await this.#context.open(topic as string));
    if (partition !== undefined) return [new Place(state, partition, 0)];
    return Array.from({ length: state.partitionCount }, (_, number) => new Place(state, number, 0));
  }
}

/** What a reset would commit; nothing is changed. */
export async function plannedReset(group: Group, options: ResetOptions): Promise<GroupOffset[]> {
  const timestamp = systemTime();
  return [...(await planOf(group, options))].map(([{ topic, partition, native }, offset]) => {
    const { highWatermark } = native;
    return {
      topic: topic.name,
      partition,
      offset,
      highWatermark,
      lag: highWatermark - offset,
      metadata: "",
      timestamp,
    };
  });
}

/** Makes the public handle. */
export function groupOf(context: LogContext, name: string): Group {
  checkName("log.group", "name", name);
  context.checkOpen();
  return makeGroup(context, name);
}

function targetOf(where: string, to: ResetOptions["to"]): Target {
  if (to === "earliest" || to === "latest") return { to };
  const given: unknown = inOurWords(where, "to", to);
  if (typeof given === "object" && given !== null) {
    checkOptions(`${where}: to`, given, ["offset", "timestamp"]);
    const { offset, timestamp } = given as { offset?: unknown; timestamp?: unknown };
    if (offset !== undefined && timestamp === undefined) return { offset: checkInteger(where, "offset", offset) };
    if (timestamp !== undefined && offset === undefined) {
      return { timestamp: checkTime(where, "timestamp", timestamp) };
    }
  }
  throw new InvalidArgumentError(
    `${where}: to must be "earliest", "latest", { offset } or { timestamp }, not ${shown(given)}`,
  );
}
