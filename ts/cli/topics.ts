// `tidelog topics`: what is in a store.

import { TidelogError } from "../errors.js";
import type { Log } from "../log.js";
import type { TopicDescription } from "../topic.js";
import { size } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DONE } from "./exit.js";
import { reading } from "./store.js";

/** What a topic holds; undefined if it was deleted since it was listed. */
async function describe(log: Log, name: string): Promise<TopicDescription | undefined> {
  try {
    return await (await log.openTopic(name)).describe();
  } catch (error) {
    const gone = ["ERR_TIDELOG_UNKNOWN_TOPIC", "ERR_TIDELOG_TOPIC_DELETED"];
    if (error instanceof TidelogError && gone.includes(error.code)) return undefined;
    throw error;
  }
}

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
        const description = await describe(log, name);
        if (description === undefined) continue;
        const { id, config, partitions } = description;
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
