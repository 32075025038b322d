// As even as subscriptions allow, and of all such ways the one that moves the fewest partitions: Kafka's
// CooperativeStickyAssignor (KIP-54, KIP-429) tries to, this does. Evenness first (the least sum of squares), moves second,
// is a flow of least cost, which is reached by shifting partitions along chains of members as long as one gains.

import {
  type AssignmentStrategy,
  inOrder,
  type Sharing,
  type StrategyMember,
  type TopicPartition,
} from "./strategy.js";

export const cooperativeSticky: AssignmentStrategy = {
  name: "cooperative-sticky",
  assign: (sharing: Sharing) => new Shares(sharing).balanced(),
};

/** Partitions of one topic that one member owned, or nobody: whoever gets which of them makes no difference. */
interface Kind {
  readonly topic: string;
  /** The place of the member that owned them; -1 for nobody. */
  readonly owner: number;
  readonly partitions: number[];
  /** Whether the member at each place may have them. */
  readonly allowed: readonly boolean[];
  /** How many each member gets. */
  readonly given: number[];
}

class Shares {
  readonly #members: StrategyMember[];
  readonly #kinds: Kind[] = [];
  readonly #load: number[];

  constructor(sharing: Sharing) {
    this.#members = inOrder(sharing.members);
    this.#load = this.#members.map(() => 0);
    for (const topic of [...sharing.topics.keys()].sort()) this.#enter(topic, sharing.topics.get(topic)!);
  }

  balanced(): Map<string, TopicPartition[]> {
    while (this.#improve()) {}
    const assigned = new Map<string, TopicPartition[]>(this.#members.map(({ id }) => [id, []]));
    for (const { topic, owner, partitions, given } of this.#kinds) {
      const left = [...partitions];
      // What stays is taken first, so that it is the same whoever joins.
      const places = this.#members.map((_, place) => place).sort((a, b) => Number(b === owner) - Number(a === owner));
      for (const place of places) {
        const own = assigned.get(this.#members[place]!.id)!;
        for (const partition of left.splice(0, given[place])) own.push({ topic, partition });
      }
    }
    return assigned;
  }

  /** Leaves each partition with its owner, and gives those of nobody to whoever has the least. */
  #enter(topic: string, count: number): void {
    const members = this.#members;
    const allowed = members.map((member) => member.topics.includes(topic));
    const owners = new Array<number>(count).fill(-1);
    for (const [place, member] of members.entries()) {
      for (const owned of member.owned) {
        if (owned.topic === topic && allowed[place] && owned.partition < count) owners[owned.partition] = place;
      }
    }
    const kinds = new Map<number, Kind>();
    for (const [partition, owner] of owners.entries()) {
      let kind = kinds.get(owner);
      if (kind === undefined) {
        kind = { topic, owner, partitions: [], allowed, given: members.map(() => 0) };
        kinds.set(owner, kind);
        this.#kinds.push(kind);
      }
      kind.partitions.push(partition);
      if (owner >= 0) this.#give(kind, owner, 1);
    }
    const free = kinds.get(-1);
    for (const _ of free?.partitions ?? []) {
      let least = -1;
      for (const place of members.keys()) {
        if (allowed[place] && (least < 0 || this.#load[place]! < this.#load[least]!)) least = place;
      }
      this.#give(free!, least, 1);
    }
  }

  #give(kind: Kind, place: number, count: number): void {
    kind.given[place]! += count;
    this.#load[place]! += count;
  }

  /**
   * Shifts one partition along a chain of members, if that is fairer, or as fair with fewer moves. Chains are the
   * cheapest, beginning with no move at all, so there is never a ring of members that would save moves by itself.
   */
  #improve(): boolean {
    const { costs, via, next } = this.#chains();
    const load = this.#load;
    let best: { from: number; to: number; gain: number; cost: number } | undefined;
    for (const from of load.keys()) {
      for (const to of load.keys()) {
        const cost = costs[from]![to]!;
        // By how much the sum of squares falls, halved.
        const gain = load[from]! - load[to]! - 1;
        if (from === to || cost === Number.POSITIVE_INFINITY || gain < 0 || (gain === 0 && cost >= 0)) continue;
        if (best === undefined || gain > best.gain || (gain === best.gain && cost < best.cost)) {
          best = { from, to, gain, cost };
        }
      }
    }
    if (best === undefined) return false;
    for (let at = best.from; at !== best.to; ) {
      const step = next[at]![best.to]!;
      const kind = via[at]![step]!;
      this.#give(kind, at, -1);
      this.#give(kind, step, 1);
      at = step;
    }
    return true;
  }

  /** From each member to each other the chain that costs the fewest moves (Floyd and Warshall). */
  #chains() {
    const places = [...this.#members.keys()];
    const costs = places.map(() => places.map(() => Number.POSITIVE_INFINITY));
    const next = places.map(() => places.map(() => -1));
    const via: (Kind | undefined)[][] = places.map(() => places.map(() => undefined));
    for (const kind of this.#kinds) {
      for (const from of places) {
        if (kind.given[from] === 0) continue;
        for (const to of places) {
          if (to === from || !kind.allowed[to]) continue;
          const cost = moves(kind, to) - moves(kind, from);
          if (cost < costs[from]![to]!) [costs[from]![to], via[from]![to], next[from]![to]] = [cost, kind, to];
        }
      }
    }
    for (const middle of places) {
      for (const from of places) {
        const first = costs[from]![middle]!;
        if (first === Number.POSITIVE_INFINITY) continue;
        for (const to of places) {
          const cost = first + costs[middle]![to]!;
          if (cost < costs[from]![to]!) [costs[from]![to], next[from]![to]] = [cost, next[from]![middle]!];
        }
      }
    }
    return { costs, via, next };
  }
}

/** Whether a partition of this kind moves when the member at a place gets it. */
function moves({ owner }: Kind, place: number): number {
  return owner >= 0 && owner !== place ? 1 : 0;
}
