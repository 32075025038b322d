// The layout in which records cross is the one that the engine's source states, and what is packed can be
// unpacked by a reader that knows only that statement.

import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { type HeaderInput, readHeaders, writeHeaders } from "../../ts/headers.js";
import { PACKED_ROW_BYTES, Pack, RECORD_ROW_BYTES, readText } from "../../ts/pack.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("packed layout");

test("row lengths are those of the engine", () => {
  const source = readFileSync(new URL("../../crates/format/src/packed.rs", import.meta.url), "utf8");
  assert.is(Number(/PACKED_ROW_LEN: usize = (\d+)/.exec(source)?.[1]), PACKED_ROW_BYTES);
  assert.is(Number(/ LEN: usize = (\d+)/.exec(source)?.[1]), RECORD_ROW_BYTES);
});

interface Sample {
  timestamp: number;
  partition: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: HeaderInput[];
}

const bytes = fc.uint8Array({ maxLength: 80 });
const name = fc.oneof(
  fc.constant("__proto__"),
  fc.constant("constructor"),
  fc.constant(""),
  fc.string({ unit: "grapheme" }),
);
const content: fc.Arbitrary<string | Uint8Array | null> = fc.option(fc.oneof(bytes, fc.string()), { nil: null });
const sample: fc.Arbitrary<Sample> = fc.record({
  timestamp: fc.maxSafeNat(),
  partition: fc.nat(100_000),
  key: fc.option(bytes, { nil: null }),
  value: fc.option(bytes, { nil: null }),
  headers: fc.array(fc.tuple(name, content), { maxLength: 6 }),
});

test("what is packed can be unpacked by the statement alone", () => {
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 40 }), (samples) => {
      // Tiny at first, so that both halves have to grow.
      const pack = new Pack(1, 1);
      for (const { timestamp, partition, key, value, headers } of samples) {
        const keyLength = key === null ? -1 : pack.writeBytes(key);
        const valueLength = value === null ? -1 : pack.writeBytes(value);
        pack.addRow(timestamp, partition, keyLength, valueLength, writeHeaders(headers, pack));
      }
      assert.is(pack.rows, samples.length);
      assert.equal(unpack(pack), samples.map(expected));
    }),
  );
});

test("a record moves to another pack whole", () => {
  fc.assert(
    fc.property(sample, sample, (first, second) => {
      const [from, to] = [new Pack(1, 1), new Pack(1, 1)];
      let start = 0;
      for (const { timestamp, partition, key, value, headers } of [first, second]) {
        start = from.length;
        const keyLength = key === null ? -1 : from.writeBytes(key);
        const valueLength = value === null ? -1 : from.writeBytes(value);
        from.addRow(timestamp, partition, keyLength, valueLength, writeHeaders(headers, from));
      }
      from.moveLast(start, to);
      assert.equal(unpack(from), [expected(first)]);
      assert.equal(unpack(to), [expected(second)]);
    }),
  );
});

test("text is UTF-8, however long", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 3000 }), fc.nat(20), (text, room) => {
      const pack = new Pack(room, 1);
      const length = pack.writeText(text);
      assert.equal(pack.bytes.subarray(0, length), Buffer.from(text));
      assert.is(readText(pack.bytes, 0, length), Buffer.from(text).toString());
    }),
  );
});

test("text beyond the short cuts is UTF-8 as well", () => {
  for (const unit of ["a", "é", "€", "😀", "\ud800"]) {
    for (const count of [1, 7, 8, 23, 24, 25, 4096, 4097, 100_000]) {
      const pack = new Pack(8, 1);
      const text = unit.repeat(count);
      assert.is(pack.writeText(text), Buffer.byteLength(text));
      assert.ok(pack.bytes.subarray(0, pack.length).equals(Buffer.from(text)), `${count} times ${unit}`);
    }
  }
});

test("headers are read as Kafka's records hold them", () => {
  const headers = fc.array(fc.tuple(name, fc.option(fc.uint8Array({ maxLength: 9000 }))), { maxLength: 6 });
  fc.assert(
    fc.property(headers, fc.boolean(), fc.nat(9), (given, copy, before) => {
      const encoded = Buffer.concat([Buffer.alloc(before), ...given.map(encodeHeader)]);
      const read = readHeaders(encoded, before, given.length, copy);
      // A copy must not change with the memory that it was read from.
      if (copy) encoded.fill(7);
      assert.equal(
        read.map(([key, value]) => [key, value === null ? null : [...value]]),
        given.map(([key, value]) => [Buffer.from(key).toString(), value === null ? null : [...value]]),
      );
    }),
  );
});

function expected({ timestamp, partition, key, value, headers }: Sample) {
  return {
    timestamp,
    partition,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: headers.map(([header, content]) => [
      Buffer.from(header),
      content === null ? null : typeof content === "string" ? Buffer.from(content) : Buffer.from(content),
    ]),
  };
}

function unpack(pack: Pack) {
  const table = new DataView(pack.table.buffer);
  let at = 0;
  const take = (length: number) => {
    if (length < 0) return null;
    at += length;
    return Buffer.from(pack.bytes.subarray(at - length, at));
  };
  const records = [];
  for (let row = 0; row < pack.rows; row++) {
    const start = row * 24;
    const key = take(table.getInt32(start + 12, true));
    const value = take(table.getInt32(start + 16, true));
    const headers = [];
    for (let i = 0; i < table.getUint32(start + 20, true); i++) {
      const lengths = [pack.bytes.readInt32LE(at), pack.bytes.readInt32LE(at + 4)] as const;
      at += 8;
      headers.push([take(lengths[0]), take(lengths[1])]);
    }
    const [timestamp, partition] = [table.getFloat64(start, true), table.getUint32(start + 8, true)];
    records.push({ timestamp, partition, key, value, headers });
  }
  assert.is(at, pack.length);
  return records;
}

function encodeHeader([key, value]: [string, Uint8Array | null]): Buffer {
  const encoded = Buffer.from(key);
  return Buffer.concat([
    varint(encoded.length),
    encoded,
    varint(value === null ? -1 : value.length),
    value ?? Buffer.alloc(0),
  ]);
}

function varint(value: number): Buffer {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  const out: number[] = [];
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
  return Buffer.from(out);
}

run();
