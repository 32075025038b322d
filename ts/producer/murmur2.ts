// The 32-bit MurmurHash2 that Kafka's clients place keys with, bit for bit: a key must reach the same partition
// from any client.

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** The hash of `length` bytes from `start` on, as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array, start = 0, length = bytes.length): number {
  let h = SEED ^ length;
  const whole = length & ~3;
  const end = start + whole;
  for (let i = start; i < end; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length - whole;
  if (rest === 3) h ^= bytes[end + 2]! << 16;
  if (rest >= 2) h ^= bytes[end + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ bytes[end]!, M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  h ^= h >>> 15;
  return h | 0;
}

/** The partition of a key among `count`: Kafka's `toPositive(murmur2(key)) % count`. */
export function partitionOfKey(bytes: Uint8Array, start: number, length: number, count: number): number {
  return (murmur2(bytes, start, length) & 0x7fffffff) % count;
}
