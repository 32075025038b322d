// Whether a peer's package can run here. A prebuilt addon for a newer Node can take the process down when it is
// loaded, so the package's own `engines` is asked first.

import { readFileSync } from "node:fs";

/** The version of an installed package, and why it can't be used if it can't. */
export function installed(name: string): { version: string; unavailable: string | undefined } {
  let manifest: { version: string; engines?: { node?: string } };
  try {
    const path = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
    manifest = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return { version: "none", unavailable: "not installed" };
  }
  const { version, engines } = manifest;
  const minimum = /^>=\s*(\d+)/.exec(engines?.node ?? "")?.[1];
  const running = Number(process.versions.node.split(".")[0]);
  if (minimum !== undefined && running < Number(minimum)) {
    return { version, unavailable: `version ${version} needs Node ${minimum} or newer` };
  }
  return { version, unavailable: undefined };
}

/** The version of this package. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;
}
