// How numbers and places in a topic are written on the command line.

import type { ResetOptions } from "../group/group.js";
import { UsageError } from "./exit.js";

/** What help says of a place. */
export const PLACES = "earliest, latest, an offset, or a time such as 2026-01-31T12:00Z";

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
  const timestamp = Date.parse(given);
  if (Number.isNaN(timestamp) || timestamp < 0) {
    throw new UsageError(`--${option} must be earliest, latest, an offset or a time, not ${given}`, command);
  }
  return { timestamp };
}
