// `tidelog tail`: prints a topic's records and goes on as more are written.

import type { From } from "../consumer/bounds.js";
import { checkFilter } from "../consumer/options.js";
import type { Log } from "../log.js";
import type { ConsumerRecord } from "../record.js";
import { isoTime, jsonBytes, printable } from "./bytes_text.js";
import type { Command, Invocation } from "./command.js";
import { DONE, UsageError } from "./exit.js";
import { PLACES, placeOf, wholeNumber } from "./places.js";
import { reading } from "./store.js";

type Bytes = ConsumerRecord<Uint8Array, Uint8Array>;

export const tail: Command = {
  name: "tail",
  summary: "Prints a topic's records, and those that a writer appends meanwhile.",
  operands: ["store", "topic"],
  options: {
    partition: { type: "string", short: "p", value: "number", help: "read this partition only (default: all)" },
    from: {
      type: "string",
      short: "f",
      value: "place",
      help: PLACES,
    },
    filter: { type: "string", value: "condition", help: "print only these, for example \"key LIKE 'o-%'\"" },
    "until-end": { type: "boolean", short: "e", help: "stop at the end that the topic has now" },
    count: { type: "string", short: "n", value: "number", help: "stop after this many records" },
    format: { type: "string", value: "text|json", help: "a line of text or of JSON a record (default: text)" },
  },
  notes: `Begins at latest, or at earliest with --until-end, unless --from says otherwise. An offset needs --partition where
the topic has several. A filter is a condition of SQL over key, headers.NAME, partition, offset and timestamp; what it
does not keep does not count. Records of one partition come in their order; partitions take turns. --json is the same as
--format json: one object a line; bytes that are not UTF-8 are given as {"base64": "..."}. In text, control
characters are escaped. Ctrl-C ends it with exit code 0.`,
  run: (invocation) => {
    // Wrong arguments are told before the store is opened.
    const asked = readOptions(invocation);
    const { operands, output, signal } = invocation;
    const [path = "", topic = ""] = operands;
    return reading(path, async (log) => {
      let left = asked.count;
      if (left === 0) return DONE;
      for await (const records of batchesOf(log, topic, asked, signal)) {
        let text = "";
        for (const record of records) {
          if (left === 0) break;
          left -= 1;
          text += `${asked.json ? jsonLine(record) : textLine(record)}\n`;
        }
        await output.write(text);
        if (left === 0) break;
      }
      return DONE;
    });
  },
};

interface Asked {
  readonly partition: number | undefined;
  /** Where to begin; an offset goes before it. */
  readonly from: From;
  readonly offset: number | undefined;
  readonly filter: string | undefined;
  readonly untilEnd: boolean;
  readonly count: number;
  readonly json: boolean;
}

function readOptions({ text, flag }: Invocation): Asked {
  const untilEnd = flag("until-end");
  const format = text("format") ?? (flag("json") ? "json" : "text");
  if (format !== "text" && format !== "json")
    throw new UsageError(`--format must be text or json, not ${format}`, "tail");
  const number = (option: string) => {
    const given = text(option);
    return given === undefined ? undefined : wholeNumber("tail", option, given);
  };
  const filter = text("filter");
  checkFilter("--filter", filter);
  return {
    partition: number("partition"),
    ...start(text("from") ?? (untilEnd ? "earliest" : "latest")),
    filter,
    untilEnd,
    count: number("count") ?? Number.POSITIVE_INFINITY,
    json: format === "json",
  };
}

function start(given: string): Pick<Asked, "from" | "offset"> {
  const place = placeOf("tail", "from", given);
  if (typeof place === "object" && "offset" in place) return { from: "earliest", offset: place.offset };
  return { from: place, offset: undefined };
}

/** The records asked for, a batch at a time; ends without an error when the signal is aborted. */
async function* batchesOf(log: Log, name: string, asked: Asked, signal: AbortSignal): AsyncGenerator<Iterable<Bytes>> {
  const topic = await log.openTopic(name);
  if (asked.offset !== undefined && asked.partition === undefined && topic.partitions > 1) {
    throw new UsageError(`an offset needs --partition: ${name} has ${topic.partitions} partitions`, "tail");
  }
  const { partition = 0, offset, from } = asked;
  const whole = asked.partition === undefined && offset === undefined;
  const consumer = log.consumer({
    ...(whole ? { topics: [topic] } : { assign: [{ topic, partition, offset }] }),
    from,
    filter: asked.filter,
    until: asked.untilEnd ? "end" : "live",
    // What retention deletes meanwhile is passed over; an offset that was asked for must be there.
    onOutOfRange: offset === undefined ? "earliest" : "error",
    signal,
  });
  try {
    yield* consumer.batches();
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await consumer.close();
  }
}

function jsonLine({ topic, partition, offset, timestamp, key, value, headers }: Bytes): string {
  return JSON.stringify({
    topic,
    partition,
    offset,
    timestamp,
    key: jsonBytes(key),
    value: jsonBytes(value),
    headers: headers.map(([name, bytes]) => [name, jsonBytes(bytes)]),
  });
}

/** Place, time, headers as `name=value`, key and value; `-` stands for null. */
function textLine({ partition, offset, timestamp, key, value, headers }: Bytes): string {
  const named = headers.map(([name, bytes]) => `${printable(Buffer.from(name))}=${orDash(bytes)}`).join(",");
  const fields = [`${partition}:${offset}`, isoTime(timestamp), ...(named === "" ? [] : [`[${named}]`])];
  return [...fields, orDash(key), orDash(value)].join("  ");
}

function orDash(bytes: Uint8Array | null): string {
  return bytes === null ? "-" : printable(bytes);
}
