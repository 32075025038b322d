// time limit: 120 s
// A sector that the disk can't read: an error with file, position and offset, where reading through a map would end the
// process by a signal. btrfs gives EIO for a block that does not fit its checksum.

import { join } from "node:path";
import * as assert from "uvu/assert";
import { open as openLog, string } from "../../ts/index.js";
import { start } from "../support/child.js";
import { range } from "../support/expect.js";
import { LoopDisk, noLoopDisk } from "../support/loop_disk.js";
import { suite } from "../support/suite.js";

const { test, skip, run } = suite("a sector that can't be read");
const reason = noLoopDisk("btrfs");
const name = "is an error where it is read, what lies before it is read, and another partition goes on";

if (reason !== undefined) skip(name, reason);
else
  test(name, async ({ folder }) => {
    using disk = new LoopDisk(folder, "btrfs", 256);
    disk.mount();
    const store = join(disk.folder, "store");
    const log = await openLog(store);
    const topic = await log.topic("t", { partitions: 2, value: string() });
    const producer = log.producer();
    for (const i of range(60)) {
      await producer.send(topic, { partition: 0, value: `record <${i}> ${"x".repeat(5000)}` });
      await producer.send(topic, { partition: 1, value: `other ${i}` });
    }
    await log.close();
    await disk.unmount();
    assert.ok(disk.damage("record <30> ") > 0);
    disk.mount();

    const { code, signal, out, err } = await start("read_damaged", store, "30").ended;
    assert.equal([code, signal], [0, null], err);
    const told = JSON.parse(out);
    for (const [error, message] of [told.loop, told.get]) {
      assert.is(error, "ERR_TIDELOG_CORRUPTION");
      assert.match(message, /t-0 is damaged at offset (29|30), .*0\.log byte \d+: it can't be read: .*os error 5/);
    }
    assert.ok(told.read === 29 || told.read === 30, `${told.read} records`);
    assert.equal([told.others, told.sent], [60, 60]);
    await disk.unmount();
  }, 60_000);

run();
