// What decides which member of a group reads which partitions.

/** A member of a group, as a strategy sees it. */
export interface StrategyMember {
  /** Unique in the group. */
  readonly id: string;
  /** The name that a static member keeps from one life to the next (KIP-345). */
  readonly instanceId: string | undefined;
  /** The topics that it subscribes to. */
  readonly topics: readonly string[];
  /** The partitions that it reads now. */
  readonly owned: readonly TopicPartition[];
}

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What there is to be shared. */
export interface Sharing {
  /** In the order in which they joined. */
  readonly members: readonly StrategyMember[];
  /** The topics that members subscribe to, with the number of their partitions. */
  readonly topics: ReadonlyMap<string, number>;
}

/**
 * Shares the partitions of a group among its members. All members of a group must name the same one; whichever of them
 * leads runs it, in its own thread, each time that members, subscriptions or partitions change. How what moves changes
 * hands is not its concern: a member gives a partition up before another one gets it, and keeps the others (KIP-429).
 */
export interface AssignmentStrategy {
  /** What members agree on. */
  readonly name: string;
  /**
   * The partitions of each member, by its id. Each partition that a member subscribes to must be given to exactly one that
   * does; a member may be left out. Must not wait.
   */
  assign(sharing: Sharing): ReadonlyMap<string, readonly TopicPartition[]>;
}

/** Members that subscribe to a topic, static ones first, in the order of their names: the same in each life. */
export function subscribers({ members }: Sharing, topic: string): StrategyMember[] {
  return inOrder(members).filter((member) => member.topics.includes(topic));
}

/** Static members first, in the order of their names; the others in that of their ids. */
export function inOrder(members: readonly StrategyMember[]): StrategyMember[] {
  return [...members].sort((a, b) => {
    if ((a.instanceId === undefined) !== (b.instanceId === undefined)) return a.instanceId === undefined ? 1 : -1;
    const [left, right] = [a.instanceId ?? a.id, b.instanceId ?? b.id];
    return left < right ? -1 : left > right ? 1 : 0;
  });
}

/** The topics in the order of their names, each with all its partitions. */
export function* partitionsOf({ topics }: Sharing): Generator<TopicPartition> {
  for (const topic of [...topics.keys()].sort()) {
    for (let partition = 0; partition < topics.get(topic)!; partition++) yield { topic, partition };
  }
}
