// Which partitions of a consumer somebody means: of one topic, of one number, both, or all.

import { InvalidArgumentError } from "../errors.js";
import { checkInteger, checkOptions, shown } from "../options.js";
import type { AnyTopic } from "../topic.js";
import type { PartitionChoice } from "./options.js";

/** A choice, with the topic by its name. */
export interface Choice {
  readonly topic: string | undefined;
  readonly partition: number | undefined;
}

/** Checks a choice. */
export function choiceOf(where: string, given: PartitionChoice): Choice {
  checkOptions(where, given ?? null, ["topic", "partition"]);
  const { topic, partition } = given;
  const name = topic === undefined ? undefined : nameOf(topic);
  if (topic !== undefined && typeof name !== "string") {
    throw new InvalidArgumentError(`${where}: topic must be a topic or its name, not ${shown(topic)}`);
  }
  if (partition !== undefined) checkInteger(where, "partition", partition);
  return { topic: name, partition };
}

/** Whether it means a partition; without a number: any of the topic. */
export function isChosen(choice: Choice, topic: string, partition: number | undefined): boolean {
  if (choice.topic !== undefined && choice.topic !== topic) return false;
  return choice.partition === undefined || partition === undefined || choice.partition === partition;
}

/** The name of a topic given by handle or name. */
export function nameOf(topic: AnyTopic | string): string {
  return typeof topic === "string" ? topic : topic?.name;
}

/** Says that the consumer reads nothing of the kind. */
export function notRead(where: string, { topic, partition }: Choice): InvalidArgumentError {
  const what = [topic, partition === undefined ? undefined : `partition ${partition}`].filter((part) => part);
  return new InvalidArgumentError(`${where}: the consumer does not read ${what.join(" ")}`);
}
