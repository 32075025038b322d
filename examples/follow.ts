// A reader that follows: it reads what is there, then waits for more, while a producer keeps writing.
// node --import tsx examples/follow.ts [folder]
import { setTimeout as sleep } from "node:timers/promises";
import { json, open, string } from "tidelog";

const READINGS = 10;

await using log = await open(process.argv[2] ?? "./data/follow");
const readings = await log.topic("readings", { key: string(), value: json<{ celsius: number; sent: number }>() });

const writing = write();
const stop = new AbortController();
await using reader = log.consumer({
  assign: [{ topic: readings, partition: 0, offset: 0 }],
  until: "live",
  signal: stop.signal,
});
let seen = 0;
for await (const { offset, key, value } of reader) {
  if (value === null) continue;
  const waited = (performance.timeOrigin + performance.now() - value.sent).toFixed(1);
  console.log(`${offset}: ${key} ${value.celsius} °C, ${waited} ms after it was sent`);
  // Leaving the loop is enough to stop; an AbortSignal does it from anywhere else.
  if (++seen === READINGS) break;
}
await writing;

async function write(): Promise<void> {
  await using producer = log.producer();
  for (let i = 0; i < READINGS; i++) {
    const sent = performance.timeOrigin + performance.now();
    await producer.send(readings, { key: "kitchen", value: { celsius: 20 + i / 10, sent } });
    await sleep(50);
  }
}
