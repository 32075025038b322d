// Keeps `index.d.ts`, the whole public surface in one file for people to read: `write` rolls it up from `ts/`,
// `check` fails where the committed one differs from what `ts/` exports.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generateDtsBundle } from "dts-bundle-generator";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = `${root}index.d.ts`;
const HEAD = `// The public surface of tidelog: everything that can be imported, with its documentation.
// Rolled up from ts/ by \`node scripts/api.mjs write\`; changes belong there.

`;

const [bundle] = generateDtsBundle(
  [{ filePath: `${root}ts/index.ts`, output: { noBanner: true, exportReferencedTypes: false, sortNodes: false } }],
  { preferredConfigPath: `${root}tsconfig.json` },
);
const text = `${HEAD}${bundle.replaceAll("\t", "  ").trim()}\n`;

switch (process.argv[2]) {
  case "write":
    writeFileSync(target, text);
    break;
  case "check":
    if (committed() !== text) {
      console.error("index.d.ts is not what ts/ exports; run `node scripts/api.mjs write` and look at the difference.");
      process.exitCode = 1;
    }
    break;
  default:
    console.error("usage: node scripts/api.mjs write|check");
    process.exitCode = 2;
}

function committed() {
  try {
    return readFileSync(target, "utf8");
  } catch {
    return "";
  }
}
