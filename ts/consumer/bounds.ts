// Where reading begins, goes on and ends, as callers say it: by a word, an offset or a time.

import { InvalidArgumentError } from "../errors.js";
import { checkInteger, checkOneOf, checkOptions, checkTime, shown } from "../options.js";
import type { PartitionChoice } from "./options.js";

/**
 * Where to begin: at the first record held, behind the last one, or at the first that is not older than a time, given as a
 * `Date` or in ms since 1970.
 */
export type From = "earliest" | "latest" | { timestamp: number | Date };

/** As `From`, with the time as ms. */
export type Start = "earliest" | "latest" | { timestamp: number };

/**
 * Where reading ends: never (`"live"`); behind what was there when it began (`"end"`); before the first record that is not
 * older than a time, as the partition is when reading begins, or behind its last one if all are older; before an offset,
 * which is waited for where it is not there yet.
 */
export type Until = "live" | "end" | { timestamp: number | Date } | { offset: number };

/** As `Until`, with the time as ms. */
export type CheckedUntil = "live" | "end" | { timestamp: number } | { offset: number };

/** Where to go on. A time is a `Date` or ms since 1970. */
export type SeekTarget = { offset: number } | { timestamp: number | Date } | { to: "earliest" | "latest" };

/** As `SeekTarget`, with the time as ms. */
export type Target = { offset: number } | { timestamp: number } | { to: "earliest" | "latest" };

/** Refuses what is no place to begin. */
export function startOf(where: string, from: unknown, name = "from"): Start {
  inOurWords(where, name, from);
  if (from === "earliest" || from === "latest") return from;
  if (typeof from === "object" && from !== null && !(from instanceof Date)) {
    checkOptions(`${where}: ${name}`, from, ["timestamp"]);
    return { timestamp: checkTime(`${where}: ${name}`, "timestamp", (from as { timestamp: unknown }).timestamp) };
  }
  throw new InvalidArgumentError(`${where}: ${name} must be "earliest", "latest" or { timestamp }, not ${shown(from)}`);
}

/** Refuses what is no end of reading. */
export function untilOf(where: string, until: unknown): CheckedUntil {
  if (until === "live" || until === "end") return until;
  if (typeof until === "object" && until !== null && !(until instanceof Date)) {
    const given = `${where}: until`;
    checkOptions(given, until, ["timestamp", "offset"]);
    const { timestamp, offset } = until as { timestamp?: unknown; offset?: unknown };
    if (timestamp !== undefined && offset === undefined) return { timestamp: checkTime(given, "timestamp", timestamp) };
    if (offset !== undefined && timestamp === undefined) return { offset: checkInteger(given, "offset", offset) };
  }
  throw new InvalidArgumentError(
    `${where}: until must be "live", "end", { timestamp } or { offset }, not ${shown(until)}`,
  );
}

/** Checks a seek and splits it into where to, and which partitions. */
export function seekTarget(given: SeekTarget & PartitionChoice): Target {
  const where = "consumer.seek";
  checkOptions(where, given ?? null, ["offset", "timestamp", "to", "topic", "partition"]);
  const { offset, timestamp, to } = given as { offset?: unknown; timestamp?: unknown; to?: unknown };
  if ([offset, timestamp, to].filter((target) => target !== undefined).length !== 1) {
    throw new InvalidArgumentError(`${where}: give one of offset, timestamp or to ("earliest" or "latest")`);
  }
  if (offset !== undefined) return { offset: checkInteger(where, "offset", offset) };
  if (timestamp !== undefined) return { timestamp: checkTime(where, "timestamp", timestamp) };
  return { to: checkOneOf(where, "to", inOurWords(where, "to", to), ["earliest", "latest"]) };
}

/** What other clients call them. */
const OTHER_WORDS = new Map<unknown, string>([
  ["beginning", "earliest"],
  ["end", "latest"],
]);

/** Refuses another client's word for the first or the last offset, and says which one it is here. */
export function inOurWords(where: string, name: string, word: unknown): unknown {
  const ours = OTHER_WORDS.get(word);
  if (ours === undefined) return word;
  throw new InvalidArgumentError(`${where}: ${name} is "earliest" or "latest"; write "${ours}" instead of "${word}"`);
}
