// The job's command line: what can be asked for, with its defaults and limits.
import { parseArgs } from "node:util";

export const TOTAL_FLIGHTS = 3_000_000;

export interface Options {
  /** How many flights to write, from the first one on: 1 to 3,000,000 (the default). */
  flights: number;
  /** Partitions of the topic: 1 to 1,000, 4 by default. */
  partitions: number;
  /** What an acknowledged record survives; `fsync` (power loss) by default. */
  durability: "fsync" | "buffered";
  /** The store's folder, made afresh: `./data/flights` by default. */
  folder: string;
  /** Leaves the store there at the end, to look at it with `npx tidelog`. */
  keep: boolean;
}

export const USAGE = `npm start [-- options]
  --flights N          how many of the 3,000,000 flights (default: all)
  --partitions N       partitions of the topic (default: 4)
  --durability WORD    fsync (default): survives power loss; buffered: survives a kill of the process
  --folder PATH        where the store is made (default: ./data/flights)
  --keep               leave the store there at the end
`;

/** Reads the arguments; throws an error whose message names the option, what was expected and what was given. */
export function readOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      flights: { type: "string", default: String(TOTAL_FLIGHTS) },
      partitions: { type: "string", default: "4" },
      durability: { type: "string", default: "fsync" },
      folder: { type: "string", default: "./data/flights" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const { durability } = values;
  if (durability !== "fsync" && durability !== "buffered") {
    throw new Error(`--durability is "fsync" or "buffered", not "${durability}"`);
  }
  return {
    flights: wholeNumber("--flights", values.flights, TOTAL_FLIGHTS),
    partitions: wholeNumber("--partitions", values.partitions, 1_000),
    durability,
    folder: values.folder,
    keep: values.keep,
  };
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text.replaceAll("_", ""));
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new Error(`${name} is a whole number from 1 to ${max}, not "${text}"`);
  }
  return value;
}
