// Kafka's RoundRobinAssignor: all partitions of all topics, dealt out to the members in turn.

import { type AssignmentStrategy, inOrder, partitionsOf, type Sharing, type TopicPartition } from "./strategy.js";

export const roundRobin: AssignmentStrategy = {
  name: "round-robin",
  assign(sharing: Sharing) {
    const assigned = new Map<string, TopicPartition[]>(sharing.members.map(({ id }) => [id, []]));
    const members = inOrder(sharing.members);
    let turn = 0;
    for (const partition of partitionsOf(sharing)) {
      // A topic that is to be shared has a subscriber.
      while (!members[turn % members.length]!.topics.includes(partition.topic)) turn++;
      assigned.get(members[turn % members.length]!.id)!.push(partition);
      turn++;
    }
    return assigned;
  },
};
