// `tidelog topics`: what is in a store.

import { size } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DONE } from "./exit.js";
import { reading } from "./store.js";

export const topics: Command = {
  name: "topics",
  summary: "Lists the topics of a store, with their partitions, records and bytes.",
  operands: ["store"],
  options: {},
  run: async ({ operands: [path = ""], flag, output }) =>
    reading(path, async (log) => {
      const found = [];
      for (const name of await log.topics()) {
        const { id, config, partitions } = await (await log.openTopic(name)).describe();
        const records = partitions.reduce((sum, one) => sum + one.highWatermark - one.logStartOffset, 0);
        const bytes = partitions.reduce((sum, one) => sum + one.bytes, 0);
        found.push({ name, id, partitions: partitions.length, records, bytes, durability: config.durability });
      }
      if (flag("json")) await output.json(found);
      else {
        const rows = found.map((one) => [one.name, one.partitions, one.records, size(one.bytes), one.durability]);
        await output.table([["topic", "partitions", "records", "size", "durability"], ...rows]);
      }
      return DONE;
    }),
};
