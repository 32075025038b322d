// A full disk is an error on send, and nothing worse: what was acknowledged stays, reading goes on, and so does
// writing once there is room.

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { open as openLog, string, TidelogError } from "../../ts/index.js";
import { all, failure, range } from "../support/expect.js";
import { noSmallDisk, withSmallDisk } from "../support/small_disk.js";
import { suite } from "../support/suite.js";

const { test, skip, run } = suite("a full disk");
const reason = noSmallDisk();

for (const durability of ["fsync", "buffered"] as const) {
  const name = `sends fail, nothing is lost, and go on once there is room (${durability})`;
  if (reason !== undefined) {
    skip(name, reason);
    continue;
  }
  test(name, ({ folder }) =>
    withSmallDisk(folder, 24, async () => {
      const filler = join(folder, "filler");
      const path = join(folder, "store");
      await writeFile(filler, Buffer.alloc(8 << 20, 1));
      const log = await openLog(path, { durability });
      const topic = await log.topic("t", { value: string(), segment: { bytes: 1 << 20 } });
      const producer = log.producer();
      const text = "x".repeat(10_000);
      let stored = 0;
      let error: unknown;
      for (let i = 0; error === undefined && i < 10_000; i++) {
        await producer.send(topic, { value: `${i} ${text}` }).then(
          ({ offset }) => {
            assert.is(offset, stored);
            stored += 1;
          },
          (thrown) => {
            error = thrown;
          },
        );
      }
      assert.instance(error, TidelogError);
      const { code, retriable, indefinite } = error as TidelogError;
      assert.equal([code, retriable, indefinite], ["ERR_TIDELOG_STORAGE_FULL", true, false]);
      assert.ok(stored > 100);
      const batch = await failure(
        "ERR_TIDELOG_STORAGE_FULL",
        producer.sendBatch(
          topic,
          range(500).map(() => ({ value: text })),
        ),
      );
      stored += batch.appended!.appended;
      const readable = async () => (await all(log.consumer({ topics: [topic], until: "end" }))).length;
      assert.is(await readable(), stored);
      await rm(filler);
      const { offset } = await producer.send(topic, { value: "room again" });
      assert.is(offset, stored);
      assert.is(await readable(), stored + 1);
      await log.close();
      await using again = await openLog(path);
      const found = await all(
        again.consumer({ topics: [await again.openTopic("t", { value: string() })], until: "end" }),
      );
      assert.is(found.length, stored + 1);
      assert.is(found.at(-1)!.value, "room again");
      for (const i of range(100)) assert.ok(found[i]!.value!.startsWith(`${i} x`));
    }),
  );
}

if (reason === undefined) {
  test("a store that there is no room for is not made half", ({ folder }) =>
    withSmallDisk(folder, 2, async () => {
      const filler = join(folder, "filler");
      await writeFile(filler, Buffer.alloc(2 << 20)).catch(() => {});
      const path = join(folder, "store");
      await failure("ERR_TIDELOG_STORAGE_FULL", openLog(path));
      await rm(filler);
      await using log = await openLog(path);
      assert.equal(await log.topics(), []);
    }));
} else {
  skip("a store that there is no room for is not made half", reason);
}

run();
