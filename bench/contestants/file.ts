// Plain files: the floor. Frames of a u32 length and the payload, packed into one buffer a batch and written with
// one call. No checksum, no index, no offsets: records of one size are found by multiplication.

import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  write,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Tally } from "../records.js";
import {
  type Contestant,
  eachOnItsOwn,
  type Getter,
  type OpenOptions,
  type Replay,
  type Session,
} from "./contestant.js";

const FRAME_HEADER = 4;
const CHUNK = 1 << 20;
const writeAsync = promisify(write);
const fdatasyncAsync = promisify(fdatasync);

export const file: Contestant = {
  name: "fs.writeSync",
  durableMode: "fs.write and fs.fdatasync of the file for each record",
  version: () => process.version,
  unavailable: () => undefined,
  open: async (folder, options) => new FileSession(join(folder, "records"), options),
};

class FileSession implements Session {
  readonly together = eachOnItsOwn(this);
  readonly #fd: number;
  readonly #recordSize: number;
  #packed = Buffer.alloc(0);
  #end: number;

  constructor(path: string, options: OpenOptions) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    this.#recordSize = options.recordSize;
    this.#end = fstatSync(this.#fd).size;
  }

  append(batch: readonly Buffer[]): void {
    const length = batch.length * (FRAME_HEADER + this.#recordSize);
    if (this.#packed.length < length) this.#packed = Buffer.alloc(length);
    const packed = this.#packed;
    let position = 0;
    for (const record of batch) {
      packed.writeUInt32LE(record.length, position);
      packed.set(record, position + FRAME_HEADER);
      position += FRAME_HEADER + record.length;
    }
    writeSync(this.#fd, packed, 0, position, this.#end);
    this.#end += position;
  }

  async settled(): Promise<void> {}

  async sync(): Promise<void> {
    fdatasyncSync(this.#fd);
  }

  replays(): Record<string, Replay> {
    return { "a Buffer of each record": { sums: "values", read: (tally) => this.#replay(tally) } };
  }

  #replay(tally: Tally): void {
    const chunk = Buffer.alloc(CHUNK);
    let kept = 0;
    let position = 0;
    for (;;) {
      const got = readSync(this.#fd, chunk, kept, CHUNK - kept, position);
      if (got === 0) return;
      position += got;
      const end = kept + got;
      let at = 0;
      while (at + FRAME_HEADER <= end) {
        const next = at + FRAME_HEADER + chunk.readUInt32LE(at);
        if (next > end) break;
        tally.add(chunk.subarray(at + FRAME_HEADER, next));
        at = next;
      }
      chunk.copy(chunk, 0, at, end);
      kept = end - at;
    }
  }

  gets(): Record<string, Getter> {
    const frame = FRAME_HEADER + this.#recordSize;
    const read = (numbers: readonly number[]): Uint8Array[] =>
      numbers.map((number) => {
        const record = Buffer.allocUnsafe(this.#recordSize);
        readSync(this.#fd, record, 0, record.length, number * frame + FRAME_HEADER);
        return record;
      });
    return { "readSync at a known position": { together: 256, read } };
  }

  async appendDurably(record: Buffer): Promise<void> {
    const frame = Buffer.allocUnsafe(FRAME_HEADER + record.length);
    frame.writeUInt32LE(record.length, 0);
    frame.set(record, FRAME_HEADER);
    const position = this.#end;
    this.#end += frame.length;
    await writeAsync(this.#fd, frame, 0, frame.length, position);
    await fdatasyncAsync(this.#fd);
  }

  async close(): Promise<void> {
    closeSync(this.#fd);
  }
}
