// `tidelog groups`: what groups of consumers have committed, how far behind they are, and another place to go on from.

import { type GroupOffset, plannedReset } from "../group/group.js";
import type { Log } from "../log.js";
import { nearestOf } from "../nearest.js";
import { escaped } from "./bytes_text.js";
import type { Command, Invocation, Option } from "./command.js";
import { DONE, FAILED, Refusal, UsageError } from "./exit.js";
import { PLACES, placeOf, wholeNumber } from "./places.js";
import { agreed } from "./question.js";
import { changing, reading } from "./store.js";

const MEMBERS =
  "Members are known to the process that they are in, and to no other: there, log.group(…).describe() names them.";
const ALONE =
  "No program may have the store open for writing: there, log.group(…) does the same while the group has no members.";

/** Of commands that change something. */
const CHANGING: Readonly<Record<string, Option>> = {
  yes: { type: "boolean", short: "y", help: "do it without asking" },
  "dry-run": { type: "boolean", help: "only show what would change; also while a program writes to the store" },
};

export const groupsList: Command = {
  name: "groups list",
  summary: "Lists the groups of a store that have committed offsets, and how far behind they are.",
  operands: ["store"],
  options: {},
  notes: MEMBERS,
  run: async ({ operands: [path = ""], flag, output }) =>
    reading(path, async (log) => {
      const found = [];
      for (const group of await log.groups()) {
        const { name, offsets } = await log.group(group).describe();
        found.push({ name, partitions: offsets.length, lag: offsets.reduce((sum, one) => sum + one.lag, 0) });
      }
      if (flag("json")) await output.json(found);
      else {
        const rows = found.map((one) => [escaped(one.name), one.partitions, one.lag]);
        await output.table([["group", "partitions", "lag"], ...rows]);
      }
      return DONE;
    }),
};

export const groupsDescribe: Command = {
  name: "groups describe",
  summary: "Shows what a group has committed of each partition, and how far behind it is.",
  operands: ["store", "group"],
  options: {},
  notes: MEMBERS,
  run: async ({ operands: [path = "", group = ""], flag, output }) =>
    reading(path, async (log) => {
      await checkKnown(log, group);
      const { name, offsets } = await log.group(group).describe();
      if (flag("json")) await output.json({ name, offsets });
      else {
        const rows = offsets.map((one) => [
          one.topic,
          one.partition,
          one.offset,
          one.highWatermark,
          one.lag,
          new Date(one.timestamp).toISOString(),
          escaped(one.metadata),
        ]);
        await output.table([
          ["topic", "partition", "offset", "high watermark", "lag", "committed", "metadata"],
          ...rows,
        ]);
      }
      return DONE;
    }),
};

export const groupsReset: Command = {
  name: "groups reset",
  summary: "Commits another place for a group to go on from, and shows what was committed before.",
  operands: ["store", "group"],
  options: {
    to: { type: "string", value: "place", help: PLACES },
    topic: { type: "string", value: "name", help: "all partitions of this topic (default: all that are committed)" },
    partition: { type: "string", short: "p", value: "number", help: "this partition only" },
    ...CHANGING,
  },
  notes: `Where nobody can be asked, --yes is needed. An offset that a partition does not hold is refused, and nothing is changed then. ${ALONE}`,
  run: async (invocation) => {
    const { operands, text, flag } = invocation;
    const [path = "", name = ""] = operands;
    const [place, topic, numbered] = [text("to"), text("topic"), text("partition")];
    if (place === undefined) throw new UsageError("--to is missing", "groups reset");
    const to = placeOf("groups reset", "to", place);
    const partition = numbered === undefined ? undefined : wholeNumber("groups reset", "partition", numbered);
    const options = { to, topic, partition };
    return (flag("dry-run") ? reading : changing)(path, async (log) => {
      const group = log.group(name);
      // With a topic a group may begin there.
      if (topic === undefined) await checkKnown(log, name);
      const before = (await group.describe()).offsets;
      const print = (after: readonly GroupOffset[], quietly: boolean) =>
        printReset(invocation, name, before, after, quietly);
      const planned = await plannedReset(group, options);
      if (flag("dry-run")) return print(planned, false);
      if (!flag("yes")) {
        await print(planned, true);
        if (!(await confirmed(invocation, "commit these offsets?", "groups reset"))) return FAILED;
      }
      return print((await group.reset(options)).offsets, false);
    });
  },
};

/** The offsets before and after; `quietly` for somebody who is about to be asked, beside what programs read. */
async function printReset(
  { flag, output }: Invocation,
  name: string,
  before: readonly GroupOffset[],
  after: readonly GroupOffset[],
  quietly: boolean,
): Promise<number> {
  const rows = after.map((one) => ({ ...one, before: before.find((old) => isSame(old, one))?.offset ?? null }));
  if (quietly) {
    for (const one of rows) {
      const { topic, partition, offset, lag } = one;
      process.stderr.write(`${topic}-${partition}: ${one.before ?? "nothing"} becomes ${offset}, lag ${lag}\n`);
    }
  } else if (flag("json")) await output.json({ name, offsets: rows });
  else {
    const cells = rows.map((one) => [one.topic, one.partition, one.before ?? "-", one.offset, one.lag]);
    await output.table([["topic", "partition", "before", "offset", "lag"], ...cells]);
  }
  return DONE;
}

export const groupsDelete: Command = {
  name: "groups delete",
  summary: "Forgets all that a group has committed.",
  operands: ["store", "group"],
  options: CHANGING,
  notes: `Where nobody can be asked, --yes is needed. ${ALONE}`,
  run: async (invocation) => {
    const { operands, flag, output } = invocation;
    const [path = "", name = ""] = operands;
    return (flag("dry-run") ? reading : changing)(path, async (log) => {
      await checkKnown(log, name);
      const group = log.group(name);
      const { offsets } = await group.describe();
      const what = `the offsets of ${offsets.length} partition(s)`;
      if (!flag("dry-run")) {
        const question = `forget ${escaped(name)}, with ${what}?`;
        if (!flag("yes") && !(await confirmed(invocation, question, "groups delete"))) return FAILED;
        await group.delete();
      }
      if (flag("json")) await output.json({ name, offsets });
      else await output.line(`${escaped(name)}: ${flag("dry-run") ? "would be forgotten" : "forgotten"}, with ${what}`);
      return DONE;
    });
  },
};

async function confirmed({ signal }: Invocation, question: string, command: string): Promise<boolean> {
  if (await agreed(question, command, signal)) return true;
  process.stderr.write(`tidelog ${command}: nothing was changed\n`);
  return false;
}

function isSame(one: GroupOffset, other: GroupOffset): boolean {
  return one.topic === other.topic && one.partition === other.partition;
}

async function checkKnown(log: Log, name: string): Promise<void> {
  const groups = await log.groups();
  if (groups.includes(name)) return;
  const nearest = nearestOf(name, groups);
  const there =
    nearest !== undefined ? `did you mean "${escaped(nearest)}"?` : "tidelog groups list shows those that have";
  throw new Refusal(`no group "${escaped(name)}" has committed anything here; ${there}`);
}
