// `npm run loom [-- part of a model's name]`: runs the models of the engine's threads (crates/core/src/models) in every
// order that loom tells apart within its bound. All locks and atomics of the crate are loom's there.
import { fail, Refusal, run } from "./lib/command.mjs";
import { countResults } from "./lib/rust_tests.mjs";

const [part = ""] = process.argv.slice(2);
try {
  const args = ["test", "-p", "tidelog", "--lib", "--features", "loom", `models::${part}`];
  const { code, output } = await run("cargo", args, { capture: true, onText: (text) => process.stdout.write(text) });
  if (code !== 0) throw new Refusal("a model failed, or was not built; see above.");
  if (countResults(output).passed === 0) throw new Refusal("there is no such model.");
} catch (error) {
  fail(error);
}
