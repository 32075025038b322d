// The collector, asked for in the middle of a test: Node gives it only to who asks V8.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** Takes away what nobody holds; what goes may hold others, which go the next time. */
export const collectGarbage = runInNewContext("gc") as () => void;
