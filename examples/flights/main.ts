// The main job: three million real events written, read back and checked, with the figures that matter.
// `npm start` runs it; `npm start -- --help` lists its options.
import { type Log, open } from "tidelog";
import { diskUsage, makeFresh, mark, remove } from "./folder.js";
import { watchMemory } from "./memory.js";
import { type Options, readOptions, USAGE } from "./options.js";
import { Progress } from "./progress.js";
import { check, compare, readBare, readJson } from "./replay.js";
import { findFirst, truthFor } from "./seek.js";
import { summary } from "./summary.js";
import { openFlights, write } from "./write.js";

/** The first flight of the second quarter, if so many are written. */
const LOOK_FOR = Date.UTC(2001, 3, 1);
const FIRST_DAY = Date.UTC(2001, 0, 1);

try {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") process.stdout.write(USAGE);
  else process.stdout.write(`${await job(options)}\n`);
} catch (error) {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
}

async function job(options: Options): Promise<string> {
  const { flights: count, partitions, durability, folder } = options;
  const memory = watchMemory();
  await makeFresh(folder);
  let log = await open(folder, { durability });
  await mark(folder);
  const written = await step("writing", count, (progress) => write(log, partitions, count, progress));
  const closeMs = await timed(() => log.close());
  const opening = performance.now();
  log = await open(folder, { durability });
  const openMs = performance.now() - opening;
  try {
    const replayed = await step("replaying, checking", count, (progress) => check(log, progress));
    compare(written.expected, replayed.digest);
    const flights = await openFlights(log, partitions);
    const readBareMs = await readBare(log, count);
    const readJsonMs = await readJson(log, flights, written.delays);
    const time = count > 1_500_000 ? LOOK_FOR : FIRST_DAY + count * 2_500;
    const truth = await truthFor(time, count, partitions, replayed.partitionOf);
    const found = await findFirst(log, flights, time, truth);
    const diskBytes = await diskUsage(folder);
    return summary(
      {
        count,
        bytes: written.bytes,
        diskBytes,
        writeBareMs: written.bareMs,
        writeJsonMs: written.jsonMs,
        readBareMs,
        readJsonMs,
        closeMs,
        openMs,
        seekMs: found.ms,
        found: found.description,
        memoryBytes: memory(),
      },
      options,
    );
  } finally {
    await close(log, options);
  }
}

async function close(log: Log, { keep, folder }: Options): Promise<void> {
  await log.close();
  if (keep) console.error(`The store stays in ${folder}: npx tidelog topics ${folder}`);
  else await remove(folder);
}

async function step<T>(label: string, total: number, work: (progress: Progress) => Promise<T>): Promise<T> {
  const progress = new Progress(label, total);
  const result = await work(progress);
  progress.end();
  return result;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
