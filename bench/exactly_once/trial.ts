// One trial of exactly once: one way, one case, in a process of its own, started by run.ts.

import type { Outcome } from "../fork.js";
import type { Kind, Sizes } from "./cases.js";
import { phases } from "./phases.js";
import { ways } from "./ways.js";

/** What run.ts asks for. */
export interface Order {
  /** The place of the way among all. */
  readonly way: number;
  readonly kind: Kind;
  readonly sizes: Sizes;
  readonly folder: string;
}

const { way: number, kind, sizes, folder }: Order = JSON.parse(process.argv[2] ?? "{}");
const way = ways[number]!;
const session = await way.open(folder, sizes);
const measures = await phases[kind](session, way, sizes);
await session.close();
process.send?.({ measures } satisfies Outcome);
process.disconnect?.();
