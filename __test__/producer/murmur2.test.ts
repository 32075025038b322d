// Keys reach the partitions that Kafka's clients would choose: the vectors are those of Kafka's own tests.

import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { murmur2, partitionOfKey } from "../../ts/producer/murmur2.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("murmur2");

const VECTORS: [string, number][] = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

test("hashes as Kafka does", () => {
  for (const [text, hash] of VECTORS) assert.is(murmur2(Buffer.from(text)), hash, text);
});

test("makes a hash positive by dropping its sign, as toPositive does", () => {
  for (const [text, hash] of VECTORS) {
    const key = Buffer.from(text);
    for (const count of [1, 2, 3, 7, 1000]) {
      assert.is(partitionOfKey(key, 0, key.length, count), (hash & 0x7fffffff) % count);
    }
  }
});

test("sees only the bytes of the key, wherever they lie", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 70 }),
      fc.uint8Array({ maxLength: 9 }),
      fc.uint8Array({ maxLength: 9 }),
      (key, before, after) => {
        const inside = Buffer.concat([before, key, after]);
        assert.is(murmur2(inside, before.length, key.length), murmur2(key));
      },
    ),
  );
});

run();
