// Disks of a test's own: a file system in a file, mounted through a loop device, which can be filled, starved of room
// below it, or cut off from its power: the kernel's shutdown call drops all that was not synced, as power loss does.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { sleep } from "./expect.js";
import { collectGarbage } from "./garbage.js";

export type FileSystem = "ext4" | "xfs" | "btrfs";

const MAKE: Record<FileSystem, readonly string[]> = {
  // Not lazily: what the kernel would still write later would come from nowhere.
  ext4: ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
  xfs: ["mkfs.xfs", "-q", "-f"],
  btrfs: ["mkfs.btrfs", "-q", "-f"],
};

/** Why no disk with this file system can be made here, or undefined if one can. */
export function noLoopDisk(fileSystem: FileSystem): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  const [make] = MAKE[fileSystem] as [string];
  if (!succeeds(make, "-V")) return `needs ${make}`;
  if (!succeeds("losetup", "--find")) return "needs a free loop device";
  return undefined;
}

/** A file system in a file. */
export class LoopDisk {
  /** Where it is mounted. */
  readonly folder: string;
  readonly #image: string;
  #mounted = false;

  /** Makes one in an empty folder of its own, not mounted; `imageFolder` may put the image elsewhere. */
  constructor(own: string, fileSystem: FileSystem, mebibytes: number, imageFolder = own) {
    this.folder = join(own, "disk");
    this.#image = join(imageFolder, "image");
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(this.#image, "");
    truncateSync(this.#image, mebibytes * 2 ** 20);
    const [make, ...options] = MAKE[fileSystem] as [string, ...string[]];
    execFileSync(make, [...options, this.#image], { stdio: ["ignore", "ignore", "pipe"] });
  }

  mount(): void {
    execFileSync("mount", ["-o", "loop", this.#image, this.folder]);
    this.#mounted = true;
  }

  /**
   * Has the kernel write no more than this at once. Of a larger write for part of which there is no room, the loop
   * device reports success, so that a sync would have been told a lie.
   */
  limitWrites(kibibytes: number): void {
    const device = execFileSync("losetup", ["--noheadings", "--output", "NAME", "--associated", this.#image]);
    const name = basename(device.toString().trim());
    writeFileSync(`/sys/block/${name}/queue/max_sectors_kb`, `${kibibytes}`);
  }

  /** While it is not mounted: changes a byte wherever this text is on it, and says how often. */
  damage(text: string): number {
    const bytes = readFileSync(this.#image);
    const file = openSync(this.#image, "r+");
    let times = 0;
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1), times++) {
      writeSync(file, Buffer.of(bytes[at]! ^ 1), 0, 1, at);
    }
    fsyncSync(file);
    closeSync(file);
    return times;
  }

  /** Whatever used it must have ended or been closed. */
  async unmount(): Promise<void> {
    for (let turn = 0; this.#mounted; turn++) {
      try {
        execFileSync("umount", [this.folder], { stdio: ["ignore", "ignore", "pipe"] });
        this.#mounted = false;
      } catch (error) {
        // Closed stores keep files open for as long as a handle of theirs waits to be collected.
        if (turn === 50) throw error;
        collectGarbage();
        await sleep(turn);
      }
    }
  }

  /** Away with it, though it may be in use. */
  [Symbol.dispose](): void {
    if (!this.#mounted) return;
    execFileSync("umount", ["-l", this.folder]);
    this.#mounted = false;
  }
}

/** Compiles the program that cuts a mounted disk's power, into a folder, and gives its path. */
export function powerSwitch(folder: string): string {
  const source = join(folder, "power_off.c");
  const program = join(folder, "power_off");
  writeFileSync(source, POWER_OFF);
  execFileSync(process.env["CC"] ?? "cc", ["-o", program, source]);
  return program;
}

/** Why there is no such program here, or undefined. */
export function noPowerSwitch(): string | undefined {
  return succeeds(process.env["CC"] ?? "cc", "--version") ? undefined : "needs a C compiler";
}

/** EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number; 2 is "and do not flush the log". */
const POWER_OFF = `#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
int main(int count, char **args) {
  uint32_t no_log_flush = 2;
  int folder = count == 2 ? open(args[1], O_RDONLY) : -1;
  if (folder >= 0 && ioctl(folder, _IOR('X', 125, uint32_t), &no_log_flush) == 0) return 0;
  perror("power_off");
  return 1;
}
`;

function succeeds(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
