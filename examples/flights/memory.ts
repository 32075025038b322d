// Watches how much memory the process takes for itself. Pages of the store's files that it has mapped are left out
// where the system tells them apart (Linux): they are the system's cache, and are given back when others need memory.
import { readFileSync } from "node:fs";

const INTERVAL_MS = 50;

/** Begins to watch; the function that it gives ends it and tells the largest number of bytes seen. */
export function watchMemory(): () => number {
  let most = 0;
  const look = () => {
    most = Math.max(most, ownMemory());
  };
  const timer = setInterval(look, INTERVAL_MS).unref();
  return () => {
    clearInterval(timer);
    look();
    return most;
  };
}

function ownMemory(): number {
  if (process.platform === "linux") {
    const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  }
  return process.memoryUsage.rss();
}
