// Exit codes and one-line errors: for wrong arguments, for what is not there, and for help.

import { join } from "node:path";
import { open } from "tidelog";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tidelog, withFolder } from "./tool.js";

const test = suite("arguments");
const COMMANDS = ["topics", "describe", "tail", "dump", "verify", "repair", "import"];

for (const [what, args, expected] of [
  ["no command", [], /^tidelog: a command is missing; see tidelog --help\n$/],
  ["an unknown command", ["topic"], /^tidelog: there is no command "topic"; see tidelog --help\n$/],
  ["a missing operand", ["describe", "store"], /^tidelog describe: <topic> is missing; see tidelog describe --help\n$/],
  ["an operand too many", ["topics", "a", "b"], /^tidelog topics: "b" is one argument too many; see /],
  ["an unknown option", ["topics", "a", "--jsn"], /^tidelog topics: Unknown option '--jsn'; see /],
  ["a wrong place", ["tail", "a", "b", "--from", "noon"], /^tidelog tail: --from must be earliest, .*, not noon; see /],
  ["a wrong number", ["tail", "a", "b", "-n", "1.5"], /^tidelog tail: --count must be a whole number, not 1\.5; see /],
  [
    "a wrong format",
    ["tail", "a", "b", "--format", "xml"],
    /^tidelog tail: --format must be text or json, not xml; see /,
  ],
] as const) {
  test(`${what} is told in one line, with exit code 2`, async () => {
    const { code, out, err } = await tidelog(...args);
    assert.is(code, 2);
    assert.is(out, "");
    assert.match(err, expected);
  });
}

test("what is not there is told in one line, with exit code 3", () =>
  withFolder(async (folder) => {
    const store = join(folder, "store");
    await (await open(store)).close();
    for (const args of [
      ["topics", join(folder, "nowhere")],
      ["describe", store, "nothing"],
      ["tail", store, "nothing", "--until-end"],
      ["verify", join(folder, "nowhere")],
      ["dump", join(folder, "00000000000000000000.log")],
      ["dump", folder],
    ]) {
      const { code, out, err } = await tidelog(...args);
      assert.is(code, 3, `${args}: ${out}${err}`);
      assert.match(err, /^tidelog: [^\n]+ \(ERR_TIDELOG_[A-Z_]+\)\n$/);
    }
  }));

test("every command has help, and the list names them all", async () => {
  const overview = await tidelog("--help");
  assert.is(overview.code, 0);
  assert.match(overview.out, /Exit codes: 0 done, 1 damage was found, 2 wrong arguments, 3 it could not be done\./);
  for (const command of COMMANDS) {
    assert.match(overview.out, new RegExp(`^ {2}${command} `, "m"));
    const help = await tidelog(command, "--help");
    assert.is(help.code, 0);
    assert.match(help.out, new RegExp(`^tidelog ${command} <.*\\n.*\\n\\nOptions:\\n`));
    assert.match(help.out, /--json/);
  }
  assert.match((await tidelog("--version")).out, /^\d+\.\d+\.\d+\n$/);
});

test.run();
