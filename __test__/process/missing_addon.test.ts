// Without the native part, opening says so, and what to do.

import { existsSync } from "node:fs";
import * as assert from "uvu/assert";
import { start } from "../support/child.js";
import { suite, within } from "../support/suite.js";

const { test, skip, run } = suite("no native part");

if (existsSync(new URL("../../prebuilds", import.meta.url))) {
  skip("is named as what is missing", "prebuilds/ is filled");
} else {
  test("is named as what is missing", async ({ folder }) => {
    // The loader looks at prebuilds/ only, then.
    const child = start("idle", folder, "idle", { PREBUILDS_ONLY: "1" });
    const { code, err } = await within(15_000, "end", child.ended);
    assert.is(code, 1);
    assert.match(err, "ERR_TIDELOG_NO_NATIVE");
    assert.match(err, `the native part of tidelog can't be loaded (${process.platform}-${process.arch}`);
  });
}

run();
