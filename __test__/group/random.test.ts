// time limit: 4200 s
// Consumers and processes that join, leave, change what they subscribe to and stall at random, while records come in and a
// plain model watches: a partition has one owner at a time, nothing is skipped, each record is handled at least once, and by
// `log.process` exactly once. TIDELOG_SEED picks the seed, TIDELOG_GROUP_STEPS the steps (default 300, for long 20,000).

import * as assert from "uvu/assert";
import { json, type Log, type Topic } from "../../ts/index.js";
import { Dice } from "../crash/dice.js";
import { all, range, sleep } from "../support/expect.js";
import { suite } from "../support/suite.js";

const { test, run } = suite("groups at random");

const SEED = Number(process.env["TIDELOG_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const STEPS = Number(process.env["TIDELOG_GROUP_STEPS"] ?? 300);
const LIMIT_MS = 100_000 + STEPS * 200;
const PARTITIONS = 4;
const TOPICS = ["a", "b"] as const;

type Numbers = Topic<Uint8Array, number, Buffer, number>;
interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** What a group of consumers is held to. */
class Model {
  readonly #owners = new Map<string, object>();
  /** The offsets below which everything was handled. */
  readonly #handled = new Map<string, number>();
  /** Who is handling something of a partition. */
  readonly #hands = new Map<string, Actor>();
  moves = 0;
  lost = 0;
  again = 0;

  gain(actor: Actor, places: readonly Place[]): void {
    if (actor.leaving) return;
    for (const place of places) {
      assert.not(this.#owners.has(at(place)), `${at(place)} has two owners`);
      assert.not(this.#hands.has(at(place)), `${at(place)} goes round while something of it is in hand`);
      this.#owners.set(at(place), actor);
      this.moves += 1;
    }
  }

  giveUp(actor: Actor, places: readonly Place[]): void {
    if (actor.leaving) return;
    for (const place of places) {
      assert.is(this.#owners.get(at(place)), actor, `${at(place)} is given up by who does not own it`);
      this.#owners.delete(at(place));
    }
  }

  /** Something was handed out. */
  begin(actor: Actor, place: Place): void {
    if (actor.leaving) actor.late = true;
    else this.#hands.set(at(place), actor);
  }

  /** It was handled. */
  end(actor: Actor, place: Place): void {
    if (this.#hands.get(at(place)) === actor) this.#hands.delete(at(place));
  }

  /** It was expelled. */
  lose(actor: Actor, places: readonly Place[]): void {
    this.lost += 1;
    this.#letGo(actor);
    this.giveUp(actor, places);
  }

  #letGo(actor: Actor): void {
    for (const [place, holder] of this.#hands) if (holder === actor) this.#hands.delete(place);
  }

  handle(actor: Actor, record: Place & { offset: number }): void {
    // What was handed out when it was told to close may come to its loop just after that: another handles it again.
    if (actor.leaving) assert.not(actor.late, `${at(record)} is read by who has left`);
    else assert.is(this.#owners.get(at(record)), actor, `${at(record)} is read by who does not own it`);
    const handled = this.#handled.get(at(record)) ?? 0;
    assert.ok(record.offset <= handled, `${at(record)}: ${handled} was skipped`);
    if (record.offset < handled) this.again += 1;
    this.#handled.set(at(record), Math.max(handled, record.offset + 1));
  }

  /** What it owned is anybody's from here on. */
  leave(actor: Actor): void {
    actor.leaving = true;
    this.#letGo(actor);
    for (const [place, owner] of this.#owners) if (owner === actor) this.#owners.delete(place);
  }

  handled(place: Place): number {
    return this.#handled.get(at(place)) ?? 0;
  }
}

const at = ({ topic, partition }: Place) => `${topic}-${partition}`;

/** Somebody in a group. */
interface Actor {
  stall: boolean;
  leaving: boolean;
  /** It has handled something since. */
  late: boolean;
  leave(): Promise<void>;
}

class World {
  readonly log: Log;
  readonly dice: Dice;
  readonly topics: Record<string, Numbers>;
  readonly out: Topic<Uint8Array, string, Buffer, string>;
  readonly model = new Model();
  readonly consumers: Actor[] = [];
  readonly processes: Actor[] = [];
  failure: unknown;
  stalls = 0;
  #ids = 0;
  #sent = 0;

  constructor(log: Log, dice: Dice, topics: Record<string, Numbers>, out: Topic<Uint8Array, string, Buffer, string>) {
    this.log = log;
    this.dice = dice;
    this.topics = topics;
    this.out = out;
  }

  async send(count: number): Promise<void> {
    for (const name of TOPICS) {
      const records = range(count).map(() => ({ value: this.#sent++, partition: this.dice.below(PARTITIONS) }));
      await this.log.producer().sendBatch(this.topics[name]!, records);
    }
  }

  /** Most subscribe to both topics; somebody must read each in the end. */
  subscription(): Numbers[] {
    const names = this.dice.chance(33) ? [this.dice.pick(TOPICS)] : TOPICS;
    return names.map((name) => this.topics[name]!);
  }

  async #hold(actor: Actor, place: Place): Promise<void> {
    this.model.begin(actor, place);
    await this.#handle(actor);
    this.model.end(actor, place);
  }

  async #handle(actor: Actor): Promise<void> {
    if (actor.stall) {
      actor.stall = false;
      this.stalls += 1;
      await sleep(1200 + this.dice.below(400));
    } else if (this.dice.chance(10)) {
      await sleep(this.dice.below(5));
    }
  }

  joinConsumer(topics = this.subscription()): void {
    const { model, dice } = this;
    const actor: Actor = { stall: false, leaving: false, late: false, leave: async () => {} };
    const consumer = this.log.consumer({
      topics,
      group: "g",
      readBytes: 1024,
      sessionTimeoutMs: 30_000,
      maxPollIntervalMs: 1000,
      ...(dice.chance(25) ? { instanceId: `fixed-${this.#ids++}` } : {}),
      onRebalance: {
        assigned: (places) => model.gain(actor, places),
        revoked: (places) => model.giveUp(actor, places),
        lost: (places) => model.lose(actor, places),
      },
    });
    const how = dice.below(3);
    const read = async () => {
      if (how === 0) {
        await consumer.run(
          async (record) => {
            model.handle(actor, record);
            await this.#hold(actor, record);
          },
          { concurrency: 1 },
        );
      } else if (how === 1) {
        for await (const batch of consumer.batches()) {
          for (const { topic, partition, offset } of batch) model.handle(actor, { topic, partition, offset });
          await this.#hold(actor, batch);
        }
      } else {
        for await (const record of consumer) {
          model.handle(actor, record);
          await this.#hold(actor, record);
        }
      }
    };
    const reading = read().catch((error) => {
      this.failure ??= error;
    });
    actor.leave = async () => {
      model.leave(actor);
      await consumer.close();
      await reading;
    };
    this.consumers.push(actor);
  }

  joinProcess(topics = this.subscription()): void {
    const actor: Actor = { stall: false, leaving: false, late: false, leave: async () => {} };
    const end = new AbortController();
    const processing = this.log
      .process(
        {
          id: `p${this.#ids++}`,
          group: "p",
          from: topics,
          batch: 1 + this.dice.below(20),
          retry: { delayMs: 1 },
          maxPollIntervalMs: 1000,
          signal: end.signal,
        },
        async ({ topic, partition, offset }, tx) => {
          tx.send(this.out, { value: `${topic}-${partition}-${offset}` });
          await this.#handle(actor);
          if (this.dice.chance(2)) throw new Error("as it happens");
        },
      )
      .catch((error) => {
        if (error.name !== "AbortError") this.failure ??= error;
      });
    actor.leave = async () => {
      end.abort();
      await processing;
    };
    this.processes.push(actor);
  }

  async step(): Promise<void> {
    const { dice } = this;
    const [actors, join] = dice.chance(50)
      ? [this.consumers, () => this.joinConsumer()]
      : [this.processes, () => this.joinProcess()];
    switch (dice.below(8)) {
      case 0:
        if (actors.length < 5) join();
        break;
      case 1:
        // One that leaves while it stalls keeps the others waiting for it.
        if (actors.length > 1) await actors.splice(dice.below(actors.length), 1)[0]!.leave();
        break;
      case 2:
        if (actors.length > 0 && dice.chance(25)) actors[dice.below(actors.length)]!.stall = true;
        break;
      case 3:
        await this.send(5 + dice.below(30));
        break;
      default:
        await sleep(dice.below(20));
    }
    if (dice.chance(5)) await this.check();
    if (this.failure !== undefined) throw this.failure;
  }

  /** No more is committed than was handled. */
  async check(): Promise<void> {
    for (const { topic, partition, offset } of (await this.log.group("g").describe()).offsets) {
      const handled = this.model.handled({ topic, partition });
      assert.ok(offset <= handled, `${topic}-${partition}: ${offset} committed, ${handled} handled`);
    }
  }

  /** Everyone reads all to the end. */
  async rest(): Promise<void> {
    const both = TOPICS.map((name) => this.topics[name]!);
    this.joinConsumer(both);
    this.joinProcess(both);
    for (const group of ["g", "p"]) {
      for (;;) {
        if (this.failure !== undefined) throw this.failure;
        const { state, offsets } = await this.log.group(group).describe();
        const isDone = offsets.length === PARTITIONS * TOPICS.length && offsets.every(({ lag }) => lag === 0);
        if (state === "stable" && isDone) break;
        await sleep(20);
      }
    }
    await this.check();
    await Promise.all([...this.consumers, ...this.processes].map((actor) => actor.leave()));
    if (this.failure !== undefined) throw this.failure;
  }
}

test(
  "one owner at a time, nothing skipped, all handled, by processes once",
  async ({ open }) => {
    const log = await open({ durability: "fsync" });
    const dice = new Dice(SEED);
    const topics: Record<string, Numbers> = {};
    for (const name of TOPICS) topics[name] = await log.topic(name, { partitions: PARTITIONS, value: json<number>() });
    const out = await log.topic("out", { value: json<string>() });
    const world = new World(log, dice, topics, out);
    await world.send(100);
    for (const _ of range(2)) {
      world.joinConsumer();
      world.joinProcess();
    }
    try {
      for (const _ of range(STEPS)) await world.step();
      await world.rest();
    } catch (error) {
      console.error(`TIDELOG_SEED=${SEED}`);
      throw error;
    }
    const expected: string[] = [];
    for (const name of TOPICS) {
      for (const { partition, highWatermark } of (await topics[name]!.describe()).partitions) {
        assert.is(world.model.handled({ topic: name, partition }), highWatermark, `${name}-${partition}`);
        expected.push(...range(highWatermark).map((offset) => `${name}-${partition}-${offset}`));
      }
    }
    const copied = (await all(log.consumer({ topics: [out], until: "end" }))).map(({ value }) => value!);
    assert.equal(copied.sort(), expected.sort());
    const { moves, lost, again } = world.model;
    console.log(
      `seed ${SEED}: ${STEPS} steps, ${expected.length} records, ${moves} partitions gained, ${world.stalls} stalls, ` +
        `${lost} times lost, ${again} handled again`,
    );
    assert.ok(moves > 20);
  },
  LIMIT_MS,
);

run();
