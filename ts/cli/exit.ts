// How the tool ends: its exit codes, and one line for whatever went wrong.

import { InvalidFilterError, TidelogError } from "../errors.js";

/** Done. */
export const DONE = 0;
/** What was looked at is damaged. */
export const DAMAGED = 1;
/** The command line is wrong; nothing was done. */
export const USAGE = 2;
/** It could not be done. */
export const FAILED = 3;

/** For help. */
export const EXIT_CODES = `Exit codes: ${DONE} done, ${DAMAGED} damage was found, ${USAGE} wrong arguments, ${FAILED} it could not be done.`;

/** The command line is wrong. */
export class UsageError extends Error {
  override name = "UsageError";
  /** The command that was given, if any. */
  readonly command: string | undefined;
  constructor(message: string, command?: string) {
    super(message);
    this.command = command;
  }
}

/** What was asked for can't be done, for a reason that needs no code. */
export class Refusal extends Error {
  override name = "Refusal";
}

/** The exit code for an error, and the line to print. */
export function explain(error: unknown): { code: number; line: string } {
  if (error instanceof UsageError) {
    const name = error.command === undefined ? "tidelog" : `tidelog ${error.command}`;
    return { code: USAGE, line: `${name}: ${error.message}; see ${name} --help` };
  }
  if (error instanceof Refusal) return { code: FAILED, line: `tidelog: ${error.message}` };
  // Its last line marks the place, and nothing may follow it.
  if (error instanceof InvalidFilterError) return { code: USAGE, line: `tidelog: ${error.message}` };
  if (error instanceof TidelogError) return { code: FAILED, line: `tidelog: ${error.message} (${error.code})` };
  // Anything else is a fault of the tool, and the place helps whoever mends it.
  const { stack } = error as { stack?: string };
  const text = process.env["TIDELOG_DEBUG"] === undefined ? String((error as Error)?.message ?? error) : stack;
  return { code: FAILED, line: `tidelog: ${text ?? error}` };
}
