// Makes __test__/kafka/fixture anew: runs a broker on loopback in a temporary folder, has FixtureRecords.java write
// and read, stops the broker in order, and copies what it left. One command: node scripts/kafka/make_fixture.mjs
// Needs Java 17 or newer and Maven. Offsets and producers' times come out the same each time; the broker's own
// times (appended-0, markers) and ids do not.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, Refusal, root, run } from "../lib/command.mjs";
import { classPath, missing } from "./jars.mjs";

const target = join(root, "__test__", "kafka", "fixture");
const program = fileURLToPath(new URL("FixtureRecords.java", import.meta.url));
const copied = /^(events|appended|trimmed|compacted|__transaction_state)-\d+$/;
const PARTITIONS = 7;
const checkpoints = [
  "log-start-offset-checkpoint",
  "recovery-point-offset-checkpoint",
  "replication-offset-checkpoint",
];
const START_LIMIT_MS = 60_000;
const CLEANER_MS = 20_000;

async function main() {
  for (const [name, args] of [
    ["java", ["-version"]],
    ["mvn", ["-v"]],
  ]) {
    const why = await missing(name, args);
    if (why) throw new Refusal(why);
  }
  const jars = await classPath("broker");
  const work = mkdtempSync(join(tmpdir(), "tidelog-kafka-"));
  try {
    const logs = join(work, "logs");
    const bootstrap = `127.0.0.1:${await freePort()}`;
    const properties = join(work, "server.properties");
    writeFileSync(properties, serverProperties(logs, bootstrap, `127.0.0.1:${await freePort()}`));
    await java(jars, ["kafka.tools.StorageTool", "format", "-t", "dGlkZWxvZy1maXh0dXJlMQ", "-c", properties]);
    const broker = startBroker(jars, properties, work);
    try {
      await broker.started;
      await java(jars, [program, bootstrap, "write", "-"]);
      // Lets the cleaner go over compacted-0, and the broker delete what is below trimmed-0's start.
      await new Promise((done) => setTimeout(done, CLEANER_MS));
      await java(jars, [program, bootstrap, "read", join(work, "expected.jsonl")]);
    } finally {
      await broker.stop();
    }
    take(logs, join(work, "expected.jsonl"));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function serverProperties(logs, bootstrap, controller) {
  return `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@${controller}
listeners=PLAINTEXT://${bootstrap},CONTROLLER://${controller}
advertised.listeners=PLAINTEXT://${bootstrap}
controller.listener.names=CONTROLLER
log.dirs=${logs}
auto.create.topics.enable=false
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
log.initial.task.delay.ms=1000
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=2097152
`;
}

function freePort() {
  return new Promise((done, failed) => {
    const server = createServer().once("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function java(jars, args) {
  const { code, output } = await run("java", ["-cp", jars, ...args], { capture: true });
  if (code !== 0) throw new Refusal(`java ${args[0]} failed:\n${output}`);
}

/** Starts the broker; `stop` ends it as its own stop script does and waits. */
function startBroker(jars, properties, cwd) {
  const child = spawn("java", ["-Xmx512m", "-cp", jars, "kafka.Kafka", properties], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const exited = new Promise((done) => child.on("close", done));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  const [, host, port] = /listeners=PLAINTEXT:\/\/([\d.]+):(\d+)/.exec(readFileSync(properties, "utf8"));
  const started = (async () => {
    for (const begun = Date.now(); Date.now() - begun < START_LIMIT_MS; ) {
      if (child.exitCode !== null) break;
      if (await answers(host, Number(port))) return;
      await new Promise((done) => setTimeout(done, 200));
    }
    throw new Refusal(`the broker did not start:\n${output}`);
  })();
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  return { started, stop };
}

function answers(host, port) {
  return new Promise((done) => {
    const socket = connect({ host, port });
    const tell = (answer) => {
      socket.destroy();
      done(answer);
    };
    socket.once("connect", () => tell(true)).once("error", () => tell(false));
  });
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
