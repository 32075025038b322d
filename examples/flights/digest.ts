// A fingerprint of every key's records in their order: two logs with equal digests hold the same bytes and times
// in the same order per key, however many there are, without anybody keeping them.
import { createHash, type Hash } from "node:crypto";

const BUFFER_BYTES = 16 << 10;
/** Before each record: its time and the length of its value, so that no two sequences look alike. */
const PREFIX_BYTES = 12;

export class KeyedDigest {
  private readonly keys = new Map<string, KeyState>();
  private total = 0;

  get count(): number {
    return this.total;
  }

  /** Adds the key's next record. */
  add(key: string, timestamp: number, value: Uint8Array): void {
    let state = this.keys.get(key);
    if (state === undefined) {
      state = new KeyState();
      this.keys.set(key, state);
    }
    state.add(timestamp, value);
    this.total++;
  }

  /** Ends the digest: each key with its count and hash. Nothing can be added afterwards. */
  finish(): Map<string, string> {
    return new Map([...this.keys].map(([key, state]) => [key, state.finish()]));
  }
}

class KeyState {
  private readonly hash: Hash = createHash("sha256");
  private readonly buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  private used = 0;
  private count = 0;

  add(timestamp: number, value: Uint8Array): void {
    if (this.used + PREFIX_BYTES + value.length > BUFFER_BYTES) this.flush();
    this.buffer.writeDoubleLE(timestamp, this.used);
    this.buffer.writeUInt32LE(value.length, this.used + 8);
    this.used += PREFIX_BYTES;
    if (this.used + value.length > BUFFER_BYTES) {
      this.flush();
      this.hash.update(value);
    } else {
      this.buffer.set(value, this.used);
      this.used += value.length;
    }
    this.count++;
  }

  finish(): string {
    this.flush();
    return `${this.count} records, sha256 ${this.hash.digest("hex")}`;
  }

  private flush(): void {
    this.hash.update(this.buffer.subarray(0, this.used));
    this.used = 0;
  }
}
