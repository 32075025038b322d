// What a command is, and how its arguments are read: strictly, so that a misspelt option is told and not ignored.

import { type ParseArgsConfig, parseArgs } from "node:util";
import { UsageError } from "./exit.js";
import type { Output } from "./output.js";

/** An option, with the words that help shows. */
export interface Option {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** What stands for its value in help, where it takes one. */
  readonly value?: string;
  readonly help: string;
}

/** What a command gets to work with. */
export interface Invocation {
  /** As many as the command has operands. */
  readonly operands: readonly string[];
  readonly text: (option: string) => string | undefined;
  readonly flag: (option: string) => boolean;
  readonly output: Output;
  /** Aborted by Ctrl-C, by a TERM signal, and when nobody reads the output any longer. */
  readonly signal: AbortSignal;
}

/** One command of the tool. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Names of what must be given, in order. */
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  /** What help says after the options. */
  readonly notes?: string;
  /** Gives the exit code. */
  run(invocation: Invocation): Promise<number>;
}

/** Every command has these. */
const COMMON: Readonly<Record<string, Option>> = {
  json: { type: "boolean", help: "print JSON, for programs" },
  help: { type: "boolean", short: "h", help: "print this help" },
};

/** Reads a command's arguments; undefined when help is asked for. */
export function readArguments(
  command: Command,
  args: string[],
): Pick<Invocation, "operands" | "text" | "flag"> | undefined {
  const options: NonNullable<ParseArgsConfig["options"]> = {};
  for (const [name, { type, short }] of Object.entries({ ...command.options, ...COMMON })) {
    options[name] = short === undefined ? { type } : { type, short };
  }
  const { values, positionals } = parsed(command, args, options);
  if (values["help"] === true) return undefined;
  const missing = command.operands[positionals.length];
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing`, command.name);
  const extra = positionals[command.operands.length];
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`, command.name);
  return {
    operands: positionals,
    text: (option) => (typeof values[option] === "string" ? values[option] : undefined),
    flag: (option) => values[option] === true,
  };
}

function parsed(command: Command, args: string[], options: NonNullable<ParseArgsConfig["options"]>) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    // Its first sentence says what is wrong; the others explain the syntax of argument parsers.
    throw new UsageError((error as Error).message.split(/\. |\n/)[0] ?? "wrong arguments", command.name);
  }
}

/** What `tidelog <command> --help` prints. */
export function helpOf(command: Command): string {
  const operands = command.operands.map((operand) => `<${operand}>`).join(" ");
  const rows = Object.entries({ ...command.options, ...COMMON }).map(([name, option]) => {
    const short = option.short === undefined ? "    " : `-${option.short}, `;
    const value = option.value === undefined ? "" : ` <${option.value}>`;
    return [`  ${short}--${name}${value}`, option.help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`);
  const notes = command.notes === undefined ? "" : `\n${command.notes}\n`;
  return `tidelog ${command.name} ${operands} [options]\n${command.summary}\n\nOptions:\n${lines.join("\n")}\n${notes}`;
}
