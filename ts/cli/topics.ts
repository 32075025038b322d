// `tidelog topics`: what is in a store.

import { size } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DONE } from "./exit.js";
import { reading } from "./store.js";

export const topics: Command = {
  name: "topics",
  summary: "Lists the topics of a store, with their partitions, offsets and sizes.",
  operands: ["store"],
  options: {},
  notes:
    "offsets: how many the partitions hold together; each is a record, unless compaction or an import left it without.",
  run: async ({ operands: [path = ""], flag, output }) =>
    reading(path, async (log) => {
      const found = [];
      for (const name of await log.topics()) {
        const { id, config, partitions } = await (await log.openTopic(name)).describe();
        const offsets = partitions.reduce((sum, one) => sum + one.highWatermark - one.logStartOffset, 0);
        const bytes = partitions.reduce((sum, one) => sum + one.bytes, 0);
        found.push({ name, id, partitions: partitions.length, offsets, bytes, durability: config.durability });
      }
      if (flag("json")) await output.json(found);
      else {
        const rows = found.map((one) => [one.name, one.partitions, one.offsets, size(one.bytes), one.durability]);
        await output.table([["topic", "partitions", "offsets", "size", "durability"], ...rows]);
      }
      return DONE;
    }),
};
