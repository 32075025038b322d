// The judge is judged: it finds nothing in a sound store, and in each of many tampered ones just what was done to it.

import * as assert from "uvu/assert";
import { suite } from "../support/suite.js";
import type { Seen, SeenPartition } from "./observe.js";
import { type Fault, Oracle } from "./oracle.js";
import { idOf, payload, readId } from "./payload.js";

const { test, run } = suite("the oracle of the crash tests");

/** Two streams in partition 0 of a topic; all acknowledged but the last of each, of which one is there. */
function history({ power = false, durability = "fsync" } = {}): { oracle: Oracle; seen: Seen; found: SeenPartition } {
  const oracle = new Oracle({ power });
  const lines = [
    "create t",
    `created t T ${durability} 2`,
    "stream 1 T 0",
    "stream 2 T 0",
    "intent 1 0 3",
    "ack 1 0 3 0",
    "intent 2 0 2",
    "ack 2 0 2 3",
    "intent 1 3 2",
    "ack 1 3 1 5",
    "intent 2 2 1",
  ];
  for (const line of lines) oracle.hear(line);
  const ids = [idOf(1, 0), idOf(1, 1), idOf(1, 2), idOf(2, 0), idOf(2, 1), idOf(1, 3), idOf(2, 2)];
  const found: SeenPartition = { logStart: 0, highWatermark: 7, offsets: ids.map((_, offset) => offset), ids };
  const empty: SeenPartition = { logStart: 0, highWatermark: 0, offsets: [], ids: [] };
  const topic = { name: "t", durability, partitions: [found, empty] };
  return { oracle, found, seen: { topics: new Map([["T", topic]]), damage: [], bytes: 0 } };
}

type Tampering = (found: SeenPartition, seen: Seen) => void;

/** Takes the records at these places out, so that those behind move up. */
function remove(found: SeenPartition, at: number, count = 1): void {
  found.ids.splice(at, count);
  found.offsets.splice(-count);
  found.highWatermark -= count;
}

function add(found: SeenPartition, id: number): void {
  found.ids.push(id);
  found.offsets.push(found.highWatermark++);
}

const tamperings: [name: string, fault: Fault, tampering: Tampering][] = [
  ["an acknowledged record removed, the rest moved up", "lost", (found) => remove(found, 2)],
  [
    "an acknowledged record removed, a gap left",
    "hole",
    (found) => found.ids.splice(2, 1) && found.offsets.splice(2, 1),
  ],
  ["the end cut off", "lost", (found) => remove(found, 5, 2)],
  ["the end cut off, as its watermark tells", "watermark", (found) => remove(found, 5, 2)],
  ["everything gone", "lost", (found) => remove(found, 0, 7)],
  ["two records swapped", "reordered", ({ ids }) => ids.splice(1, 2, ids[2]!, ids[1]!)],
  ["a record twice", "duplicated", (found) => add(found, idOf(1, 1))],
  ["a record altered", "altered", ({ ids }) => ids.splice(4, 1, -1)],
  ["a record in another partition", "foreign", (_, seen) => add(seen.topics.get("T")!.partitions[1]!, idOf(1, 4))],
  ["a record that was never sent", "foreign", (found) => add(found, idOf(2, 3))],
  ["a record of an unknown stream", "foreign", (found) => add(found, idOf(9, 0))],
  ["a record behind one that is not there", "hole", (found) => found.ids.splice(6, 1, idOf(1, 5))],
  ["a high watermark in front of the records", "hole", (found) => (found.highWatermark -= 1)],
  [
    "the beginning gone, which nobody asked for",
    "changed",
    (found) => {
      found.logStart = 1;
      found.ids.shift();
      found.offsets.shift();
    },
  ],
  ["a topic gone", "lost", (_, seen) => seen.topics.clear()],
  ["a topic made anew", "foreign", (_, seen) => seen.topics.set("U", seen.topics.get("T")!)],
  ["damage that the store tells of", "altered", (_, seen) => seen.damage.push("crc of t-0")],
];

test("finds nothing in what is as it must be, whatever became of those unknown", () => {
  for (const kept of [true, false]) {
    const { oracle, seen, found } = history();
    if (!kept) remove(found, 6);
    assert.equal(oracle.look(seen), []);
    assert.equal(oracle.look(seen), []);
    assert.equal([oracle.counts.unknownKept, oracle.counts.unknownGone], kept ? [1, 1] : [0, 2]);
  }
});

