// The partitions that a consumer reads, and where it begins in each: at an offset given for it, else where its group
// has committed, else where `from` says.

import type { LogContext } from "../context.js";
import { InvalidArgumentError } from "../errors.js";
import type { TopicPartition } from "../group/strategies/strategy.js";
import { direct, settled } from "../native.js";
import type { TopicState } from "../topic_state.js";
import type { Start, Target } from "./bounds.js";
import type { ReadingOptions } from "./options.js";
import { Place } from "./place.js";

/** The places, if they can be told at once: all topics are open, and nothing has to be looked up. */
export function placesNow(context: LogContext, options: ReadingOptions): Place[] | undefined {
  if (typeof options.from !== "string" || options.group !== undefined) return undefined;
  return placesOf(context, options);
}

/** The places, once topics are open and what must be looked up has been. */
export async function placesSoon(context: LogContext, options: ReadingOptions): Promise<Place[]> {
  const { wanted, from, group } = options;
  for (const { topic } of wanted) {
    if (typeof topic === "string" && context.current(topic) === undefined) await context.open(topic);
  }
  // Where all topics are open, "latest" means the ends as they are at the call.
  const places = placesOf(context, options)!;
  const committed = new Map<string, number>();
  if (group !== undefined) {
    for (const { topic, partition, offset } of await settled(() => context.native.committedOffsets(group))) {
      committed.set(`${topic}-${partition}`, offset);
    }
  }
  const given = new Set(wanted.filter(({ offset }) => offset !== undefined).map(keyOf));
  for (const place of places) {
    const key = `${place.topic.name}-${place.partition}`;
    const offset = committed.get(key);
    if (offset !== undefined) place.committed = offset;
    if (given.has(key)) continue;
    if (offset !== undefined) place.move(offset);
    else if (typeof from !== "string") place.move(await place.offsetOf(from));
  }
  return places;
}

/** The topics of a member of a group, once they are open. */
export async function topicsOf(context: LogContext, { wanted }: ReadingOptions): Promise<TopicState[]> {
  const states: TopicState[] = [];
  for (const { topic } of wanted) {
    const state = context.current(topic) ?? (await context.open(topic as string));
    if (states.includes(state)) throw new InvalidArgumentError(`log.consumer: ${state.name} is given twice`);
    states.push(state);
  }
  return states;
}

/** The places of partitions that a member has got, where its group has committed, or where it begins. */
export async function placesGained(
  context: LogContext,
  { group, from }: ReadingOptions,
  topics: readonly TopicState[],
  gained: readonly TopicPartition[],
): Promise<Place[]> {
  const committed = await settled(() => context.native.committedOffsets(group!));
  const { began } = direct(() => context.native.groupMembers(group!));
  // What is added while the group reads is read from its beginning: its first records have come since.
  const isNew = ({ topic, partition }: TopicPartition) =>
    began.some((size) => size.topic === topic && partition >= size.partitions);
  return Promise.all(
    gained.map(async ({ topic, partition }) => {
      const place = new Place(topics.find(({ name }) => name === topic)!, partition, 0);
      const known = committed.find((one) => one.topic === topic && one.partition === partition);
      if (known !== undefined) place.committed = known.offset;
      if (known !== undefined) place.move(known.offset);
      else if (from === "earliest" || (from === "latest" && isNew({ topic, partition }))) place.moveToStart();
      else place.move(await place.offsetOf(begin(from)));
      return place;
    }),
  );
}

function begin(from: Start): Target {
  if (typeof from !== "string") return from;
  return { to: from };
}

/** The partitions, if all their topics are open; those that begin at a time stand at the log start yet. */
function placesOf(context: LogContext, { wanted, from }: ReadingOptions): Place[] | undefined {
  const places: Place[] = [];
  const seen = new Set<string>();
  for (const { topic, partition, offset } of wanted) {
    const state = context.current(topic);
    if (state === undefined) return undefined;
    const numbers = partition === undefined ? Array.from({ length: state.partitionCount }, (_, n) => n) : [partition];
    for (const number of numbers) {
      const id = `${state.name}-${number}`;
      if (seen.has(id)) throw new InvalidArgumentError(`log.consumer: ${id} is given twice`);
      seen.add(id);
      const place = new Place(state, number, 0);
      if (offset !== undefined) place.move(offset);
      else if (from === "latest") place.move(place.native.highWatermark);
      else place.moveToStart();
      places.push(place);
    }
  }
  return places;
}

function keyOf({ topic, partition }: ReadingOptions["wanted"][number]): string {
  return `${typeof topic === "string" ? topic : topic.name}-${partition}`;
}
