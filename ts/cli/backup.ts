// `tidelog backup`: copies a store that no program has open, and checks copies.

import { verifyBackup } from "../native.js";
import { escaped, size } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DONE } from "./exit.js";
import { Progress } from "./progress.js";
import { changing } from "./store.js";
import { check } from "./verify.js";

export const backup: Command = {
  name: "backup",
  summary: "Copies a store into a new folder, which is then a store of its own; or checks such a copy.",
  operands: ["store", "folder"],
  otherwise: { flag: "verify", operands: ["folder"] },
  options: {
    verify: { type: "boolean", help: "check a backup: that it is complete, every batch, where each partition ends" },
  },
  notes: `The folder must be empty, not there, or hold a backup that was not finished. Files that are never written again are
shared with it where it is on the same file system; the rest is copied. The store must not be open for writing: while a
program has it open, nobody else can keep its files from being deleted or replaced, so that program calls log.backup.
With --verify nothing is changed, and the exit code is 1 if anything does not hold.`,
  run: async (invocation) => {
    if (invocation.flag("verify")) return check("backup", verifyBackup, invocation);
    const { operands, flag, output, signal } = invocation;
    const [path = "", folder = ""] = operands;
    return changing(path, async (log) => {
      const progress = new Progress("copying");
      const onProgress = (done: number, total: number) => progress.update(done, total);
      const report = await log.backup(folder, { signal, onProgress }).finally(() => progress.end());
      if (flag("json")) await output.json(report);
      else {
        const { topics, partitions, bytesLinked, bytesCopied, timestamp } = report;
        await output.line(
          `${escaped(report.path)}: ${topics} topics, ${partitions} partitions as of ${new Date(timestamp).toISOString()}; ` +
            `${size(bytesLinked)} shared, ${size(bytesCopied)} copied`,
        );
      }
      return DONE;
    });
  },
};
