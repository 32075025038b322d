// What a strategy has given, checked: it may be anybody's, and the engine takes no guesses.

import { types } from "node:util";
import { TidelogError } from "../../errors.js";
import { shown } from "../../options.js";
import { asError } from "../../thrown.js";
import type { AssignmentStrategy, Sharing, TopicPartition } from "./strategy.js";

/** The partitions of one member. */
export interface Share {
  member: string;
  partitions: TopicPartition[];
}

/** Asks a strategy. What is wrong with its answer beyond the form, the engine says. */
export function sharesOf(strategy: AssignmentStrategy, sharing: Sharing): Share[] {
  const assigned = answerOf(strategy, sharing);
  if (!types.isMap(assigned)) {
    const help = types.isPromise(assigned) ? "; it must not wait" : "";
    throw wrong(strategy, `must give a Map from a member's id to its partitions, not ${shown(assigned)}${help}`);
  }
  return [...assigned].map(([member, partitions]) => {
    if (typeof member !== "string") throw wrong(strategy, `names a member by ${shown(member)}, which is no id`);
    if (!Array.isArray(partitions))
      throw wrong(strategy, `gives member ${member} ${shown(partitions)}, which is no array`);
    return { member, partitions: partitions.map((one: unknown) => checked(strategy, member, one)) };
  });
}

function answerOf(strategy: AssignmentStrategy, sharing: Sharing): unknown {
  try {
    return strategy.assign(sharing);
  } catch (thrown) {
    throw asError(thrown, "ERR_TIDELOG_INVALID_ASSIGNMENT", `strategy ${shown(strategy.name)}`);
  }
}

function checked(strategy: AssignmentStrategy, member: string, given: unknown): TopicPartition {
  const { topic, partition } = (given ?? {}) as { topic?: unknown; partition?: unknown };
  const isOne = typeof topic === "string" && Number.isInteger(partition) && (partition as number) >= 0;
  if (!isOne || (partition as number) >= 2 ** 31) {
    const what = "which is no { topic, partition } with a name and a number from 0";
    throw wrong(strategy, `gives member ${member} ${shown(given)}, ${what}`);
  }
  return { topic, partition: partition as number };
}

function wrong({ name }: AssignmentStrategy, what: string): TidelogError {
  return new TidelogError("ERR_TIDELOG_INVALID_ASSIGNMENT", `strategy ${shown(name)} ${what}`);
}
