// How users give time: a length of it as a number of ms or a text such as "30 s", a point in it as a number of ms since
// 1970 or a Date. Only what has one meaning is taken: no months, no years, no capital letters, nothing rounded.

/** Units of a {@link Duration}: milliseconds, seconds, minutes (`m` or `min`), hours, days of 24 hours, weeks. */
export type DurationUnit = "ms" | "s" | "m" | "min" | "h" | "d" | "w";

/** A length of time in words, such as `"500 ms"`, `"30 s"`, `"15 min"`, `"1h"`, `"7d"`. It must come to whole ms. */
export type Duration = `${number}${DurationUnit}` | `${number} ${DurationUnit}`;

const UNIT_MS: Readonly<Record<DurationUnit, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** A length of time in ms; undefined for what is none. A number is taken as it is, if it is an integer. */
export function durationMs(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
  const found = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?(ms|s|min|m|h|d|w)$/.exec(value) : null;
  if (found === null) return undefined;
  const ms = Number(found[1]) * UNIT_MS[found[2] as DurationUnit];
  // What is a fraction in binary, as 1.1 s, may miss its whole ms by a rounding error.
  const whole = Math.round(ms);
  return Number.isSafeInteger(whole) && Math.abs(ms - whole) < 1e-6 ? whole : undefined;
}

/** A point in time as ms since 1970; undefined for what is none, or lies before. */
export function timeMs(value: unknown): number | undefined {
  const ms = value instanceof Date ? value.getTime() : value;
  return typeof ms === "number" && Number.isSafeInteger(ms) && ms >= 0 ? ms : undefined;
}

/**
 * Why a number is no time in ms by its size: as seconds or microseconds it is of 2001 to 2096, and as ms of 1970 or of the year
 * 33,658 at the earliest. Undefined where it may be ms; a `Date` always is.
 */
export function unitHint(value: unknown): string | undefined {
  if (typeof value !== "number") return undefined;
  const [unit, ms] =
    value >= 1e9 && value < 4e9
      ? ["seconds", value * 1000]
      : value >= 1e15 && value < 4e15
        ? ["microseconds", value / 1000]
        : [];
  if (unit === undefined || ms === undefined) return undefined;
  const date = new Date(ms as number);
  return `${value} looks like ${unit} since 1970 (${date.toISOString()}); give it in ms, as ${date.getTime()}, or as a Date`;
}
