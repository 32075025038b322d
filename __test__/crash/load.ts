// The mixed load that crashes are thrown into: four producers with single sends and batches of 10 B to more than
// 300 KiB into durable and buffered partitions whose segments roll all the time, while records are deleted and topics
// come and go. It never ends by itself, unless everything it tries fails.

import type { Producer, Topic, TopicConfig } from "../../ts/index.js";
import { sleep } from "../support/expect.js";
import type { Dice } from "./dice.js";
import { SMALLEST } from "./payload.js";
import { attempt, type Stream, type Witness } from "./witness.js";

/** Streams that one load may begin: a process with a thread in it has two loads. */
export const STREAMS = 128;

const TOPICS: readonly (readonly [string, TopicConfig])[] = [
  ["durable", { durability: "fsync", partitions: 3, segment: { bytes: 512 << 10 } }],
  ["buffered", { durability: "buffered", partitions: 2, segment: { bytes: 256 << 10 } }],
];
const PASSING: TopicConfig = { durability: "fsync", partitions: 2, segment: { bytes: 64 << 10 } };
/** Failed steps in a row after which a producer gives up: the disk is gone. */
const PATIENCE = 20;

/** What a load leaves out or adds. */
export interface LoadOptions {
  /** Sends only: no records or topics are deleted. */
  steady?: boolean;
  /** Topics are deleted while sends to them are on their way; else these are waited for. */
  racing?: boolean;
}

/** Writes until nothing works any more. */
export async function writeOnAndOn(witness: Witness, dice: Dice, options: LoadOptions = {}): Promise<void> {
  const targets = new Targets();
  for (const [name, config] of TOPICS) {
    const topic = await witness.topic(name, config);
    if (topic !== undefined) targets.add(topic);
  }
  const lanes = Array.from({ length: 4 }, () => new Lane(witness, dice, targets));
  await Promise.all([
    ...lanes.map((lane) => lane.run()),
    ...(options.steady ? [] : [deleteRecords(witness, dice, targets), comeAndGo(witness, dice, targets, options)]),
  ]);
}

/** The topics that are there to be written to, by id, and how many are at it. */
class Targets {
  readonly #topics = new Map<string, Topic>();
  readonly #busy = new Map<string, number>();

  get empty(): boolean {
    return this.#topics.size === 0;
  }

  add(topic: Topic): void {
    this.#topics.set(topic.id, topic);
  }

  drop({ id }: Topic): void {
    this.#topics.delete(id);
  }

  /** Does something to one of them. */
  async use<T>(dice: Dice, work: (topic: Topic) => Promise<T>): Promise<T> {
    const topic = dice.pick([...this.#topics.values()]);
    this.#busy.set(topic.id, this.#count(topic) + 1);
    try {
      return await work(topic);
    } finally {
      this.#busy.set(topic.id, this.#count(topic) - 1);
    }
  }

  /** Waits until nothing is being done to a topic. */
  async quiet(topic: Topic): Promise<void> {
    while (this.#count(topic) > 0) await sleep(1);
  }

  #count({ id }: Topic): number {
    return this.#busy.get(id) ?? 0;
  }
}

/** One producer and its streams. */
class Lane {
  readonly #witness: Witness;
  readonly #dice: Dice;
  readonly #targets: Targets;
  readonly #producer: Producer;
  readonly #streams = new Map<string, Stream>();

  constructor(witness: Witness, dice: Dice, targets: Targets) {
    this.#witness = witness;
    this.#dice = dice;
    this.#targets = targets;
    this.#producer = witness.log.producer();
  }

  async run(): Promise<void> {
    for (let failed = 0; failed < PATIENCE && !this.#targets.empty; ) {
      const outcomes = await this.#targets.use(this.#dice, (topic) => this.#step(topic));
      failed = outcomes.some((error) => error === undefined) ? 0 : failed + 1;
    }
  }

  async #step(topic: Topic): Promise<unknown[]> {
    const dice = this.#dice;
    if (dice.chance(70)) {
      // Several at once: they travel together, and what comes of one says nothing about the next.
      return Promise.all(
        Array.from({ length: dice.between(1, 6) }, () =>
          this.#witness.send(this.#stream(topic, dice.below(topic.partitions)), size(dice)),
        ),
      );
    }
    const streams = Array.from({ length: topic.partitions }, (_, partition) => this.#stream(topic, partition));
    const sizes = Array.from({ length: dice.between(1, 120) }, () => Math.min(size(dice), 8_000));
    return [await this.#witness.sendBatch(streams, sizes)];
  }

  #stream(topic: Topic, partition: number): Stream {
    const key = `${topic.id}:${partition}`;
    const stream = this.#streams.get(key) ?? this.#witness.stream(this.#producer, topic, partition);
    this.#streams.set(key, stream);
    return stream;
  }
}

function size(dice: Dice): number {
  const roll = dice.below(1000);
  if (roll < 650) return dice.between(SMALLEST, 100);
  if (roll < 965) return dice.between(100, 4_000);
  if (roll < 994) return dice.between(4_000, 64_000);
  return dice.between(300 << 10, 400 << 10);
}

async function deleteRecords(witness: Witness, dice: Dice, targets: Targets): Promise<void> {
  for (let failed = 0; failed < PATIENCE && !targets.empty; ) {
    await sleep(dice.between(5, 60));
    await targets.use(dice, async (topic) => {
      const described = await attempt(witness.tell, "describe", () => topic.describe());
      failed = described === undefined ? failed + 1 : 0;
      const { partition, logStartOffset, highWatermark } = dice.pick(described?.partitions ?? [NOTHING]);
      if (highWatermark - logStartOffset < 100) return;
      const before = logStartOffset + dice.between(1, highWatermark - logStartOffset);
      const done = await witness.deleteRecords(topic, partition, before);
      failed = done ? 0 : failed + 1;
    });
  }
}

const NOTHING = { partition: 0, logStartOffset: 0, highWatermark: 0 };

/** Creates, fills and deletes topics under the same few names, and leaves some to whoever opens the store next. */
async function comeAndGo(witness: Witness, dice: Dice, targets: Targets, { racing }: LoadOptions): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    const topic = await witness.topic(`passing-${dice.below(3)}`, PASSING);
    if (topic === undefined) return;
    targets.add(topic);
    await sleep(dice.between(1, 60));
    if (dice.chance(30)) continue;
    if (!racing) {
      targets.drop(topic);
      await targets.quiet(topic);
    }
    await witness.deleteTopic(topic);
    targets.drop(topic);
  }
}
