// One trial: one contestant, one phase, in a process of its own, started by run.ts. The order comes as the only
// argument, the answer goes back over the IPC channel.

import { contestantNamed } from "./contestants/index.js";
import type { Outcome } from "./fork.js";
import { append } from "./phases/append.js";
import { durable } from "./phases/durable.js";
import { randomReads } from "./phases/random.js";
import { replay } from "./phases/replay.js";
import type { DataSet, Phase } from "./workloads.js";

/** What run.ts asks for. */
export interface Order {
  readonly contestant: string;
  readonly phase: Phase;
  readonly data: DataSet;
  readonly folder: string;
  /** Batches under way at once, of contestants that have `windows`. */
  readonly window?: number;
}

const phases = { append, replay, random: randomReads, durable };
const order: Order = JSON.parse(process.argv[2] ?? "{}");
const measures = await phases[order.phase](contestantNamed(order.contestant), order.data, order.folder, order.window);
process.send?.({ measures } satisfies Outcome);
process.disconnect?.();
