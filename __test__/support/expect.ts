// What tests ask of errors and of loops.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import * as assert from "uvu/assert";
import { type ErrorCode, TidelogError } from "../../ts/index.js";

/** The TidelogError that `call` throws or rejects with; it must have this code, and a message that holds `text`. */
export async function failure(
  code: ErrorCode,
  call: Promise<unknown> | (() => unknown),
  text: string | RegExp = "",
): Promise<TidelogError> {
  let result: unknown;
  try {
    result = await (typeof call === "function" ? call() : call);
  } catch (error) {
    if (!(error instanceof TidelogError)) throw error;
    assert.is(error.code, code, `${error.code}: ${error.message}`);
    if (typeof text === "string") assert.ok(error.message.includes(text), `"${error.message}" lacks "${text}"`);
    else assert.match(error.message, text);
    return error;
  }
  throw new Error(`expected ${code}, got ${JSON.stringify(result) ?? "nothing"}`);
}

/** All that a loop gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** All that a consumer gives, which is closed then: as a member it would keep its partitions. */
export async function allOnce<T>(consumer: AsyncIterable<T> & AsyncDisposable): Promise<T[]> {
  try {
    return await all(consumer);
  } finally {
    await consumer[Symbol.asyncDispose]();
  }
}

/** The first `count` that a loop gives. */
export async function first<T>(count: number, items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  if (count === 0) return list;
  for await (const item of items) {
    list.push(item);
    if (list.length === count) break;
  }
  return list;
}

/** Whole numbers from 0 up to `count`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Waits a while. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sends records a hundred at a time, so that they stand in many batches of the log, as reads give whole ones. */
export async function sendInBatches<R>(
  records: readonly R[],
  send: (some: readonly R[]) => Promise<unknown>,
): Promise<void> {
  for (let i = 0; i < records.length; i += 100) await send(records.slice(i, i + 100));
}

/** What listeners of a diagnostics channel are told meanwhile. */
export async function heard<E>(name: string, work: () => Promise<unknown>): Promise<E[]> {
  const events: E[] = [];
  const listen = (event: unknown) => events.push(event as E);
  subscribe(name, listen);
  try {
    await work();
  } finally {
    unsubscribe(name, listen);
  }
  return events;
}
