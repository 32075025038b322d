// Encoded record batches whose producer is changed, as those who build brokers and clients make them.

import type { ProducerId } from "../../ts/index.js";

/** The batch, sent by nobody in particular. */
export const NOBODY: ProducerId = { producerId: -1n, epoch: -1 };

/** The batch with another producer and sequence, and a checksum that fits. */
export function batchOf(template: Buffer, { producerId, epoch }: ProducerId, sequence: number): Buffer {
  const batch = Buffer.from(template);
  batch.writeBigInt64BE(producerId, 43);
  batch.writeInt16BE(epoch, 51);
  batch.writeInt32BE(sequence, 53);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

/** CRC-32C, bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
