// `tidelog import`: takes over what a Kafka broker has stored, offsets and times included.

import { type ImportedPartition, type ImportReport, importKafka, openStore } from "../native.js";
import { escaped, size } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DONE, FAILED } from "./exit.js";
import type { Output } from "./output.js";
import { Progress } from "./progress.js";

export const importLog: Command = {
  name: "import",
  summary: "Takes over the topics of a Kafka log folder, or one partition's folder, into a store.",
  operands: ["kafka log folder", "store"],
  options: {
    topic: {
      type: "string",
      value: "name",
      help: "of many topics only this one; of a partition's folder, the topic to take it into",
    },
  },
  notes: `The broker must not be running; its folder is not changed. The store is made where there is none, and must not be open
for writing elsewhere. Records keep their partitions, offsets and times. A topic that has records already is refused,
and nothing is written if anything in the folder does not hold. Left out is what a read_committed consumer would not
get: transactions that were aborted or not finished. If it is stopped, the topics that it made are gone again.`,
  run: async ({ operands: [folder = "", path = ""], text, flag, output, signal }) => {
    const progress = new Progress("importing");
    const store = await openStore(path, { readOnly: false, create: true, force: false }, undefined, signal);
    let report: ImportReport;
    try {
      const onProgress = (done: number, total: number) => progress.update(done, total);
      report = await importKafka(store, folder, text("topic"), onProgress, signal);
    } finally {
      progress.end();
      await store.close();
    }
    if (flag("json")) await output.json(report);
    else await print(report, output);
    if (!report.stopped) return DONE;
    process.stderr.write("tidelog import: stopped; nothing was taken over\n");
    return FAILED;
  },
};

async function print({ topics, skipped, stopped }: ImportReport, output: Output): Promise<void> {
  if (stopped) return;
  const rows = topics.flatMap(({ name, partitions }) =>
    partitions.map((one) => [
      `${name}-${one.partition}`,
      one.logStartOffset,
      one.logEndOffset,
      one.records,
      size(one.bytes),
      leftOut(one),
    ]),
  );
  await output.table([["partition", "log start", "log end", "records", "size", "left out"], ...rows]);
  for (const { name, missing } of topics) {
    if (missing.length > 0) await output.line(`${name}: no folder for partition ${missing.join(", ")}; empty here`);
  }
  for (const { name, reason } of skipped) await output.line(`skipped ${escaped(name)}: ${reason}`);
}

/** What offsets have no record, and why. */
function leftOut(partition: ImportedPartition): string {
  const reasons: [number, string][] = [
    [partition.controlOffsets, "control records"],
    [partition.abortedOffsets, "aborted"],
    [partition.unfinishedOffsets, "unfinished"],
    [partition.removedOffsets, "compacted away"],
    [partition.tornBytes, "bytes of a torn write"],
  ];
  return reasons
    .filter(([count]) => count > 0)
    .map(([count, reason]) => `${count} ${reason}`)
    .join(", ");
}
