// Kafka's RangeAssignor: of each topic a member gets partitions that follow one another, so that partitions of the same
// number of several topics go to the same member.

import { type AssignmentStrategy, type Sharing, subscribers, type TopicPartition } from "./strategy.js";

export const range: AssignmentStrategy = {
  name: "range",
  assign(sharing: Sharing) {
    const assigned = new Map<string, TopicPartition[]>();
    for (const [topic, count] of sharing.topics) {
      const members = subscribers(sharing, topic);
      const least = Math.floor(count / members.length);
      const more = count % members.length;
      let partition = 0;
      for (const [i, { id }] of members.entries()) {
        const own = assigned.get(id) ?? [];
        for (const end = partition + least + (i < more ? 1 : 0); partition < end; partition++)
          own.push({ topic, partition });
        assigned.set(id, own);
      }
    }
    return assigned;
  },
};
