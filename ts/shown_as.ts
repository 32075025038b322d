// What `console.log` and error messages show of the package's objects: their names and how they stand, nothing of
// their inside.

import { type InspectOptions, inspect } from "node:util";

/** Has the objects of a class shown as its name and these fields, read when somebody looks. */
export function showAs<T extends object>(
  shownClass: { prototype: T; name: string },
  fields: (object: T) => object,
): void {
  Object.defineProperty(shownClass.prototype, inspect.custom, {
    value(this: T, depth: number, options: InspectOptions): string {
      let read: object;
      try {
        read = fields(this);
      } catch {
        // Something that can't be read any more.
        return `${shownClass.name} {}`;
      }
      if (depth < 0) return `[${shownClass.name}]`;
      return `${shownClass.name} ${inspect(read, { ...options, depth: options.depth === null ? null : depth })}`;
    },
  });
}
