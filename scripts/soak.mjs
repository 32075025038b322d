// `npm run soak`: __test__/soak for TIDELOG_SOAK_MINUTES, ten without it. Builds what is missing.
import { fail, Refusal, run } from "./lib/command.mjs";
import { ensureBuilt } from "./lib/ensure.mjs";

try {
  const minutes = process.env.TIDELOG_SOAK_MINUTES ?? "10";
  if (!(Number(minutes) > 0)) throw new Refusal(`TIDELOG_SOAK_MINUTES is a number above 0, not ${minutes}.`);
  await ensureBuilt();
  const args = ["--import", "tsx", "__test__/soak/level.test.ts"];
  const { code } = await run(process.execPath, args, { env: { TIDELOG_SOAK_MINUTES: minutes } });
  process.exitCode = code;
} catch (error) {
  fail(error);
}
