// What the package tells `node:diagnostics_channel`: all channels in one place, named after what happened.
// Publishing costs nothing while nobody listens, and nothing is ever written to the console.

import { channel } from "node:diagnostics_channel";
import type { TidelogError } from "./errors.js";

/** Published on `tidelog:open` once a store is open. */
export interface OpenEvent {
  path: string;
  id: string;
  readOnly: boolean;
}

/** Published on `tidelog:close` once a store is closed. */
export interface CloseEvent {
  path: string;
  id: string;
}

/** Published on `tidelog:produce` once a group of records has been stored, or has failed. */
export interface ProduceEvent {
  topic: string;
  /** Records sent, and their bytes as they crossed into the engine. */
  records: number;
  bytes: number;
  /** Milliseconds from handing over to the answer. */
  durationMs: number;
  error?: TidelogError;
}

/** Published on `tidelog:error` for each failure of producing, reading or closing. */
export interface ErrorEvent {
  /** What was being done. */
  operation: "produce" | "read" | "close";
  topic?: string;
  partition?: number;
  error: TidelogError;
}

export const opened = channel("tidelog:open");
export const closed = channel("tidelog:close");
export const produced = channel("tidelog:produce");
export const failed = channel("tidelog:error");

/** Publishes a failure if anybody listens. */
export function publishError(event: ErrorEvent): void {
  if (failed.hasSubscribers) failed.publish(event);
}
