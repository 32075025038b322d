// Strategies, by what they promise: sticky against all possible ways of small cases, the others against Kafka's rules.

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cooperativeSticky } from "../../ts/group/strategies/cooperative_sticky.js";
import { range } from "../../ts/group/strategies/range.js";
import { roundRobin } from "../../ts/group/strategies/round_robin.js";
import type { Sharing, StrategyMember, TopicPartition } from "../../ts/group/strategies/strategy.js";

const test = suite("strategies");

const TOPICS = ["a", "b"];

const text = ({ topic, partition }: TopicPartition) => `${topic}-${partition}`;

/** Members with any subscriptions and any owners before, of topics that somebody subscribes to. */
const sharings = (members: number, partitions: number): fc.Arbitrary<Sharing> =>
  fc
    .record({
      subscriptions: fc.array(fc.subarray(TOPICS, { minLength: 1 }), { minLength: 1, maxLength: members }),
      counts: fc.tuple(fc.integer({ min: 1, max: partitions }), fc.integer({ min: 1, max: partitions })),
      // More owners than members: some partitions are nobody's.
      owners: fc.array(fc.integer({ min: 0, max: members + 1 }), {
        minLength: 2 * partitions,
        maxLength: 2 * partitions,
      }),
      fixed: fc.array(fc.boolean(), { minLength: members, maxLength: members }),
    })
    .map(({ subscriptions, counts, owners, fixed }) => {
      const topics = new Map<string, number>();
      for (const [i, topic] of TOPICS.entries()) {
        if (subscriptions.some((own) => own.includes(topic))) topics.set(topic, counts[i]!);
      }
      const all = [...topics].flatMap(([topic, count]) =>
        Array.from({ length: count }, (_, partition) => ({ topic, partition })),
      );
      const list: StrategyMember[] = subscriptions.map((own, place) => ({
        id: `m${(place * 7) % 10}-${place}`,
        instanceId: fixed[place] ? `fixed-${place}` : undefined,
        topics: own,
        owned: all.filter(({ topic }, i) => owners[i] === place && own.includes(topic)),
      }));
      return { members: list, topics };
    });

/** Fails unless each partition has one owner that subscribes to it. */
function checkWhole({ members, topics }: Sharing, assigned: ReadonlyMap<string, readonly TopicPartition[]>): void {
  const seen = new Set<string>();
  for (const [id, own] of assigned) {
    const member = members.find((one) => one.id === id)!;
    for (const partition of own) {
      assert.ok(member.topics.includes(partition.topic), `${id} does not subscribe to ${partition.topic}`);
      assert.not(seen.has(text(partition)), `${text(partition)} has two owners`);
      seen.add(text(partition));
    }
  }
  assert.is(
    seen.size,
    [...topics.values()].reduce((sum, count) => sum + count, 0),
  );
}

const loadsOf = ({ members }: Sharing, assigned: ReadonlyMap<string, readonly TopicPartition[]>) =>
  members.map(({ id }) => assigned.get(id)?.length ?? 0);

/** The sum of squares, and how many partitions have another owner than before. */
function scoreOf(sharing: Sharing, assigned: ReadonlyMap<string, readonly TopicPartition[]>): [number, number] {
  const squares = loadsOf(sharing, assigned).reduce((sum, load) => sum + load * load, 0);
  let moves = 0;
  for (const { id, owned } of sharing.members) {
    const own = new Set(assigned.get(id)?.map(text));
    moves += owned.filter((partition) => !own.has(text(partition))).length;
  }
  return [squares, moves];
}

/** The best score of all ways. */
function best(sharing: Sharing): [number, number] {
  const partitions = [...sharing.topics].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  );
  const { members } = sharing;
  const owner = new Map(members.flatMap(({ owned }, place) => owned.map((one) => [text(one), place] as const)));
  const loads = members.map(() => 0);
  let found: [number, number] = [Number.POSITIVE_INFINITY, 0];
  const place = (i: number, moves: number): void => {
    if (i === partitions.length) {
      const squares = loads.reduce((sum, load) => sum + load * load, 0);
      if (squares < found[0] || (squares === found[0] && moves < found[1])) found = [squares, moves];
      return;
    }
    const before = owner.get(text(partitions[i]!));
    for (const [m, member] of members.entries()) {
      if (!member.topics.includes(partitions[i]!.topic)) continue;
      loads[m]! += 1;
      place(i + 1, moves + Number(before !== undefined && before !== m));
      loads[m]! -= 1;
    }
  };
  place(0, 0);
  return found;
}

