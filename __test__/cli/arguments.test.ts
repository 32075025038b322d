// Exit codes and one-line errors: for wrong arguments, for what is not there, and for help.

import { join } from "node:path";
import { open } from "tidelog";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tidelog, tidelogInto, withFolder } from "./tool.js";

const test = suite("arguments");
const COMMANDS = [
  "topics",
  "describe",
  "tail",
  "dump",
  "verify",
  "backup",
  "repair",
  "import",
  "groups list",
  "groups reset",
];

for (const [what, args, expected] of [
  ["no command", [], /^tidelog: a command is missing; see tidelog --help\n$/],
  ["an unknown command", ["frobnicate"], /^tidelog: there is no command "frobnicate"; see tidelog --help\n$/],
  ["a misspelt command", ["topisc"], /^tidelog: there is no command "topisc"; did you mean "topics"\?; see /],
  [
    "half a command",
    ["groups"],
    /^tidelog groups: "groups" needs one of list, describe, reset, delete behind it; see /,
  ],
  ["a misspelt second half", ["groups", "lsit", "a"], /behind it; did you mean "groups list"\?; see /],
  ["a missing operand", ["describe", "store"], /^tidelog describe: <topic> is missing; see tidelog describe --help\n$/],
  ["an operand too many", ["topics", "a", "b"], /^tidelog topics: "b" is one argument too many; see /],
  [
    "an unknown option",
    ["topics", "a", "--jsn"],
    /^tidelog topics: there is no option --jsn; did you mean --json\?; see /,
  ],
  ["an option without its value", ["tail", "a", "b", "--from"], /^tidelog tail: --from needs a value: <place>; see /],
  [
    "an option in place of a value",
    ["tail", "a", "b", "--from", "-e"],
    /--from needs a value, not -e; if it is one, write /,
  ],
  ["a value for none", ["topics", "a", "--json=no"], /^tidelog topics: --json takes no value; see /],
  [
    "an option given twice",
    ["tail", "a", "b", "-n", "1", "--count", "2"],
    /^tidelog tail: --count is given twice; see /,
  ],
  ["a time ago where options stand", ["tail", "a", "b", "-1h"], /^tidelog tail: there is no option -1; see /],
  [
    "a duration that is no place",
    ["tail", "a", "b", "--from", "1h"],
    /not 1h; write -1h or "1h ago" for that long ago; see /,
  ],
  [
    "a date that would have to be guessed",
    ["tail", "a", "b", "--from", "orders 7"],
    /an offset or a time, not orders 7; see /,
  ],
  ["a day that there is not", ["tail", "a", "b", "--from", "2026-13-01"], /an offset or a time, not 2026-13-01; see /],
  ["a place in seconds", ["groups", "reset", "a", "b", "--to", "-5"], /--to must be earliest, .*, not -5; see /],
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
    const { err } = await tidelog("verify", join(folder, "nowhere"));
    assert.match(err, /there is no .*nowhere: name a store's folder, or a partition's \(ERR_TIDELOG_NOT_A_STORE\)/);
  }));

test("a viewer of a topic or group that is not there is told what is", () =>
  withFolder(async (store) => {
    const log = await open(store);
    const topic = await log.topic("orders");
    await log.topic("invoices");
    await log.group("billing").reset({ topic, to: "latest" });
    await log.close();
    for (const [args, expected] of [
      [
        ["describe", store, "ordesr"],
        /topic "ordesr" does not exist; did you mean "orders"\? \(ERR_TIDELOG_UNKNOWN_TOPIC\)/,
      ],
      [["tail", store, "nope", "-e"], /topic "nope" does not exist; the store has invoices, orders \(ERR_/],
      [
        ["groups", "describe", store, "biling"],
        /no group "biling" has committed anything here; did you mean "billing"\?/,
      ],
      [
        ["groups", "describe", store, "nope"],
        /no group "nope" has committed anything here; tidelog groups list shows /,
      ],
      [["groups", "delete", store, "nope", "--yes"], /no group "nope" has committed anything here/],
    ] as const) {
      const { code, out, err } = await tidelog(...args);
      assert.equal([code, out], [3, ""], err);
      assert.match(err, expected);
    }
  }));

test("an output that can't be written is an error, and one that nobody reads any more is not", () =>
  withFolder(async (store) => {
    const log = await open(store);
    const topic = await log.topic("orders");
    await log.producer().send(topic, { value: Buffer.from("tea") });
    await log.close();
    for (const args of [
      ["topics", store],
      ["tail", store, "orders", "-e"],
      ["tail", store, "orders", "-e", "--json", "-n", "1"],
      ["describe", store, "orders", "--json"],
      ["--help"],
    ]) {
      const { code, err } = await tidelogInto("/dev/full", ...args);
      assert.is(code, 3, `${args}: ${err}`);
      assert.match(
        err,
        /^tidelog: the output can't be written \(ENOSPC: [^\n]+\); what was printed is not complete\n$/,
      );
    }
  }));

test("every command has help, and the list names them all", async () => {
  const overview = await tidelog("--help");
  assert.is(overview.code, 0);
  assert.match(overview.out, /Exit codes: 0 done, 1 damage was found, 2 wrong arguments, 3 it could not be done\./);
  for (const command of COMMANDS) {
    assert.match(overview.out, new RegExp(`^ {2}${command} `, "m"));
    const help = await tidelog(...command.split(" "), "--help");
    assert.is(help.code, 0);
    assert.match(help.out, new RegExp(`^tidelog ${command} <.*\\n(?:tidelog .*\\n)?.*\\n\\nOptions:\\n`));
    assert.match(help.out, /--json/);
  }
  const family = await tidelog("groups", "--help");
  assert.is(family.code, 0);
  for (const command of ["list", "describe", "reset", "delete"]) {
    assert.match(family.out, new RegExp(`^tidelog groups ${command} <`, "m"));
  }
  assert.match((await tidelog("--version")).out, /^\d+\.\d+\.\d+\n$/);
});

test.run();
