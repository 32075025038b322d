// Classes that are exported for `instanceof` and as types, and whose objects only the package makes.

import { InvalidArgumentError } from "./errors.js";

/** Refuses `new` by a program; `instead` is the call that gives such an object. */
export function checkMadeInside(isInside: boolean, name: string, instead: string): void {
  if (isInside) return;
  throw new InvalidArgumentError(`new ${name} is for the package alone; call ${instead}`);
}
