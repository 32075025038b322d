// Checks of what users pass in: unknown names refused, each bad value named with what was expected and what
// was given, before any work is done. Defaults stay with the options they belong to.

import { inspect } from "node:util";
import { InvalidArgumentError } from "./errors.js";
import { didYouMean } from "./nearest.js";
import { nameHere } from "./other_names.js";
import { durationMs, timeMs, unitHint } from "./time.js";

/** The largest offset, timestamp or count: numbers stay exact below 2^53. */
export const MAX_INTEGER = Number.MAX_SAFE_INTEGER;

/** Refuses what is no plain options object, and any name that is not among `known`. */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new InvalidArgumentError(`${where}: options must be an object, not ${shown(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      const list = known.length === 0 ? "it takes none" : `it takes ${known.join(", ")}`;
      const here = nameHere(name, known);
      const hint = here === undefined ? didYouMean(name, known) : `it is called "${here}" here; `;
      throw new InvalidArgumentError(`${where}: unknown option "${name}"; ${hint}${list}`);
    }
  }
}

/** An object within the options, with names that are known. */
export function checkGroup(where: string, name: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== "object" || value === null) {
    throw new InvalidArgumentError(`${where}: ${name} must be an object, not ${shown(value)}`);
  }
  checkOptions(`${where}: ${name}`, value, known);
}

/** An integer from `min` to `max`, both included. */
export function checkInteger(where: string, name: string, value: unknown, min = 0, max = MAX_INTEGER): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    const range = max === MAX_INTEGER ? `from ${min} up to 2^53 - 1` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`${where}: ${name} must be an integer ${range}, not ${shown(value)}`);
  }
  return value;
}

/** A length of time in ms from `min` to `max`, given as a number of ms or as a `Duration`. */
export function checkDuration(where: string, name: string, value: unknown, min = 0, max = MAX_INTEGER): number {
  const ms = durationMs(value);
  if (ms === undefined || ms < min || ms > max) {
    const range = max === MAX_INTEGER ? `from ${min} up to 2^53 - 1` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(
      `${where}: ${name} must be an integer ${range} in ms, or a duration such as "30 s", "15 min", "1h" or "7d", ` +
        `not ${shown(value)}`,
    );
  }
  return ms;
}

/** A point in time as ms since 1970, given as that or as a `Date`. A number in seconds or microseconds is refused. */
export function checkTime(where: string, name: string, value: unknown): number {
  const ms = timeMs(value);
  if (ms === undefined) {
    throw new InvalidArgumentError(
      `${where}: ${name} must be a Date or an integer of ms since 1970, from 0 up to 2^53 - 1, not ${shown(value)}`,
    );
  }
  const hint = unitHint(value);
  if (hint !== undefined) throw new InvalidArgumentError(`${where}: ${name} ${hint}`);
  return ms;
}

/** One of the given words. */
export function checkOneOf<T extends string>(where: string, name: string, value: unknown, words: readonly T[]): T {
  if (!words.includes(value as T)) {
    const list = words.map((word) => `"${word}"`).join(", ");
    throw new InvalidArgumentError(`${where}: ${name} must be one of ${list}, not ${shown(value)}`);
  }
  return value as T;
}

/** True or false, nothing that is merely truthy. */
export function checkBoolean(where: string, name: string, value: unknown): boolean {
  if (typeof value !== "boolean") {
    throw new InvalidArgumentError(`${where}: ${name} must be true or false, not ${shown(value)}`);
  }
  return value;
}

/** An AbortSignal, or nothing. */
export function checkSignal(where: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (!(value instanceof AbortSignal)) {
    throw new InvalidArgumentError(`${where}: signal must be an AbortSignal, not ${shown(value)}`);
  }
  return value;
}

/** A value as an error message shows it: short, and never the whole of a large one. */
export function shown(value: unknown): string {
  const text = inspect(value, {
    depth: 0,
    maxArrayLength: 3,
    maxStringLength: 60,
    breakLength: Number.POSITIVE_INFINITY,
  });
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

/** A name of the user's own: of a producer, a group or a transactional id. */
export function checkName(where: string, name: string, value: unknown): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in it
  if (typeof value !== "string" || value === "" || /[\u0000-\u001f\u007f]|\p{Surrogate}/u.test(value)) {
    throw new InvalidArgumentError(
      `${where}: ${name} must be a text that is not empty, without control characters or halves of one, not ${shown(value)}`,
    );
  }
  return value;
}
