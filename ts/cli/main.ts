#!/usr/bin/env node
// The command line tool. Finds the command, hands it its arguments, and turns what happens into an exit code; what
// commands do is in a file each.

import { nearestOf } from "../nearest.js";
import { backup } from "./backup.js";
import { type Command, helpOf, readArguments } from "./command.js";
import { describe } from "./describe.js";
import { dump } from "./dump.js";
import { DONE, EXIT_CODES, explain, UsageError } from "./exit.js";
import { groupsDelete, groupsDescribe, groupsList, groupsReset } from "./groups.js";
import { importLog } from "./import.js";
import { Output } from "./output.js";
import { repair } from "./repair.js";
import { tail } from "./tail.js";
import { topics } from "./topics.js";
import { verify } from "./verify.js";
import { version } from "./version.js";

const COMMANDS: readonly Command[] = [
  topics,
  describe,
  groupsList,
  groupsDescribe,
  groupsReset,
  groupsDelete,
  tail,
  dump,
  verify,
  backup,
  repair,
  importLog,
];

process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: string[]): Promise<number> {
  const output = new Output(process.stdout);
  try {
    if (name === undefined) throw new UsageError("a command is missing");
    if (name === "--help" || name === "-h" || name === "help") return await show(output, overview());
    if (name === "--version") return await show(output, `${version()}\n`);
    const called = (words: string) => COMMANDS.find((one) => one.name === words);
    const pair = called(`${name} ${args[0]}`);
    const command = pair ?? called(name);
    if (command === undefined) return await show(output, familyHelp(name, args[0]));
    const read = readArguments(command, pair === undefined ? args : args.slice(1));
    if (read === undefined) return await show(output, `${helpOf(command)}\n${EXIT_CODES}\n`);
    const code = await command.run({ ...read, output, signal: AbortSignal.any([interruption(), output.gone]) });
    await output.finish();
    return code;
  } catch (error) {
    const { code, line } = explain(error);
    process.stderr.write(`${line}\n`);
    return code;
  }
}

async function show(output: Output, text: string): Promise<number> {
  await output.write(text);
  await output.finish();
  return DONE;
}

/** Help for commands of two words, by their first one; a usage error for what is no command. */
function familyHelp(name: string, second: string | undefined): string {
  const family = COMMANDS.filter((one) => one.name.startsWith(`${name} `));
  if (family.length === 0) {
    const nearest = nearestOf(name, [...new Set(COMMANDS.map((one) => one.name.split(" ")[0] ?? ""))]);
    throw new UsageError(`there is no command "${name}"${nearest === undefined ? "" : `; did you mean "${nearest}"?`}`);
  }
  if (second === "--help" || second === "-h") return `${family.map(helpOf).join("\n")}\n${EXIT_CODES}\n`;
  const verbs = family.map((one) => one.name.slice(name.length + 1));
  const nearest = second === undefined ? undefined : nearestOf(second, verbs);
  const meant = nearest === undefined ? "" : `; did you mean "${name} ${nearest}"?`;
  throw new UsageError(`"${name}" needs one of ${verbs.join(", ")} behind it${meant}`, name);
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `tidelog <command> <arguments> [options]

Looks into stores, also while a program writes them. tidelog <command> --help says more.

${lines.join("\n")}

${EXIT_CODES}
`;
}

/** Aborted by the first Ctrl-C or TERM signal, so that commands end in order; a second one ends the process. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
