// Makes __test__/kafka/fixture anew: runs a broker on loopback in a temporary folder, has FixtureRecords.java write
// and read, stops the broker in order, and copies what it left. One command: node scripts/kafka/make_fixture.mjs
// Needs Java 17 or newer and Maven. Offsets and producers' times come out the same each time; the broker's own
// times (appended-0, markers) and ids do not.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, Refusal, root } from "../lib/command.mjs";
import { java, makeBroker } from "./broker.mjs";
import { missing } from "./jars.mjs";

const target = join(root, "__test__", "kafka", "fixture");
const program = fileURLToPath(new URL("FixtureRecords.java", import.meta.url));
const copied = /^(events|appended|trimmed|compacted|__transaction_state)-\d+$/;
const PARTITIONS = 7;
const checkpoints = [
  "log-start-offset-checkpoint",
  "recovery-point-offset-checkpoint",
  "replication-offset-checkpoint",
];
const CLEANER_MS = 20_000;

async function main() {
  for (const [name, args] of [
    ["java", ["-version"]],
    ["mvn", ["-v"]],
  ]) {
    const why = await missing(name, args);
    if (why) throw new Refusal(why);
  }
  const work = mkdtempSync(join(tmpdir(), "tidelog-kafka-"));
  try {
    const broker = await makeBroker(work);
    const expected = join(work, "expected.jsonl");
    try {
      await broker.start();
      await java([program, broker.bootstrap, "write", "-"]);
      // Lets the cleaner go over compacted-0, and the broker delete what is below trimmed-0's start.
      await new Promise((done) => setTimeout(done, CLEANER_MS));
      await java([program, broker.bootstrap, "read", expected]);
    } finally {
      await broker.stop();
    }
    take(broker.logs, expected);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Copies the partition folders and checkpoints of a log folder, and what the consumer read. */
function take(logs, expected) {
  const folders = readdirSync(logs).filter((name) => copied.test(name));
  if (folders.length !== PARTITIONS) throw new Refusal(`only [${folders.join(", ")}] were found in ${logs}`);
  rmSync(join(target, "log"), { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const folder of folders) {
    cpSync(join(logs, folder), join(target, "log", folder), {
      recursive: true,
      filter: (path) => !path.endsWith(".deleted"),
    });
  }
  for (const name of checkpoints) cpSync(join(logs, name), join(target, "log", name));
  cpSync(expected, join(target, "expected.jsonl"));
  console.error(`wrote ${folders.length} partition folders to ${target}`);
}

main().catch(fail);
