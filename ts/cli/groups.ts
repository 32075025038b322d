// `tidelog groups`: what groups of consumers have committed, and how far behind they are.

import { escaped } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DONE } from "./exit.js";
import { reading } from "./store.js";

const MEMBERS =
  "Members are known to the process that they are in, and to no other: there, log.group(…).describe() names them.";

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
