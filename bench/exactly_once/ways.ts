// Who takes part, and how.

import { limit } from "../contestants/limit.js";
import { kafkajs } from "./kafkajs.js";
import { platformatic } from "./platformatic.js";
import { sqlite } from "./sqlite.js";
import { tidelog } from "./tidelog.js";
import type { Way } from "./way.js";

/** What the disk gives: a record in a write and an `fdatasync` of its own, and no transaction at all. */
const disk: Way = {
  contestant: limit.name,
  modes: { transactions: "one write, one fdatasync" },
  unavailable: () => undefined,
  open: async (folder, { size }) => {
    const session = await limit.open(folder, { durable: true, recordSize: size });
    return { transact: (record) => session.appendDurably(record), close: () => session.close() };
  },
};

export const ways: readonly Way[] = [...tidelog, ...sqlite, ...platformatic, ...kafkajs, disk];
