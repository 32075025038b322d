// Fetches Kafka's jars with Maven, once, into a cache outside of the repository, and starts Java with them.
// TIDELOG_KAFKA_CACHE names another folder for the cache.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Refusal, run } from "../lib/command.mjs";

const pom = fileURLToPath(new URL("pom.xml", import.meta.url));

/** The version of Kafka that pom.xml names. */
export const version = /<kafka\.version>([^<]+)</.exec(readFileSync(pom, "utf8"))[1];

/** Where the jars are, or would be; `part` is "tools" or "broker". */
export function jarFolder(part) {
  const cache = process.env.TIDELOG_KAFKA_CACHE ?? join(homedir(), ".cache", "tidelog", "kafka");
  return join(cache, `${version}-${part}`);
}

/** Whether the jars were fetched before. */
export function jarsArePresent(part) {
  return existsSync(jarFolder(part));
}

/** Whether a program can be started; resolves with its complaint if not. */
export async function missing(program, args) {
  try {
    const { code, output } = await run(program, args, { capture: true });
    return code === 0 ? undefined : `${program} fails: ${output.trim().split("\n", 1)[0]}`;
  } catch {
    return `there is no ${program} on the PATH`;
  }
}

/** Fetches the jars unless they are there, and resolves with the class path. */
export async function classPath(part) {
  const folder = jarFolder(part);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.part-${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    const profile = part === "broker" ? ["-Pbroker"] : [];
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
    const args = ["-B", "-q", "-f", pom, ...profile, goal, `-DoutputDirectory=${unfinished}`];
    const { code, output } = await run("mvn", args, { capture: true });
    if (code !== 0) {
      rmSync(unfinished, { recursive: true, force: true });
      throw new Refusal(`mvn could not fetch Kafka ${version}:\n${output}`);
    }
    try {
      renameSync(unfinished, folder);
    } catch (error) {
      // Somebody else was faster, and fetched the same.
      rmSync(unfinished, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    }
  }
  return join(folder, "*");
}
