// Lengths of time and points in time: what is taken for one, everywhere that one is asked for, and what is refused.

import * as assert from "uvu/assert";
import { type Duration, open } from "../../ts/index.js";
import { durationMs, timeMs, unitHint } from "../../ts/time.js";
import { all, failure } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("times");
const SECONDS = 1_700_000_000;

test("a duration is a number of ms, or a number and a unit of one meaning", () => {
  const taken: [number | Duration, number][] = [
    [0, 0],
    [1500, 1500],
    ["500ms", 500],
    ["30 s", 30_000],
    ["1.1s", 1100],
    ["1m", 60_000],
    ["15 min", 900_000],
    ["1h", 3_600_000],
    ["1.5 h", 5_400_000],
    ["7d", 604_800_000],
    ["2 w", 1_209_600_000],
  ];
  for (const [given, ms] of taken) assert.is(durationMs(given), ms, `${given}`);
  for (const given of [
    ...[
      "",
      "5",
      "1 month",
      "1mo",
      "1y",
      "1M",
      "1H",
      "1 hour",
      "-1h",
      "+1h",
      "1h30m",
      "1  h",
      " 1h",
      "1h ",
      "h",
      "1e3s",
    ],
    ...["0.1ms", "1/2 h", "99999999999999 w", "Infinity s", ".5h", "1.h", "0x10s", "١h"],
    ...[1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 5n, null, undefined, true, {}, [1000], new Date()],
  ]) {
    assert.is(durationMs(given), undefined, String(given));
  }
});

test("every option of a length of time takes a duration", async ({ open: openLog, folder }) => {
  const log = await openLog({
    durability: "fsync",
    maintenanceIntervalMs: "5 min",
    checkpointIntervalMs: "10 s",
    compaction: { intervalMs: "15 s" },
  });
  const topic = await log.topic("t", {
    cleanup: ["compact", "delete"],
    retention: { ms: "7d" },
    segment: { ms: "1 d" },
    compaction: { minLagMs: "1 min", maxLagMs: "2h", deleteRetentionMs: "1d" },
    maxFutureMs: "30 min",
  });
  const { retention, segment, compaction, maxFutureMs } = topic.config;
  assert.equal(
    [retention.ms, segment.ms, compaction.minLagMs, compaction.maxLagMs, compaction.deleteRetentionMs, maxFutureMs],
    [604_800_000, 86_400_000, 60_000, 7_200_000, 86_400_000, 1_800_000],
  );
  await topic.alter({ retention: { ms: "1h" } });
  assert.is(topic.config.retention.ms, 3_600_000);
  await log.topic("t", { retention: { ms: 3_600_000 } });
  await log.transaction("id", (tx) => tx.send(topic, { key: Buffer.from("k"), value: null }), { timeoutMs: "10 s" });
  await log.transaction("id", () => {}, { timeoutMs: 10_000 });
  const member = { group: "g", sessionTimeoutMs: "10 s", maxPollIntervalMs: "1 min" } as const;
  const consumer = log.consumer({ topics: [topic], until: "end", ...member });
  await consumer.run(() => {}, { retry: { delayMs: "1 s", maxDelayMs: "2 s" } });
  await consumer.close({ timeoutMs: "1 s" });
  await log.process({ id: "p", from: topic, until: "end", ...member, group: "p", timeoutMs: "5 s" }, () => {});

  const calls: [() => unknown, string][] = [
    [
      () => open(folder, { checkpointIntervalMs: "1 month" as never }),
      "checkpointIntervalMs must be an integer from 1",
    ],
    [() => log.topic("u", { retention: { ms: "0s" } }), "retention.ms must be an integer from 1"],
    [() => topic.alter({ segment: { ms: "7 days" as never } }), "segment.ms must be an integer from 1"],
    [() => log.close({ timeoutMs: "1y" as never }), "timeoutMs must be an integer from 0"],
    [() => log.consumer({ topics: [topic], ...member, sessionTimeoutMs: "500 ms" }), "from 1000 to 1800000 in ms"],
    [() => log.transaction("id", () => {}, { timeoutMs: "1h" }), "timeoutMs must be an integer from 1 to 900000"],
    [
      () => log.topic("u", { maxFutureMs: "60" as never }),
      `a duration such as "30 s", "15 min", "1h" or "7d", not '60'`,
    ],
  ];
  for (const [call, text] of calls) await failure("ERR_TIDELOG_INVALID_ARGUMENT", async () => call(), text);
});

