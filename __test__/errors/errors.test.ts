// Errors: what the binding says becomes a class with code, flags and figures, and every code is one that users know.

import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import {
  AbortedError,
  ClosedError,
  CorruptionError,
  ERROR_CODES,
  InvalidFilterError,
  OffsetOutOfRangeError,
  StoreLockedError,
  TidelogError,
} from "../../ts/index.js";
import { fromNative, fromThrown } from "../../ts/native_errors.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("errors");

const native = { message: "what and what to do", retriable: true, indefinite: true };

test("every code of the engine is a code here", () => {
  const source = readFileSync(new URL("../../crates/core/src/error.rs", import.meta.url), "utf8");
  const codes = new Set(source.match(/"ERR_TIDELOG_[A-Z_]+"/g)?.map((quoted) => quoted.slice(1, -1)));
  assert.ok(codes.size > 15);
  for (const code of codes) assert.ok((ERROR_CODES as readonly string[]).includes(code), `${code} is unknown here`);
});

test("code, message and flags are kept, for every code", () => {
  for (const code of ERROR_CODES) {
    const error = fromNative({ ...native, code });
    assert.instance(error, TidelogError);
    assert.equal([error.code, error.retriable, error.indefinite], [code, true, true]);
    if (code !== "ERR_TIDELOG_CLOSED") assert.is(error.message, native.message);
  }
});

test("an unknown code is internal, and loses nothing", () => {
  const error = fromNative({ ...native, code: "ERR_TIDELOG_FUTURE" });
  assert.equal([error.code, error.message], ["ERR_TIDELOG_INTERNAL", native.message]);
});

test("figures become properties", () => {
  const range = fromNative({ ...native, code: "ERR_TIDELOG_OFFSET_OUT_OF_RANGE", numbers: [9, 2, 5] });
  assert.instance(range, OffsetOutOfRangeError);
  const { offset, logStartOffset, highWatermark } = range as OffsetOutOfRangeError;
  assert.equal([offset, logStartOffset, highWatermark], [9, 2, 5]);
  const locked = fromNative({ ...native, code: "ERR_TIDELOG_STORE_LOCKED", numbers: [77] }) as StoreLockedError;
  assert.instance(locked, StoreLockedError);
  assert.is(locked.pid, 77);
  assert.is((fromNative({ ...native, code: "ERR_TIDELOG_STORE_LOCKED" }) as StoreLockedError).pid, undefined);
  const filter = fromNative({ ...native, code: "ERR_TIDELOG_INVALID_FILTER", numbers: [7] }) as InvalidFilterError;
  assert.instance(filter, InvalidFilterError);
  assert.is(filter.position, 7);
  const corrupt = fromNative({ ...native, code: "ERR_TIDELOG_CORRUPTION", path: "/a/b.log" }) as CorruptionError;
  assert.instance(corrupt, CorruptionError);
  assert.is(corrupt.path, "/a/b.log");
});

test("what a promise of the binding throws is understood", () => {
  const thrown = Object.assign(new Error(JSON.stringify({ ...native, code: "ERR_TIDELOG_IO" })), {
    code: "ERR_TIDELOG_IO",
  });
  const error = fromThrown(thrown);
  assert.equal([error.code, error.message, error.retriable], ["ERR_TIDELOG_IO", native.message, true]);
  const plain = fromThrown(Object.assign(new Error("for people"), { code: "ERR_TIDELOG_IO" }));
  assert.equal([plain.code, plain.message, plain.retriable], ["ERR_TIDELOG_IO", "for people", false]);
  for (const foreign of [new TypeError("odd"), Object.assign(new Error("odd"), { code: "GenericFailure" })]) {
    const wrapped = fromThrown(foreign);
    assert.equal([wrapped.code, wrapped.cause], ["ERR_TIDELOG_INTERNAL", foreign]);
  }
  assert.is(fromThrown(error), error);
  assert.is(fromThrown("text").code, "ERR_TIDELOG_INTERNAL");
});

test("names are those that people look for", () => {
  assert.is(new AbortedError("it", 1).name, "AbortError");
  assert.is(new ClosedError("it").name, "ClosedError");
  assert.match(String(new ClosedError("the log")), "ClosedError: the log is closed");
  assert.not("appended" in new TidelogError("ERR_TIDELOG_IO", "x"));
});

run();
