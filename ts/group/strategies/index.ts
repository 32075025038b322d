// The strategies that go by a name.

import { cooperativeSticky } from "./cooperative_sticky.js";
import { range } from "./range.js";
import { roundRobin } from "./round_robin.js";
import type { AssignmentStrategy } from "./strategy.js";

/** By name; `"cooperative-sticky"` is the default. */
export const strategies = { "cooperative-sticky": cooperativeSticky, range, "round-robin": roundRobin } as const;

/** The name of a strategy that is there. */
export type StrategyName = keyof typeof strategies;

export type { AssignmentStrategy };
