// `npm run loom [-- part of a model's name]`: runs the models of the engine's threads (crates/core/src/models) in every
// order that loom tells apart within its bound. A build of its own, since all locks and atomics are loom's there.
import { join } from "node:path";
import { fail, Refusal, root, run } from "./lib/command.mjs";
import { countResults } from "./lib/rust_tests.mjs";

const [part = ""] = process.argv.slice(2);
const target = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "loom");
const rustflags = `${process.env.RUSTFLAGS ?? ""} --cfg loom`.trim();
try {
  const { code, output } = await run("cargo", ["test", "-p", "tidelog", "--lib", `models::${part}`], {
    capture: true,
    env: { RUSTFLAGS: rustflags, CARGO_TARGET_DIR: target },
    onText: (text) => process.stdout.write(text),
  });
  if (code !== 0) throw new Refusal("a model failed, or was not built; see above.");
  if (countResults(output).passed === 0) throw new Refusal("there is no such model.");
} catch (error) {
  fail(error);
}
