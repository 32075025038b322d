// A disk that promises more than it has: a file system whose image lies in a small tmpfs. It takes writes, and when the
// tmpfs is full its syncs fail, as those of a disk that breaks do. More room can be given to it later.

import { execFileSync } from "node:child_process";
import { mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { type FileSystem, LoopDisk } from "./loop_disk.js";

export class ThinDisk {
  readonly disk: LoopDisk;
  readonly #below: string;

  /** Makes one in an empty folder, with this much room once the file system itself has what it needs. */
  constructor(own: string, fileSystem: FileSystem, promisedMebibytes: number, roomMebibytes: number) {
    this.#below = join(own, "below");
    mkdirSync(this.#below, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${promisedMebibytes}m`, "tidelog-test", this.#below]);
    try {
      this.disk = new LoopDisk(own, fileSystem, promisedMebibytes, this.#below);
      const { blocks, bfree, bsize } = statfsSync(this.#below);
      this.#resize(Math.ceil(((blocks - bfree) * bsize) / 2 ** 20) + roomMebibytes);
    } catch (error) {
      execFileSync("umount", ["-l", this.#below]);
      throw error;
    }
  }

  mount(): void {
    this.disk.mount();
    this.disk.limitWrites(4);
  }

  /** Keeps what it has promised. */
  giveRoom(promisedMebibytes: number): void {
    this.#resize(promisedMebibytes + 16);
  }

  #resize(mebibytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${mebibytes}m`, this.#below]);
  }

  [Symbol.dispose](): void {
    this.disk[Symbol.dispose]();
    execFileSync("umount", ["-l", this.#below]);
  }
}
