// Runs a Kafka broker (one node, KRaft) on loopback in a folder of its own, and Java programs that talk to it.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { Refusal, run } from "../lib/command.mjs";
import { classPath } from "./jars.mjs";

const START_LIMIT_MS = 60_000;
/** Any id does; without one of its own a broker would not take the folder for formatted. */
const CLUSTER_ID = "dGlkZWxvZy1maXh0dXJlMQ";

/**
 * Prepares a broker whose files are in `folder`, with more `settings` if need be. `logs` is its `log.dir`, `bootstrap` its
 * address once started; `start` resolves when it answers, `stop` when it has ended in order.
 */
export async function makeBroker(folder, settings = {}) {
  mkdirSync(folder, { recursive: true });
  const jars = await classPath("broker");
  const logs = join(folder, "logs");
  const bootstrap = `127.0.0.1:${await freePort()}`;
  const properties = join(folder, "server.properties");
  const more = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(properties, serverProperties(logs, bootstrap, `127.0.0.1:${await freePort()}`) + more.join(""));
  await java(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties]);
  let running;
  return {
    logs,
    bootstrap,
    async start() {
      const args = ["-Xmx512m", "-cp", jars, "kafka.Kafka", properties];
      const child = spawn("java", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
      running = { child, output: "", exited: new Promise((done) => child.on("close", done)) };
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text) => {
          running.output += text;
        });
      }
      const [host, port] = bootstrap.split(":");
      for (const begun = Date.now(); Date.now() - begun < START_LIMIT_MS && child.exitCode === null; ) {
        if (await answers(host, Number(port))) return;
        await new Promise((done) => setTimeout(done, 200));
      }
      throw new Refusal(`the broker did not start:\n${running.output}`);
    },
    async stop() {
      running?.child.kill("SIGTERM");
      await running?.exited;
    },
  };
}

/** Runs a Java program with the broker's jars and resolves with what it prints. */
export async function java(args) {
  const { code, output } = await run("java", ["-cp", await classPath("broker"), ...args], { capture: true });
  if (code !== 0) throw new Refusal(`java ${args[0]} failed:\n${output}`);
  return output;
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
