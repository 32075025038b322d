// `npm ci` refuses a lock file that lacks an optional package of some other platform, which npm leaves out when that
// platform's version can't be had at the time; and a lock file names no registry.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { root } from "../job/folder.js";

interface Locked {
  version?: string;
  resolved?: string;
  integrity?: string;
  optionalDependencies?: Record<string, string>;
}

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
const packages = Object.entries(lock.packages as Record<string, Locked>).filter(([path]) => path !== "");

test("every package is locked to a version and its content", () => {
  for (const [path, { version, integrity }] of packages) assert.ok(version && integrity, path);
});

test("the optional packages of every platform are there", () => {
  const paths = packages.map(([path]) => path);
  for (const [path, { optionalDependencies = {} }] of packages) {
    for (const name of Object.keys(optionalDependencies)) {
      assert.ok(
        paths.some((other) => other.endsWith(`node_modules/${name}`)),
        `${path} lacks ${name}`,
      );
    }
  }
});

test("no registry is named", () => {
  for (const [path, { resolved }] of packages) assert.is(resolved, undefined, path);
});

test.run();
