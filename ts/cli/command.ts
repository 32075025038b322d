// What a command is, and how its arguments are read: strictly, so that a misspelt option is told and not ignored.

import { type ParseArgsConfig, parseArgs } from "node:util";
import { nearestOf } from "../nearest.js";
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
  /** A flag with which other things must be given. */
  readonly otherwise?: { readonly flag: string; readonly operands: readonly string[] };
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
  const known = { ...command.options, ...COMMON };
  const { tokens } = parseArgs({ args, options: syntaxOf(known), allowPositionals: true, strict: false, tokens: true });
  const operands: string[] = [];
  const values = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const { name, value, rawName } = token;
    const option = Object.hasOwn(known, name) ? known[name] : undefined;
    if (option === undefined) throw new UsageError(unknown(rawName, Object.keys(known)), command.name);
    if (values.has(name)) throw new UsageError(`--${name} is given twice`, command.name);
    if (option.type === "boolean" && value !== undefined) {
      throw new UsageError(`--${name} takes no value`, command.name);
    }
    if (option.type === "string") checkValue(command, token.inlineValue === true, name, option, value);
    values.set(name, value ?? "");
  }
  if (values.has("help")) return undefined;
  const { otherwise } = command;
  const wanted = otherwise !== undefined && values.has(otherwise.flag) ? otherwise.operands : command.operands;
  const missing = wanted[operands.length];
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing`, command.name);
  const extra = operands[wanted.length];
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`, command.name);
  return { operands, text: (option) => values.get(option), flag: (option) => values.has(option) };
}

function syntaxOf(known: Readonly<Record<string, Option>>): NonNullable<ParseArgsConfig["options"]> {
  const syntax: NonNullable<ParseArgsConfig["options"]> = {};
  for (const [name, { type, short }] of Object.entries(known)) {
    syntax[name] = short === undefined ? { type } : { type, short };
  }
  return syntax;
}

function unknown(rawName: string, known: readonly string[]): string {
  const nearest = rawName.startsWith("--") ? nearestOf(rawName.slice(2), known) : undefined;
  return `there is no option ${rawName}${nearest === undefined ? "" : `; did you mean --${nearest}?`}`;
}

/** A value may begin with a dash only where it can't be another option, as -1h, or behind an equals sign. */
function checkValue(command: Command, isInline: boolean, name: string, option: Option, value?: string): void {
  if (value === undefined) throw new UsageError(`--${name} needs a value: <${option.value ?? "value"}>`, command.name);
  if (isInline || !value.startsWith("-") || /^-\d/.test(value)) return;
  throw new UsageError(`--${name} needs a value, not ${value}; if it is one, write --${name}=${value}`, command.name);
}

/** What `tidelog <command> --help` prints. */
export function helpOf(command: Command): string {
  const shown = (operands: readonly string[]) => operands.map((operand) => `<${operand}>`).join(" ");
  const { otherwise } = command;
  const other =
    otherwise === undefined
      ? ""
      : `tidelog ${command.name} --${otherwise.flag} ${shown(otherwise.operands)} [options]\n`;
  const rows = Object.entries({ ...command.options, ...COMMON }).map(([name, option]) => {
    const short = option.short === undefined ? "    " : `-${option.short}, `;
    const value = option.value === undefined ? "" : ` <${option.value}>`;
    return [`  ${short}--${name}${value}`, option.help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`);
  const notes = command.notes === undefined ? "" : `\n${command.notes}\n`;
  const usage = `tidelog ${command.name} ${shown(command.operands)} [options]\n${other}`;
  return `${usage}${command.summary}\n\nOptions:\n${lines.join("\n")}\n${notes}`;
}
