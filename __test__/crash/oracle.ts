// What a store must hold after a crash, worked out from what its writers told of themselves before and after every
// step. It hears their lines, is shown what is really there, and names every difference; what was unknown is settled
// by the first look and must stay so. One judge for the process being killed, power loss and disks that fail.

import type { Seen, SeenPartition } from "./observe.js";
import { idOf, idText, LIMIT } from "./payload.js";

/** What can be wrong. */
export const FAULTS = [
  /** Acknowledged, or found before, and not there. */
  "lost",
  /** There more than once. */
  "duplicated",
  /** Not at its offset, or before one that was sent earlier. */
  "reordered",
  /** Content that nobody sent. */
  "altered",
  /** There although it was never sent there, or was refused for good. */
  "foreign",
  /** Something is missing in front of it. */
  "hole",
  /** Other than it was at an earlier opening. */
  "changed",
  /** A high watermark below what was acknowledged. */
  "watermark",
  /** Acknowledged, though sent when a failure had poisoned the store. */
  "revived",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Finding {
  readonly fault: Fault;
  readonly what: string;
}

/** Records that one producer sends to one partition, numbered from 0 in the order in which they are sent. */
interface Stream {
  readonly number: number;
  readonly topic: ExpectedTopic;
  readonly partition: ExpectedPartition;
  intended: number;
  /** Numbers and their offsets. */
  readonly acked: Map<number, number>;
  /** Numbers of those that failed for good, and why: they must not be there. */
  readonly refused: Map<number, string>;
  /** The offsets that it can have got: a later opening of the store ends them. */
  readonly from: number;
  until: number;
  /** How many were sent when the store was poisoned. */
  poisonedAt: number;
}

interface ExpectedPartition {
  readonly name: string;
  /** What the last look found: the ids from the log start on, and the end. */
  start: number;
  held: number[];
  end: number;
  /** The largest offset that a deletion was asked for and has not been seen to be done. */
  deleting: number;
  /** The end at the last opening that a writer told of. */
  opened: number;
  /** Those of which there was no look yet. */
  streams: Stream[];
}

interface ExpectedTopic {
  readonly name: string;
  readonly durability: string;
  readonly partitions: ExpectedPartition[];
  /** Not begun, asked for, acknowledged. */
  deletion: "none" | "asked" | "done";
}

/**
 * The words it knows; `line` is one of them with its numbers:
 * `create name` and `created name id durability partitions`; of those that an opening finds `found`, likewise; `delete id` and `deleted id`;
 * `stream number id partition`; `intent stream first count`, `ack stream first count offset` and
 * `fail stream first count indefinite code message`; `cut id partition before` and `cutDone id partition start`;
 * `opened ms` and `at id partition start highWatermark`; `broken what code message`.
 */
export class Oracle {
  readonly counts = { intended: 0, acked: 0, refused: 0, unknownKept: 0, unknownGone: 0, looks: 0 };
  readonly faults: Record<Fault, number>;
  /** The codes of all that failed, how often, how often surely without effect, and what the first one said. */
  readonly codes: Record<string, { count: number; definite: number; first: string }> = {};
  readonly openingMs: number[] = [];
  readonly #power: boolean;
  readonly #topics = new Map<string, ExpectedTopic>();
  readonly #creating = new Set<string>();
  readonly #streams = new Map<number, Stream>();
  #findings: Finding[] = [];
  #poisoned = false;

  /** `power`: not only processes were ended, so what was acknowledged as buffered may be gone, from an end. */
  constructor({ power = false } = {}) {
    this.#power = power;
    this.faults = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  }

  /** Takes in a line of a writer. */
  hear(line: string): void {
    const [word, ...rest] = line.split(" ") as [string, ...string[]];
    const numbers = rest.map(Number) as [number, number, number, number];
    if (word === "intent") {
      const stream = this.#stream(numbers[0]);
      if (numbers[1] !== stream.intended) throw new Error(`a writer skips: ${line}, expected ${stream.intended}`);
      stream.intended += numbers[2];
      this.counts.intended += numbers[2];
    } else if (word === "ack") {
      const [number, first, count, offset] = numbers;
      const { acked, poisonedAt, partition } = this.#stream(number);
      if (first + count > poisonedAt) this.#find("revived", `${partition.name}: ${line}, ${poisonedAt} had been sent`);
      for (let i = 0; i < count; i++) acked.set(first + i, offset + i);
      this.counts.acked += count;
    } else if (word === "fail") {
      this.#failed(this.#stream(numbers[0]), numbers[1], numbers[2], rest[3] === "true", rest.slice(4).join(" "));
      if (rest[4] === "ERR_TIDELOG_POISONED") this.#poison();
      this.#count(rest[4]!, rest.slice(5).join(" "), rest[3] === "false");
    } else if (word === "stream") {
      const topic = this.#topic(rest[1]!);
      const partition = topic.partitions[numbers[2]]!;
      const number = numbers[0];
      if (this.#streams.has(number)) throw new Error(`a writer uses a stream again: ${line}`);
      const stream: Stream = {
        number,
        topic,
        partition,
        intended: 0,
        acked: new Map(),
        refused: new Map(),
        from: partition.opened,
        until: Number.POSITIVE_INFINITY,
        poisonedAt: this.#poisoned ? 0 : Number.POSITIVE_INFINITY,
      };
      this.#streams.set(number, stream);
      partition.streams.push(stream);
    } else if (word === "create") {
      this.#creating.add(rest[0]!);
    } else if (word === "created" || word === "found") {
      this.#created(rest[0]!, rest[1]!, rest[2]!, Number(rest[3]));
      // That an opening found it settles a deletion that was cut short.
      if (word === "found") this.#topic(rest[1]!).deletion = "none";
    } else if (word === "delete") {
      const topic = this.#topic(rest[0]!);
      if (topic.deletion === "none") topic.deletion = "asked";
    } else if (word === "deleted") {
      this.#topic(rest[0]!).deletion = "done";
    } else if (word === "cut") {
      const partition = this.#topic(rest[0]!).partitions[numbers[1]]!;
      partition.deleting = Math.max(partition.deleting, numbers[2]);
    } else if (word === "cutDone") {
      const partition = this.#topic(rest[0]!).partitions[numbers[1]]!;
      if (numbers[2] > partition.start) {
        partition.held.splice(0, numbers[2] - partition.start);
        partition.start = numbers[2];
      }
    } else if (word === "opened") {
      this.openingMs.push(numbers[0]);
      this.#poisoned = false;
    } else if (word === "at") {
      this.#at(rest[0]!, numbers[1], numbers[3]);
    } else if (word === "broken") {
      this.#count(rest[1]!, `${rest[0]}: ${rest.slice(2).join(" ")}`);
    } else {
      throw new Error(`a line that says nothing: ${line}`);
    }
  }

  /** Compares what is there with what must be, and takes it as known from now on. */
  look(seen: Seen): Finding[] {
    this.counts.looks += 1;
    for (const damage of seen.damage) this.#find("altered", damage);
    for (const [id, topic] of this.#topics) {
      const found = seen.topics.get(id);
      if (found === undefined) {
        if (topic.deletion === "none") this.#find("lost", `topic ${topic.name} (${id})`, this.#ackedOf(topic) || 1);
        this.#topics.delete(id);
        for (const partition of topic.partitions) this.#retire(partition);
        continue;
      }
      if (topic.deletion === "done") this.#find("changed", `topic ${topic.name} (${id}) is there, though deleted`);
      topic.deletion = "none";
      topic.partitions.forEach((partition, number) => {
        this.#lookAt(topic, partition, found.partitions[number]!);
      });
    }
    for (const [id, found] of seen.topics) {
      if (this.#topics.has(id)) continue;
      this.#created(found.name, id, found.durability, found.partitions.length);
      const topic = this.#topic(id);
      topic.partitions.forEach((partition, number) => {
        this.#lookAt(topic, partition, found.partitions[number]!);
      });
    }
    this.#creating.clear();
    return this.#findings.splice(0);
  }

  /** Begins anew: the store is gone on purpose. */
  forget(): void {
    this.#topics.clear();
    this.#creating.clear();
    this.#streams.clear();
  }

  #lookAt(topic: ExpectedTopic, expected: ExpectedPartition, seen: SeenPartition): void {
    const { logStart, highWatermark, offsets, ids } = seen;
    const { name } = expected;
    if (logStart < expected.start || logStart > Math.max(expected.start, expected.deleting)) {
      this.#find("changed", `${name}: begins at ${logStart}, known ${expected.start}, asked for ${expected.deleting}`);
    }
    const places = new Map<number, number>();
    const byOffset = new Map<number, number>();
    offsets.forEach((offset, i) => {
      const id = ids[i]!;
      byOffset.set(offset, id);
      if (offset !== logStart + i) this.#find("hole", `${name}: offset ${offset} where ${logStart + i} must be`);
      if (id < 0) this.#find("altered", `${name}: the record at ${offset}`);
      else if (places.has(id)) this.#find("duplicated", `${name}: ${idText(id)} at ${places.get(id)} and at ${offset}`);
      else places.set(id, offset);
    });
    if (logStart + offsets.length !== highWatermark) {
      this.#find("hole", `${name}: ${offsets.length} records from ${logStart} on, high watermark ${highWatermark}`);
    }
    expected.held.forEach((id, i) => {
      const offset = expected.start + i;
      if (offset >= logStart) this.#mustBe(name, id, offset, byOffset, places);
    });
    this.#lookAtNew(expected, seen, places);
    const soft = this.#power && topic.durability === "buffered";
    for (const stream of expected.streams) {
      let kept = 0;
      for (const [number, offset] of stream.acked) {
        if (offset < logStart) continue;
        const id = idOf(stream.number, number);
        if (offset >= highWatermark && !places.has(id)) {
          if (soft) continue;
          this.#find("watermark", `${name}: ${highWatermark}, but ${offset} was acknowledged`);
        }
        this.#mustBe(name, id, offset, byOffset, places);
        kept += 1;
      }
      this.#countUnknown(stream, places, kept);
    }
    this.#retire(expected);
    expected.start = logStart;
    expected.held = ids;
    expected.end = highWatermark;
    expected.deleting = 0;
    expected.opened = highWatermark;
  }

  /** What lies behind the part that is known: sent there since, in order, and with nothing left out. */
  #lookAtNew(expected: ExpectedPartition, seen: SeenPartition, places: Map<number, number>): void {
    const { name, end } = expected;
    const last = new Map<Stream, number>();
    seen.offsets.forEach((offset, i) => {
      const id = seen.ids[i]!;
      if (offset < end || id < 0 || places.get(id) !== offset) return;
      const stream = this.#streams.get(Math.floor(id / LIMIT));
      const number = id % LIMIT;
      if (stream === undefined || stream.partition !== expected || number >= stream.intended) {
        this.#find("foreign", `${name}: ${idText(id)} at ${offset} was not sent there since the last look`);
        return;
      }
      const refusal = stream.refused.get(number);
      if (refusal !== undefined) {
        this.#find("foreign", `${name}: ${idText(id)} at ${offset} had been refused for good: ${refusal}`);
      }
      if (offset < stream.from || offset >= stream.until) {
        this.#find("changed", `${name}: ${idText(id)} at ${offset}, but an opening ended at ${stream.until}`);
      }
      // What was deleted since may have taken the first of them.
      const before = last.get(stream) ?? (seen.logStart > end ? number - 1 : -1);
      if (number <= before) this.#find("reordered", `${name}: ${idText(id)} at ${offset} is behind ${before}`);
      for (let left = before + 1; left < number; left++) {
        if (!stream.refused.has(left)) {
          this.#find("hole", `${name}: ${idText(id)} at ${offset}, but ${left} is not before it`);
          break;
        }
      }
      last.set(stream, Math.max(before, number));
    });
  }

  #mustBe(name: string, id: number, offset: number, byOffset: Map<number, number>, places: Map<number, number>): void {
    const found = byOffset.get(offset);
    if (found === id || found === -1) return;
    const elsewhere = places.get(id);
    if (elsewhere === undefined) this.#find("lost", `${name}: ${idText(id)}, which was at ${offset}`);
    else this.#find("reordered", `${name}: ${idText(id)} is at ${elsewhere}, and was at ${offset}`);
  }

  #countUnknown(stream: Stream, places: Map<number, number>, keptAcked: number): void {
    let kept = -keptAcked;
    for (let number = 0; number < stream.intended; number++) if (places.has(idOf(stream.number, number))) kept += 1;
    this.counts.unknownKept += Math.max(kept, 0);
    this.counts.unknownGone += stream.intended - stream.acked.size - stream.refused.size - Math.max(kept, 0);
  }

  #failed(stream: Stream, first: number, count: number, indefinite: boolean, message: string): void {
    if (indefinite) return;
    for (let i = 0; i < count; i++) stream.refused.set(first + i, message);
    this.counts.refused += count;
  }

  /** Nothing that is sent from now on may be acknowledged. */
  #poison(): void {
    if (this.#poisoned) return;
    this.#poisoned = true;
    for (const stream of this.#streams.values()) {
      if (stream.until === Number.POSITIVE_INFINITY) stream.poisonedAt = Math.min(stream.poisonedAt, stream.intended);
    }
  }

  /** Another opening has found the end of a partition: what was unknown until then is settled there. */
  #at(id: string, partition: number, highWatermark: number): void {
    const topic = this.#topics.get(id);
    const expected = topic?.partitions[partition];
    if (topic === undefined || expected === undefined) return;
    for (const stream of expected.streams) {
      for (const [number, offset] of stream.acked) {
        if (offset < highWatermark || offset >= stream.until) continue;
        if (this.#power && topic.durability === "buffered") stream.acked.delete(number);
        else this.#find("watermark", `${expected.name}: opened at ${highWatermark}, but ${offset} was acknowledged`);
      }
      stream.until = Math.min(stream.until, highWatermark);
    }
    expected.opened = highWatermark;
  }

  #created(name: string, id: string, durability: string, partitions: number): void {
    const known = this.#topics.get(id);
    if (known !== undefined) {
      if (known.deletion === "done") this.#find("changed", `topic ${name} (${id}) was opened, though deleted`);
      return;
    }
    if (!this.#creating.has(name)) this.#find("foreign", `topic ${name} (${id})`);
    this.#topics.set(id, {
      name,
      durability,
      deletion: "none",
      partitions: Array.from({ length: partitions }, (_, number) => ({
        name: `${name}-${number}`,
        start: 0,
        held: [],
        end: 0,
        deleting: 0,
        opened: 0,
        streams: [],
      })),
    });
  }

  #retire(partition: ExpectedPartition): void {
    for (const { number } of partition.streams) this.#streams.delete(number);
    partition.streams = [];
  }

  #count(code: string, first: string, definite = false): void {
    this.codes[code] ??= { count: 0, definite: 0, first };
    this.codes[code].count += 1;
    if (definite) this.codes[code].definite += 1;
  }

  #ackedOf(topic: ExpectedTopic): number {
    return topic.partitions.reduce(
      (sum, { held, streams }) => streams.reduce((more, { acked }) => more + acked.size, sum + held.length),
      0,
    );
  }

  #topic(id: string): ExpectedTopic {
    const topic = this.#topics.get(id);
    if (topic === undefined) throw new Error(`a writer names a topic that it has not created: ${id}`);
    return topic;
  }

  #stream(number: number): Stream {
    const stream = this.#streams.get(number);
    if (stream === undefined) throw new Error(`a writer names a stream that it has not begun: ${number}`);
    return stream;
  }

  #find(fault: Fault, what: string, count = 1): void {
    this.faults[fault] += count;
    this.#findings.push({ fault, what });
  }
}
