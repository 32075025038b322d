// What code of the user's own has thrown: it may be anything, and its own conversions may throw.

import { types } from "node:util";
import { type ErrorCode, TidelogError } from "./errors.js";
import { shown } from "./options.js";

/** As text, with the name of the error. */
export function textOf(thrown: unknown): string {
  try {
    if (isError(thrown)) return `${thrown.name}: ${thrown.message}`;
    return typeof thrown === "string" ? thrown : shown(thrown);
  } catch {
    return "what was thrown can't be shown as text";
  }
}

/** As text: an error's message alone. */
export function messageOf(thrown: unknown): string {
  try {
    if (isError(thrown)) return `${thrown.message}`;
  } catch {}
  return textOf(thrown);
}

/** As it is if it is an error; else one that has it as its cause. */
export function asError(thrown: unknown, code: ErrorCode, what: string): Error {
  if (isError(thrown)) return thrown;
  return new TidelogError(code, `${what} threw ${textOf(thrown)}, which is no error`, { cause: thrown });
}

/** Whether it is an error, of this realm or another. */
function isError(thrown: unknown): thrown is Error {
  return thrown instanceof Error || types.isNativeError(thrown);
}
