// What the disk gives at best, from Node: records in one write and one `fdatasync`, over blocks that were written before,
// as a log does that recycles its files. It checks nothing, finds nothing and keeps nothing: no store can be faster.

import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Contestant, Session } from "./contestant.js";

/** Written over in circles. */
const SIZE = 16 << 20;

export const limit: Contestant = {
  name: "fdatasync",
  durableMode: "the limit: one write and one fdatasync in a file written full before; nothing can be read back",
  phases: ["durable"],
  isLimit: true,
  version: () => process.version,
  unavailable: () => undefined,
  open: async (folder) => new LimitSession(join(folder, "blocks")),
};

class LimitSession implements Session {
  readonly together = { how: "in one write", append: (records: readonly Buffer[]) => this.#write(records) };
  readonly #fd: number;
  #position = 0;

  constructor(path: string) {
    this.#fd = openSync(path, "w+", 0o600);
    // Not zeros, which some disks do not store.
    writeSync(this.#fd, Buffer.alloc(SIZE, 0xa5));
    fdatasyncSync(this.#fd);
  }

  appendDurably(record: Buffer): void {
    this.#write([record]);
  }

  #write(records: readonly Buffer[]): void {
    const bytes = records.length === 1 ? records[0]! : Buffer.concat(records);
    if (this.#position + bytes.length > SIZE) this.#position = 0;
    writeSync(this.#fd, bytes, 0, bytes.length, this.#position);
    this.#position += bytes.length;
    fdatasyncSync(this.#fd);
  }

  append(batch: readonly Buffer[]): void {
    this.#write(batch);
  }

  async settled(): Promise<void> {}

  async sync(): Promise<void> {}

  replays(): Record<string, never> {
    return {};
  }

  gets(): Record<string, never> {
    return {};
  }

  async close(): Promise<void> {
    closeSync(this.#fd);
  }
}