test("sticky is as fair as can be, and moves as few as can be", () => {
  fc.assert(
    fc.property(sharings(4, 4), (sharing) => {
      const assigned = cooperativeSticky.assign(sharing);
      checkWhole(sharing, assigned);
      assert.equal(scoreOf(sharing, assigned), best(sharing));
      // Asked again it moves nothing.
      const members = sharing.members.map((member) => ({ ...member, owned: assigned.get(member.id) ?? [] }));
      assert.is(scoreOf({ ...sharing, members }, cooperativeSticky.assign({ ...sharing, members }))[1], 0);
    }),
    { numRuns: 2000 },
  );
});

test("sticky shares thousands of partitions, and a newcomer takes its part of them", () => {
  const topics = new Map([["a", 3000]]);
  const member = (n: number, owned: readonly TopicPartition[] = []): StrategyMember => ({
    id: `m${n}`,
    instanceId: undefined,
    topics: ["a"],
    owned,
  });
  let members = Array.from({ length: 16 }, (_, n) => member(n));
  for (const newcomer of [16, 17]) {
    const assigned = cooperativeSticky.assign({ members, topics });
    members = members.map(({ id }, n) => ({ ...member(n, assigned.get(id)), id }));
    const loads = members.map(({ owned }) => owned.length);
    assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `${loads}`);
    members.push(member(newcomer));
    const sharing = { members, topics };
    const moved = scoreOf(sharing, cooperativeSticky.assign(sharing))[1];
    assert.is(moved, Math.floor(3000 / members.length));
  }
});

test("range gives each member of a topic partitions that follow one another, the first ones one more", () => {
  fc.assert(
    fc.property(sharings(5, 9), (sharing) => {
      const assigned = range.assign(sharing);
      checkWhole(sharing, assigned);
      for (const [topic, count] of sharing.topics) {
        const own = sharing.members
          .filter((member) => member.topics.includes(topic))
          .map(({ id }) => (assigned.get(id) ?? []).filter((one) => one.topic === topic).map((one) => one.partition));
        for (const numbers of own)
          assert.equal(
            numbers,
            numbers.map((_, i) => numbers[0]! + i),
          );
        const loads = own.map((numbers) => numbers.length);
        assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `${loads} of ${count}`);
      }
    }),
  );
});

test("range is Kafka's example: two topics of three partitions, two members", () => {
  const member = (id: string) => ({ id, instanceId: undefined, topics: ["t0", "t1"], owned: [] });
  const topics = new Map([
    ["t0", 3],
    ["t1", 3],
  ]);
  const assigned = range.assign({ members: [member("c1"), member("c0")], topics });
  assert.equal(assigned.get("c0")!.map(text), ["t0-0", "t0-1", "t1-0", "t1-1"]);
  assert.equal(assigned.get("c1")!.map(text), ["t0-2", "t1-2"]);
});

test("round robin deals all partitions out in turn, as in Kafka's example", () => {
  const member = (id: string, topics: string[]) => ({ id, instanceId: undefined, topics, owned: [] });
  const topics = new Map([
    ["t0", 1],
    ["t1", 2],
    ["t2", 3],
  ]);
  const members = [member("c0", ["t0"]), member("c1", ["t0", "t1"]), member("c2", ["t0", "t1", "t2"])];
  const assigned = roundRobin.assign({ members, topics });
  assert.equal(assigned.get("c0")!.map(text), ["t0-0"]);
  assert.equal(assigned.get("c1")!.map(text), ["t1-0"]);
  assert.equal(assigned.get("c2")!.map(text), ["t1-1", "t2-0", "t2-1", "t2-2"]);
});

test("round robin is even where all subscribe to the same", () => {
  fc.assert(
    fc.property(sharings(5, 9), (sharing) => {
      const assigned = roundRobin.assign(sharing);
      checkWhole(sharing, assigned);
      if (sharing.members.some(({ topics }) => topics.length !== sharing.members[0]!.topics.length)) return;
      if (sharing.members.some(({ topics }) => topics[0] !== sharing.members[0]!.topics[0])) return;
      const loads = loadsOf(sharing, assigned);
      assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `${loads}`);
    }),
  );
});

test.run();