test("a time is a Date or ms since 1970", () => {
  assert.equal([timeMs(0), timeMs(5), timeMs(new Date(7))], [0, 5, 7]);
  for (const given of [
    -1,
    1.5,
    "2026-01-01",
    new Date(Number.NaN),
    new Date(-1),
    Number.NaN,
    null,
    undefined,
    5n,
    {},
  ]) {
    assert.is(timeMs(given), undefined, String(given));
  }
});

test("a number that is in seconds or microseconds by its size is told from one in ms", () => {
  for (const ms of [0, 1, 999_999_999, 1_700_000_000_000, Date.now(), Number.MAX_SAFE_INTEGER, new Date(SECONDS)]) {
    assert.is(unitHint(ms), undefined, String(ms));
  }
  const hint =
    "looks like seconds since 1970 (2023-11-14T22:13:20.000Z); give it in ms, as 1700000000000, or as a Date";
  assert.is(unitHint(SECONDS), `${SECONDS} ${hint}`);
  assert.match(unitHint(SECONDS * 1e6) ?? "", /looks like microseconds .* as 1700000000000, /);
});

test("readers begin at a Date, and refuse seconds and microseconds", async ({ open: openLog }) => {
  const log = await openLog();
  const topic = await log.topic("t");
  const producer = log.producer();
  for (const seconds of [0, 1, 2]) {
    await producer.send(topic, { value: null, timestamp: (SECONDS + seconds) * 1000 });
  }
  const date = new Date((SECONDS + 1) * 1000);
  const offsets = async (consumer: AsyncIterable<{ offset: number }>) =>
    (await all(consumer)).map(({ offset }) => offset);
  const from = { timestamp: new Date(date) };
  const consumer = log.consumer({ topics: [topic], from, until: "end" });
  // What was handed over was read in the call.
  from.timestamp.setTime(0);
  assert.equal(await offsets(consumer), [1, 2]);
  const seeking = log.consumer({ topics: [topic], until: "end" });
  await seeking.seek({ timestamp: date });
  assert.equal(await offsets(seeking), [1, 2]);
  assert.equal((await log.raw.partition(topic, 0).offsetForTime(date))?.offset, 1);
  const { offsets: reset } = await log.group("g").reset({ topic, to: { timestamp: date } });
  assert.is(reset[0]?.offset, 1);
  const seen: number[] = [];
  await log.process({ id: "p", from: topic, start: { timestamp: date }, until: "end" }, ({ offset }) =>
    seen.push(offset),
  );
  assert.equal(seen, [1, 2]);

  for (const timestamp of [SECONDS, SECONDS * 1e6]) {
    for (const call of [
      () => log.consumer({ topics: [topic], from: { timestamp } }),
      () => seeking.seek({ timestamp }),
      () => log.raw.partition(topic, 0).offsetForTime(timestamp),
      () => log.group("g").reset({ to: { timestamp } }),
      () => log.process({ id: "p", from: topic, start: { timestamp } }, () => {}),
    ]) {
      await failure(
        "ERR_TIDELOG_INVALID_ARGUMENT",
        async () => call(),
        /seconds since 1970 .*give it in ms, as 1700000000000/,
      );
    }
  }
  const text = "timestamp must be a Date or an integer of ms since 1970";
  const wrong = { timestamp: "2026-01-01" as never };
  await failure("ERR_TIDELOG_INVALID_ARGUMENT", () => log.consumer({ topics: [topic], from: wrong }), text);
});

/** Never run: what must not compile. */
export async function refused(): Promise<void> {
  await open("x", { checkpointIntervalMs: "1 min" });
  // @ts-expect-error no number
  await open("x", { checkpointIntervalMs: "soon" });
  // @ts-expect-error no unit
  await open("x", { checkpointIntervalMs: "5" });
  // @ts-expect-error a unit that has no length
  await open("x", { checkpointIntervalMs: "1 month" });
}

run();
