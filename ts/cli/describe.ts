// `tidelog describe`: one topic's configuration, and the ends and sizes of its partitions.

import type { PartitionDescription } from "../topic.js";
import { escaped, size } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DAMAGED, DONE } from "./exit.js";
import { reading } from "./store.js";

export const describe: Command = {
  name: "describe",
  summary: "Shows a topic's configuration, and the offsets and sizes of its partitions.",
  operands: ["store", "topic"],
  options: {},
  run: async ({ operands: [path = "", topic = ""], flag, output }) =>
    reading(path, async (log) => {
      const description = await (await log.openTopic(topic)).describe();
      const { name, id, config, partitions } = description;
      if (flag("json")) await output.json(description);
      else {
        await output.line(`${name}  ${id}`);
        for (const [option, value] of settings(config)) await output.line(`  ${option}: ${value}`);
        const rows = partitions.map((one) => [
          one.partition,
          one.logStartOffset,
          one.highWatermark,
          one.segments,
          size(one.bytes),
          note(one),
        ]);
        await output.table([["partition", "log start", "high watermark", "segments", "size", ""], ...rows]);
      }
      return partitions.some((one) => one.damage !== null) ? DAMAGED : DONE;
    }),
};

function note({ damage, compactionFailure }: PartitionDescription): string {
  if (damage !== null) return `DAMAGED: ${escaped(damage)}`;
  return compactionFailure === null ? "" : `not compacted: ${escaped(compactionFailure)}`;
}

/** Nested options by their path; what is not set is left out. */
function settings(config: object, prefix = ""): [string, string][] {
  return Object.entries(config).flatMap(([name, value]) => {
    if (value === null || value === undefined) return [];
    if (typeof value === "object") return settings(value, `${prefix}${name}.`);
    return [[`${prefix}${name}`, String(value)] as [string, string]];
  });
}
