// The raw side, as a broker would use it: copies a topic's record batches from one store to another without
// decoding a record. Every batch is checked on both sides; offsets come out the same.
// node --import tsx examples/raw.ts [folder]
import { join } from "node:path";
import { type Log, open, string } from "tidelog";

const PARTITIONS = 2;
const folder = process.argv[2] ?? "./data/raw";
await using leader = await open(join(folder, "leader"));
await using follower = await open(join(folder, "follower"));
await fill(leader);
await follower.topic("events", { partitions: PARTITIONS });

for (let partition = 0; partition < PARTITIONS; partition++) {
  const copied = await copy(leader, follower, partition);
  const { highWatermark } = follower.raw.partition("events", partition);
  console.log(`partition ${partition}: ${copied} bytes of batches copied, records 0 to ${highWatermark - 1}`);
}

/** Copies what the follower does not have yet; gives the number of bytes. */
async function copy(from: Log, to: Log, number: number): Promise<number> {
  const source = from.raw.partition("events", number);
  const target = to.raw.partition("events", number);
  const buffer = new Uint8Array(1 << 20);
  let copied = 0;
  let offset = target.highWatermark;
  while (offset < source.highWatermark) {
    const { bytes, next } = await source.readInto(buffer, { offset, maxBytes: buffer.length });
    for (const batch of batches(bytes)) await target.append(batch);
    copied += bytes.length;
    offset = next;
  }
  return copied;
}

/** Cuts whole batches apart: each says its length, 12 bytes short of its size, at byte 8. */
function* batches(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start < bytes.length; ) {
    const size = view.getUint32(start + 8) + 12;
    yield bytes.subarray(start, start + size);
    start += size;
  }
}

async function fill(log: Log): Promise<void> {
  const events = await log.topic("events", { partitions: PARTITIONS, key: string(), value: string() });
  await using producer = log.producer();
  const records = Array.from({ length: 1_000 }, (_, i) => ({ key: `k-${i % 10}`, value: `event ${i}` }));
  await producer.sendBatch(events, records);
}
