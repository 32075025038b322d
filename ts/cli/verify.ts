// `tidelog verify`: checks every batch and every index entry of a store, or of one partition's folder.

import { existsSync } from "node:fs";
import { TidelogError } from "../errors.js";
import { type VerifyProblem, verifyFiles } from "../native.js";
import { escaped, size } from "./bytes_text.js";
import type { Command, Invocation } from "./command.js";
import { DAMAGED, DONE, FAILED } from "./exit.js";
import { Progress } from "./progress.js";

export const verify: Command = {
  name: "verify",
  summary:
    "Checks every record batch and index entry of a store, its journal and checkpoint, or of one partition's folder.",
  operands: ["store or partition folder"],
  options: {},
  notes: `Changes nothing, and may run beside a writer. Exits with ${DAMAGED} if anything does not hold; each place is named.
tidelog repair mends what can be mended. Indexes can be made again from the log, so damage in them loses no records.`,
  run: (invocation) => check("verify", verifyFiles, invocation),
};

/** Checks files, prints what does not hold, and gives the exit code. */
export async function check(
  command: string,
  files: typeof verifyFiles,
  { operands: [path = ""], flag, output, signal }: Invocation,
): Promise<number> {
  if (!existsSync(path)) {
    throw new TidelogError(
      "ERR_TIDELOG_NOT_A_STORE",
      `there is no ${escaped(path)}: name a store's folder, or a partition's`,
    );
  }
  const progress = new Progress("verifying");
  const report = await files(path, (done, total) => progress.update(done, total), signal).finally(() => progress.end());
  const { partitions, segments, batches, records, bytes, problems } = report;
  if (flag("json")) await output.json({ ...report, complete: !signal.aborted });
  else {
    for (const problem of problems) await output.line(inWords(problem));
    await output.line(
      `${partitions} partitions, ${segments} segments, ${batches} batches, ${records} records, ${size(bytes)}: ` +
        (problems.length === 0 ? "all hold" : `${problems.length} do not hold`),
    );
  }
  if (problems.length > 0) return DAMAGED;
  if (!signal.aborted) return DONE;
  process.stderr.write(`tidelog ${command}: stopped before the end\n`);
  return FAILED;
}

function inWords({ file, position, offset, reason, recordsAffected }: VerifyProblem): string {
  const what = recordsAffected ? "DAMAGED" : "index damaged";
  return `${what}: ${escaped(file)} at byte ${position}, offset ${offset}: ${escaped(reason)}`;
}
