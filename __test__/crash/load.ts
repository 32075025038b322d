// The mixed load that crashes are thrown into: four producers with single sends and batches of 10 B to more than
// 300 KiB into durable and buffered partitions whose segments roll all the time, while records are deleted and topics
// come and go. It never ends by itself, unless everything it tries fails.

import type { Producer, Topic, TopicConfig } from "../../ts/index.js";
import { sleep } from "../support/expect.js";
import type { Dice } from "./dice.js";
import { SMALLEST } from "./payload.js";
import type { Stream, Witness } from "./witness.js";

/** Streams that one load may begin: a process with a thread in it has two loads. */
export const STREAMS = 128;

const TOPICS: readonly (readonly [string, TopicConfig])[] = [
  ["durable", { durability: "fsync", partitions: 3, segment: { bytes: 512 << 10 } }],
  ["buffered", { durability: "buffered", partitions: 2, segment: { bytes: 256 << 10 } }],
];
const PASSING: TopicConfig = { durability: "fsync", partitions: 2, segment: { bytes: 64 << 10 } };
/** Failed steps in a row after which a producer gives up: the disk is gone. */
const PATIENCE = 20;

/** Writes until nothing works any more; `steady` leaves out what concerns whole topics. */
export async function writeOnAndOn(witness: Witness, dice: Dice, { steady = false } = {}): Promise<void> {
  const topics: Topic[] = [];
  for (const [name, config] of TOPICS) {
    const topic = await witness.topic(name, config);
    if (topic !== undefined) topics.push(topic);
  }
  const lanes = Array.from({ length: 4 }, () => new Lane(witness, dice));
  await Promise.all([
    ...lanes.map((lane) => lane.run(topics)),
    ...(steady ? [] : [deleteRecords(witness, dice, topics), comeAndGo(witness, dice, topics)]),
  ]);
}

/** One producer and its streams. */
class Lane {
  readonly #witness: Witness;
  readonly #dice: Dice;
  readonly #producer: Producer;
  readonly #streams = new Map<string, Stream>();

  constructor(witness: Witness, dice: Dice) {
    this.#witness = witness;
    this.#dice = dice;
    this.#producer = witness.log.producer();
  }

  async run(topics: readonly Topic[]): Promise<void> {
    const dice = this.#dice;
    for (let failed = 0; failed < PATIENCE && topics.length > 0; ) {
      const topic = dice.pick(topics);
      let outcomes: unknown[];
      if (dice.chance(70)) {
        // Several at once: they travel together, and what comes of one says nothing about the next.
        outcomes = await Promise.all(
          Array.from({ length: dice.between(1, 6) }, () =>
            this.#witness.send(this.#stream(topic, dice.below(topic.partitions)), size(dice)),
          ),
        );
      } else {
        const streams = Array.from({ length: topic.partitions }, (_, partition) => this.#stream(topic, partition));
        const sizes = Array.from({ length: dice.between(1, 120) }, () => Math.min(size(dice), 8_000));
        outcomes = [await this.#witness.sendBatch(streams, sizes)];
      }
      failed = outcomes.some((error) => error === undefined) ? 0 : failed + 1;
    }
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

async function deleteRecords(witness: Witness, dice: Dice, topics: readonly Topic[]): Promise<void> {
  for (let turn = 0; topics.length > 0; turn++) {
    await sleep(dice.between(5, 60));
    const described = await witness.attempt("describe", () => dice.pick(topics).describe());
    // Without an answer the topic has just gone, or the store has.
    if (described === undefined) {
      if (turn > PATIENCE) return;
      continue;
    }
    const topic = topics.find(({ id }) => id === described.id);
    const { partition, logStartOffset, highWatermark } = dice.pick(described.partitions);
    if (topic === undefined || highWatermark - logStartOffset < 100) continue;
    const before = logStartOffset + dice.between(1, highWatermark - logStartOffset);
    await witness.deleteRecords(topic, partition, before);
  }
}

/** Creates, fills and deletes topics under the same few names, and leaves some to whoever opens the store next. */
async function comeAndGo(witness: Witness, dice: Dice, topics: Topic[]): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    const topic = await witness.topic(`passing-${dice.below(3)}`, PASSING);
    if (topic === undefined) return;
    topics.push(topic);
    await sleep(dice.between(1, 60));
    if (dice.chance(30)) continue;
    // Sends that are on their way may meet the end of their topic.
    if (dice.chance(60)) topics.splice(topics.indexOf(topic), 1);
    await witness.deleteTopic(topic);
    if (topics.includes(topic)) topics.splice(topics.indexOf(topic), 1);
  }
}
