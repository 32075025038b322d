// How numbers and places in a topic are written on the command line.

import type { ResetOptions } from "../group/group.js";
import { durationMs } from "../time.js";
import { UsageError } from "./exit.js";

/** What help says of a place. */
export const PLACES =
  'earliest, latest, an offset, a time such as 2026-01-31T12:00Z, or how long ago: -1h, "30 min ago"';

export function wholeNumber(command: string, option: string, given: string): number {
  const value = Number(given);
  if (!/^\d+$/.test(given) || !Number.isSafeInteger(value)) {
    throw new UsageError(`--${option} must be a whole number, not ${given}`, command);
  }
  return value;
}

export function placeOf(command: string, option: string, given: string): ResetOptions["to"] {
  if (given === "earliest" || given === "latest") return given;
  if (/^\d+$/.test(given)) return { offset: wholeNumber(command, option, given) };
  const timestamp = timeOf(given);
  if (timestamp === undefined) {
    throw new UsageError(
      `--${option} must be earliest, latest, an offset or a time, not ${given}${hintFor(given)}`,
      command,
    );
  }
  return { timestamp };
}

/** A time in ISO 8601, in local time where it names no zone, or how long ago it was. */
function timeOf(given: string): number | undefined {
  const ago = /^(?:-(.+)|(.+) ago)$/.exec(given);
  const before = durationMs(ago?.[1] ?? ago?.[2]);
  if (before !== undefined) return Math.max(0, Date.now() - before);
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(given);
  if (iso === null) return undefined;
  // A date alone would be taken for one in UTC.
  const [, date, time = "00:00", zone = ""] = iso;
  const timestamp = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(timestamp) || timestamp < 0 ? undefined : timestamp;
}

function hintFor(given: string): string {
  return durationMs(given) === undefined ? "" : `; write -${given} or "${given} ago" for that long ago`;
}
