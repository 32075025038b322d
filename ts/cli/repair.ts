// `tidelog repair`: says what is damaged and what its repair gives up, asks, and does it.

import { type RepairPlan, settled, surveyStore } from "../native.js";
import { escaped, size } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DAMAGED, DONE, FAILED } from "./exit.js";
import type { Output } from "./output.js";
import { Progress } from "./progress.js";
import { agreed } from "./question.js";

export const repair: Command = {
  name: "repair",
  summary: "Gives up what is damaged in a store, after asking, and keeps everything else.",
  operands: ["store"],
  options: {
    yes: { type: "boolean", short: "y", help: "give it up without asking" },
    "dry-run": { type: "boolean", help: "only say what would be given up" },
  },
  notes: `The store must not be open for writing. Lost offsets stay in use, so that no other record gets one of them and positions
of readers stay valid. Damaged bytes are kept beside their segment as .damaged. It may be killed and run again.
Exits with ${DAMAGED} if damage is left, because of --dry-run or the answer; where nobody can be asked, --yes is needed.`,
  run: async (invocation) => {
    const { operands, flag, output, signal } = invocation;
    const [path = ""] = operands;
    const looking = new Progress("looking");
    const survey = await surveyStore(path, (done, total) => looking.update(done, total), signal).finally(() =>
      looking.end(),
    );
    try {
      const plan = await settled(() => survey.plan());
      if (!plan.complete) {
        process.stderr.write("tidelog repair: stopped before the end; nothing was changed\n");
        return FAILED;
      }
      const going = !plan.empty && !flag("dry-run");
      if (!flag("json") || (going && !flag("yes"))) await print(plan, "would be lost", output, flag("json"));
      if (!going) {
        if (flag("json")) await output.json(plan);
        return plan.empty ? DONE : DAMAGED;
      }
      if (!flag("yes") && !(await agreed("give this up?", "repair", signal))) {
        process.stderr.write("tidelog repair: nothing was changed\n");
        return DAMAGED;
      }
      const repairing = new Progress("repairing");
      const onProgress = (bytes: number, total: number) => repairing.update(bytes, total);
      const done = await settled(() => survey.repair(onProgress)).finally(() => repairing.end());
      if (flag("json")) await output.json(done);
      else {
        await output.line("Repaired.");
        await print(done, "lost", output, false);
      }
      return DONE;
    } finally {
      survey.close();
    }
  },
};

async function print(plan: RepairPlan, lost: string, output: Output, quietly: boolean): Promise<void> {
  const write = quietly ? async (line: string) => void process.stderr.write(`${line}\n`) : output.line.bind(output);
  for (const line of inWords(plan, lost)) await write(line);
}

/** A line a thing. */
function inWords(plan: RepairPlan, lost: string): string[] {
  const { partitions, segments, bytes } = plan;
  if (plan.empty) return [`${partitions} partitions, ${segments} segments, ${size(bytes)}: nothing is damaged`];
  const lines: string[] = [];
  if (plan.checkpoint !== undefined && plan.checkpoint !== null) {
    lines.push(
      `checkpoint: ${escaped(plan.checkpoint)}; made anew from segments and journal, deleted records may be back`,
    );
  } else if (plan.checkpointSlot !== undefined && plan.checkpointSlot !== null) {
    lines.push(`checkpoint: one slot, ${escaped(plan.checkpointSlot)}; the other one holds, nothing is lost`);
  }
  if (plan.journal !== undefined && plan.journal !== null) {
    const { file, reason, frames, kept } = plan.journal;
    const runs = frames.map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`)).join(", ");
    lines.push(`journal: ${escaped(file)}: ${escaped(reason)}; frames ${runs || "none"} ${lost}, ${kept} behind kept`);
  }
  for (const { topic, partition, file, position, bytes, first, next, reason, kept } of plan.lost) {
    const what = next > first ? `offsets ${first} to ${next - 1}` : "no offset";
    const where = `${escaped(file)} at byte ${position}, ${size(bytes)}`;
    lines.push(`${topic}-${partition}: ${what} ${lost}: ${where}: ${escaped(reason)}`);
    if (kept !== undefined && kept !== null) lines.push(`  damaged bytes kept in ${escaped(kept)}`);
  }
  for (const { topic, partition, file, position, offset } of plan.mended) {
    lines.push(`${topic}-${partition}: batch at offset ${offset} put right: ${escaped(file)} at byte ${position}`);
  }
  for (const index of plan.indexes) lines.push(`index made again: ${escaped(index)}`);
  for (const snapshot of plan.snapshots) lines.push(`snapshot of producers made again: ${escaped(snapshot)}`);
  const records = plan.lost.reduce((sum, one) => sum + one.next - one.first, 0);
  lines.push(`${records} offsets ${lost} in all; everything else is kept`);
  return lines;
}
