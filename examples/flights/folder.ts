// The job's own folder: made afresh at the start, removed at the end. A marker file tells the job's stores from
// everybody else's folders, which it must never delete.
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

const MARKER = "made-by-the-flights-example";

/** Makes the folder empty, and refuses one with content that an earlier run of the job did not make. */
export async function makeFresh(folder: string): Promise<void> {
  if (existsSync(folder)) {
    const entries = await readdir(folder);
    if (entries.length > 0 && !entries.includes(MARKER)) {
      throw new Error(`${folder} holds files that this job did not make; give another --folder, or remove it yourself`);
    }
    await rm(folder, { recursive: true });
  }
  await mkdir(folder, { recursive: true });
}

/** Marks a store as the job's own. Not before it is opened: a store is only ever made in an empty folder. */
export async function mark(folder: string): Promise<void> {
  await writeFile(join(folder, MARKER), "This store may be deleted: `npm start` makes it again.\n");
}

export async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true });
}

/** Bytes of disk that the folder's files take: their blocks, space allocated ahead included. */
export async function diskUsage(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const { blocks, size } = await stat(join(entry.parentPath, entry.name));
    // Windows knows no blocks.
    total += blocks ? blocks * 512 : size;
  }
  return total;
}
