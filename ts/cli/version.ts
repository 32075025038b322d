// The version of this package, as its own package.json says.

import { readFileSync } from "node:fs";

/** For `tidelog --version`. */
export function version(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return manifest.version;
}
