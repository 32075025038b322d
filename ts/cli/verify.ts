// `tidelog verify`: checks a store, or every batch and every index entry of one partition's folder.

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
    "Checks that a store can be opened and is whole: every record batch and index entry, and its files against each other; or one partition's folder, also of Kafka's.",
  operands: ["store or partition folder"],
  options: {},
  notes: `Changes nothing, and may run beside a writer. Exits with ${DAMAGED} if anything does not hold: of each file the first twenty
places are named. A store that nobody writes to is held against its checkpoint, journal and topics, so what repair --dry-run
finds is found here as well; beside a writer batches and indexes are checked, and not where each log has to end.
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
  const what = recordsAffected ? "DAMAGED" : "damaged, without loss of records";
  return `${what}: ${escaped(file)} at byte ${position}, offset ${offset}: ${escaped(reason)}`;
}