for (const [name, fault, tampering] of tamperings) {
  test(`finds ${name}`, () => {
    const { oracle, seen, found } = history();
    // What nobody told of is known as sent to stream 1, but as never there.
    if (name.startsWith("a record behind")) oracle.hear("intent 1 5 1");
    tampering(found, seen);
    const findings = oracle.look(seen);
    assert.ok(
      findings.some((one) => one.fault === fault),
      `${fault} is not in ${JSON.stringify(findings)}`,
    );
    assert.ok(oracle.faults[fault] > 0);
  });

  if (name.includes("partition") || name.includes("never sent") || name.startsWith("a record behind")) continue;
  test(`finds ${name}, when it had been seen before`, () => {
    const { oracle, seen, found } = history();
    assert.equal(oracle.look(structuredClone(seen)), []);
    tampering(found, seen);
    const findings = oracle.look(seen);
    // What acknowledged no longer matters: it was there, so it must be.
    const wanted = fault === "watermark" ? "lost" : fault;
    assert.ok(
      findings.some((one) => one.fault === wanted),
      `${wanted} is not in ${JSON.stringify(findings)}`,
    );
  });
}

test("what was unknown and gone must not come back", () => {
  const { oracle, seen, found } = history();
  const before = structuredClone(seen);
  remove(found, 6);
  assert.equal(oracle.look(seen), []);
  assert.equal(oracle.look(before)[0]!.fault, "foreign");
});

test("what an opening had not found must not come back at the next one", () => {
  const { oracle, seen } = history();
  oracle.hear("at T 0 0 6");
  assert.equal(
    oracle.look(seen).map(({ fault }) => fault),
    ["changed"],
  );
});

test("an opening that ends before what was acknowledged is found", () => {
  const { oracle, seen, found } = history();
  oracle.hear("at T 0 0 5");
  remove(found, 5, 2);
  const faults = oracle.look(seen).map(({ fault }) => fault);
  assert.ok(faults.includes("watermark") && faults.includes("lost"), String(faults));
});

test("what was refused for good must not be there, and leaves no hole", () => {
  for (const [number, faults] of [
    [4, []],
    [3, ["foreign"]],
  ] as const) {
    const { oracle, seen, found } = history();
    oracle.hear("intent 2 3 2");
    oracle.hear("fail 2 3 1 false ERR_TIDELOG_STORAGE_FULL no space");
    add(found, idOf(2, number));
    assert.equal(
      oracle.look(seen).map(({ fault }) => fault),
      faults,
    );
  }
});

test("after power loss a buffered topic may lack its end, a durable one nothing", () => {
  const faults = (durability: string, power: boolean, tampering: Tampering) => {
    const { oracle, seen, found } = history({ durability, power });
    tampering(found, seen);
    return oracle.look(seen).map(({ fault }) => fault);
  };
  const end: Tampering = (found) => remove(found, 3, 4);
  assert.equal(faults("buffered", true, end), []);
  assert.ok(faults("buffered", false, end).includes("lost"));
  assert.ok(faults("fsync", true, end).includes("lost"));
  assert.ok(faults("buffered", true, (found) => remove(found, 3)).includes("lost"));
});

test("deleted records and topics must stay gone, and may be gone once that was asked for", () => {
  const { oracle, seen, found } = history();
  oracle.hear("cut T 0 4");
  const before = structuredClone(seen);
  found.logStart = 4;
  found.ids.splice(0, 4);
  found.offsets.splice(0, 4);
  assert.equal(oracle.look(seen), []);
  assert.equal(oracle.look(before)[0]!.fault, "changed");
  const other = history();
  other.oracle.hear("delete T");
  const none: Seen = { topics: new Map(), damage: [], bytes: 0 };
  assert.equal(other.oracle.look(none), []);
  const third = history();
  third.oracle.hear("delete T");
  third.oracle.hear("deleted T");
  assert.equal(third.oracle.look(third.seen)[0]!.fault, "changed");
});

test("an opening that finds a topic settles that it was not deleted", () => {
  const { oracle } = history();
  oracle.hear("delete T");
  oracle.hear("found t T fsync 2");
  const none: Seen = { topics: new Map(), damage: [], bytes: 0 };
  assert.equal(oracle.look(none)[0]!.fault, "lost");
});

test("what is sent to a poisoned store must not be acknowledged, what was on its way may be", () => {
  const { oracle, seen, found } = history();
  oracle.hear("intent 2 3 1");
  oracle.hear("fail 1 4 1 true ERR_TIDELOG_POISONED sync failed");
  oracle.hear("ack 2 3 1 7");
  oracle.hear("intent 2 4 1");
  add(found, idOf(2, 3));
  assert.equal(oracle.look(structuredClone(seen)), []);
  const other = history();
  other.oracle.hear("fail 1 4 1 true ERR_TIDELOG_POISONED sync failed");
  other.oracle.hear("intent 2 3 1");
  other.oracle.hear("ack 2 3 1 7");
  assert.equal(other.oracle.look(seen)[0]!.fault, "revived");
});

test("a flipped bit or a lost byte anywhere in a record is seen", () => {
  const whole = payload(3, 7, 40);
  assert.is(readId(whole), idOf(3, 7));
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const flipped = Buffer.from(whole);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.is(readId(flipped), -1);
  }
  for (let length = 0; length < whole.length; length++) assert.is(readId(whole.subarray(0, length)), -1);
});

run();
