// A log whose every step is told, as a line, before and after it is done: whoever hears the lines knows what must be
// there when the process is gone in between. Failures are told as well, and go no further.

import {
  type Log,
  type Producer,
  type RecordMetadata,
  TidelogError,
  type Topic,
  type TopicConfig,
} from "../../ts/index.js";
import { payload } from "./payload.js";

/** How to say a line of the oracle's words. */
export type Tell = (line: string) => void;

/** Records from one producer to one partition. */
export interface Stream {
  readonly number: number;
  readonly producer: Producer;
  readonly topic: Topic;
  readonly partition: number;
  next: number;
}

export class Witness {
  readonly log: Log;
  readonly tell: Tell;
  #stream: number;

  /** Streams are numbered from `firstStream` on, as no other process or thread may number them. */
  constructor(log: Log, tell: Tell, firstStream: number) {
    this.log = log;
    this.tell = tell;
    this.#stream = firstStream;
  }

  /** Tells what an opening found: the topics and the ends of their partitions. */
  async tellFound(): Promise<void> {
    for (const name of await this.log.topics()) {
      const topic = await this.log.openTopic(name);
      const { partitions } = await topic.describe();
      this.tell(`found ${name} ${topic.id} ${topic.config.durability} ${topic.partitions}`);
      for (const { partition, logStartOffset, highWatermark } of partitions) {
        this.tell(`at ${topic.id} ${partition} ${logStartOffset} ${highWatermark}`);
      }
    }
  }

  /** Opens or creates a topic; undefined if that failed. */
  topic(name: string, config: TopicConfig): Promise<Topic | undefined> {
    this.tell(`create ${name}`);
    return attempt(this.tell, `create ${name}`, async () => {
      const topic = await this.log.topic(name, config);
      this.tell(`created ${name} ${topic.id} ${topic.config.durability} ${topic.partitions}`);
      return topic;
    });
  }

  async deleteTopic({ name, id }: Topic): Promise<void> {
    this.tell(`delete ${id}`);
    await attempt(this.tell, `delete ${name}`, async () => {
      await this.log.deleteTopic(name);
      this.tell(`deleted ${id}`);
    });
  }

  /** Whether it was done. */
  async deleteRecords(topic: Topic, partition: number, before: number): Promise<boolean> {
    this.tell(`cut ${topic.id} ${partition} ${before}`);
    const start = await attempt(this.tell, `cut ${topic.name}`, async () => {
      const start = await topic.deleteRecords({ partition, before });
      this.tell(`cutDone ${topic.id} ${partition} ${start}`);
      return start;
    });
    return start !== undefined;
  }

  stream(producer: Producer, topic: Topic, partition: number): Stream {
    const stream = { number: this.#stream++, producer, topic, partition, next: 0 };
    this.tell(`stream ${stream.number} ${topic.id} ${partition}`);
    return stream;
  }

  /** Sends one record; gives the error if it failed. */
  async send(stream: Stream, size: number): Promise<TidelogError | undefined> {
    const { number, producer, topic, partition } = stream;
    const id = stream.next++;
    this.tell(`intent ${number} ${id} 1`);
    let sent: RecordMetadata;
    try {
      sent = await producer.send(topic, { value: payload(number, id, size), partition });
    } catch (error) {
      return this.#failed(error, number, id, 1);
    }
    this.tell(`ack ${number} ${id} 1 ${sent.offset}`);
    return undefined;
  }

  /** Sends the records of several streams as one batch, one after the other in turn; gives the error if it failed. */
  async sendBatch(streams: readonly Stream[], sizes: readonly number[]): Promise<TidelogError | undefined> {
    const [{ producer, topic }] = streams as [Stream, ...Stream[]];
    const first = streams.map(({ next }) => next);
    const records = sizes.map((size, i) => {
      const stream = streams[i % streams.length]!;
      return { value: payload(stream.number, stream.next++, size), partition: stream.partition };
    });
    streams.forEach(({ number, next }, i) => {
      if (next > first[i]!) this.tell(`intent ${number} ${first[i]} ${next - first[i]!}`);
    });
    let problem: TidelogError | undefined;
    const offsets = await producer.sendBatch(topic, records).then(
      (result) => result.offsets(),
      (error) => {
        if (!(error instanceof TidelogError)) throw error;
        problem = error;
        return error.appended?.offsets() ?? new Float64Array(records.length).fill(-1);
      },
    );
    streams.forEach(({ number, next }, i) => {
      for (let id = first[i]!, count = 1; id < next; id += count, count = 1) {
        const offsetOf = (id: number) => offsets[(id - first[i]!) * streams.length + i]!;
        const offset = offsetOf(id);
        while (id + count < next && offsetOf(id + count) === (offset < 0 ? offset : offset + count)) count += 1;
        if (offset >= 0) this.tell(`ack ${number} ${id} ${count} ${offset}`);
        else this.#failed(problem, number, id, count);
      }
    });
    return problem;
  }

  #failed(error: unknown, stream: number, first: number, count: number): TidelogError {
    if (!(error instanceof TidelogError)) throw error;
    this.tell(`fail ${stream} ${first} ${count} ${error.indefinite} ${told(error)}`);
    return error;
  }
}

function told({ code, message }: TidelogError): string {
  return `${code} ${message.replaceAll("\n", " ")}`;
}

/** Does something that may fail, and tells of it if it does. */
export async function attempt<T>(tell: Tell, what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TidelogError)) throw error;
    tell(`broken ${what.replaceAll(" ", "-")} ${told(error)}`);
    return undefined;
  }
}
