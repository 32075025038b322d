// The house rules that no compiler knows, checked: every source file says what it owns, none grows too long, nothing
// is left to be done later, and imports point downwards only. Prints `path:line: what is wrong`.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { root } from "./lib/command.mjs";

const SOURCES = /\.(rs|ts|mjs)$/;
const FOLDERS = ["crates", "fuzz", "ts", "scripts", "examples", "bench", "__test__"];
const NOT_OURS = /(^|\/)(node_modules|target|results|fixtures)\/|\.d\.ts$/;
const MAX_LINES = 600;
/** Tests may be longer: they are lists. */
const TESTS = /(^|\/)(__test__|tests)\/|\/tests\.rs$/;
const LATER = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`);

/** What a folder's sources may import from the rest of the project, by the first folders of the path. */
const MAY_USE = [
  {
    of: /^crates\/format\/src\//,
    forbidden: /\b(tidelog_io|tidelog|tidelog_node)::/,
    why: "format stands below all other crates",
  },
  { of: /^crates\/io\/src\//, forbidden: /\b(tidelog|tidelog_node)::/, why: "io stands below the engine" },
  { of: /^crates\/core\/src\//, forbidden: /\b(tidelog_node|napi)::/, why: "the engine knows nothing of Node.js" },
  { of: /^ts\/(?!native\.ts$)/, forbidden: /node-gyp-build|\.node"/, why: "only ts/native.ts imports the addon" },
  {
    of: /^ts\//,
    forbidden: /from "(\.\.\/)+(bench|examples|__test__|scripts)\//,
    why: "ts/ stands below what uses it",
  },
];
const NO_UNSAFE = ["crates/format/src/lib.rs", "crates/core/src/lib.rs"];

const complaints = FOLDERS.flatMap(sourcesOf).flatMap(complaintsAbout);
for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length ? 1 : 0;

function sourcesOf(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && SOURCES.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((path) => !NOT_OURS.test(path));
}

function complaintsAbout(path) {
  const text = readFileSync(join(root, path), "utf8");
  const lines = text.split("\n");
  const found = [];
  const complain = (line, what) => found.push(`${path}:${line}: ${what}`);
  if (!/^(#!.*\n)?\s*(\/\/|\/\*)/.test(text)) complain(1, "a file begins with a comment that says what it owns");
  if (lines.length > MAX_LINES && !TESTS.test(path))
    complain(MAX_LINES, `${lines.length} lines, ${MAX_LINES} at most: cut it by concept`);
  if (NO_UNSAFE.includes(path) && !text.includes("#![forbid(unsafe_code)]"))
    complain(1, "this crate forbids unsafe code");
  const rules = MAY_USE.filter(({ of }) => of.test(path));
  lines.forEach((line, i) => {
    if (LATER.test(line)) complain(i + 1, "what is to be done later is not left in the code");
    const code = line.replace(/^\s*(\/\/|\*).*/, "");
    for (const { forbidden, why } of rules) if (forbidden.test(code)) complain(i + 1, why);
  });
  return found;
}
