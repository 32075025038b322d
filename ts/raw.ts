// The raw side, for those who build brokers: partitions that append and read encoded record batches without
// decoding them.

import { onAbort } from "./abort.js";
import type { LogContext } from "./context.js";
import { AbortedError, BufferTooSmallError, InvalidArgumentError, TidelogError } from "./errors.js";
import { type Completion, direct, type NativePartition, settled, tickets } from "./native.js";
import { fromNative } from "./native_errors.js";
import { checkInteger, checkName, checkOptions, checkSignal, checkTime, shown } from "./options.js";
import type { WaitOptions } from "./producer/options.js";
import { showAs } from "./shown_as.js";
import type { AnyTopic } from "./topic.js";

/** Where an appended batch went. */
export interface AppendedBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The time of the append in ms since 1970 where the topic uses that, else -1. */
  readonly timestamp: number;
  /** Whether it was in the log already: where it is, was told, and nothing was appended. */
  readonly duplicate: boolean;
}

/** Whom a record batch is from, as its header says. */
export interface ProducerId {
  readonly producerId: bigint;
  /** From 0 to 32767. */
  readonly epoch: number;
}

/** What a raw read found. */
export interface RawRead {
  /** Whole batches, at the start of the buffer that was given; the first may begin before the offset asked for. */
  readonly bytes: Buffer;
  /** The offset to read on from. */
  readonly next: number;
}

let makePartition: (context: LogContext, native: NativePartition) => RawPartition;

/** A partition of an open topic, for encoded batches. */
export class RawPartition {
  readonly #context: LogContext;
  readonly #native: NativePartition;

  private constructor(context: LogContext, native: NativePartition) {
    this.#context = context;
    this.#native = native;
  }

  static {
    showAs(RawPartition, ({ topic, partition }) => ({ topic, partition }));
    makePartition = (context, native) => new RawPartition(context, native);
  }

  /** The topic's name. */
  get topic(): string {
    return this.#native.topic;
  }

  /** The partition's number. */
  get partition(): number {
    return this.#native.index;
  }

  /** The first offset held. */
  get logStartOffset(): number {
    return direct(() => this.#native.logStartOffset);
  }

  /** The offset behind the last record that may be read. */
  get highWatermark(): number {
    return direct(() => this.#native.highWatermark);
  }

  /** The offset that the next record gets. */
  get logEndOffset(): number {
    return direct(() => this.#native.logEndOffset);
  }

  /**
   * Appends one record batch in Kafka's format (v2), which is checked; its base offset and leader epoch are set here.
   * The bytes are copied before this returns. Resolves once it is as durable as its topic promises. Appends through
   * one partition object are carried out in the order of the calls, whether or not they are awaited.
   *
   * A batch with a producer id is appended once (KIP-98): one of the last five that is appended again gives the place of
   * the first, as a `duplicate`. An older one rejects with `ERR_TIDELOG_DUPLICATE_SEQUENCE`: it is in the log, but where is
   * not known any more. Sequences that leave some out reject with `OutOfOrderSequenceError`, an epoch that is no longer
   * the newest with `ProducerFencedError`, a producer id that `initProducerId` never gave, or that was forgotten, with
   * `ERR_TIDELOG_UNKNOWN_PRODUCER`. Each is definite: nothing was appended.
   */
  async append(batch: Uint8Array): Promise<AppendedBatch> {
    this.#context.checkOpen();
    checkBytes("append", "batch", batch);
    const { numbers } = await tickets().request((completions, ticket) => {
      this.#native.append(completions, ticket, batch);
    });
    const [baseOffset, lastOffset, timestamp, duplicate] = numbers as [number, number, number, number];
    return { baseOffset, lastOffset, timestamp, duplicate: duplicate === 1 };
  }

  /**
   * Reads whole batches from the one that holds `offset` on into `buffer`, up to the high watermark: at least one if
   * there is any, and no more than `maxBytes` (default: what the buffer holds) beside that. None at the end. Where the
   * first does not fit, `ERR_TIDELOG_BUFFER_TOO_SMALL` tells in `needed` what it takes.
   */
  async readInto(buffer: Uint8Array, options: { offset: number; maxBytes?: number | undefined }): Promise<RawRead> {
    const where = "partition.readInto";
    this.#context.checkOpen();
    checkBytes("readInto", "buffer", buffer);
    checkOptions(where, options ?? null, ["offset", "maxBytes"]);
    const offset = checkInteger(where, "offset", options.offset);
    const maxBytes = Math.min(checkInteger(where, "maxBytes", options.maxBytes ?? buffer.length, 0), buffer.length);
    const { ticket, numbers } = await tickets().request((completions, number) => {
      this.#native.read(completions, number, offset, maxBytes);
    });
    const [length, next] = numbers as [number, number];
    if (length > buffer.length) {
      direct(() => tickets().completions.discard(ticket));
      throw new BufferTooSmallError(length, buffer.length);
    }
    direct(() => tickets().completions.take(ticket, buffer, null));
    return { bytes: Buffer.from(buffer.buffer, buffer.byteOffset, length), next };
  }

  /** Resolves once there is a record at `offset` that may be read: a long poll. */
  waitFor(offset: number, options?: WaitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const where = "partition.waitFor";
      this.#context.checkOpen();
      checkInteger(where, "offset", offset);
      checkOptions(where, options, ["signal"]);
      const signal = checkSignal(where, options?.signal);
      if (signal?.aborted) throw new AbortedError(where, signal.reason);
      const abort = () => {
        tickets().forget(ticket);
        direct(() => this.#native.cancelWait(tickets().completions, ticket));
        reject(new AbortedError(where, signal?.reason));
      };
      const answered = ({ error }: Completion) => {
        quiet();
        if (error) reject(fromNative(error));
        else resolve();
      };
      const ticket = tickets().issue((completions, number) => {
        this.#native.waitFor(completions, number, offset);
      }, answered);
      const quiet = onAbort([signal], abort);
    });
  }

  /** The first record that is not older than a time, given as a `Date` or in ms since 1970; null where there is none. */
  async offsetForTime(time: number | Date): Promise<{ offset: number; timestamp: number } | null> {
    this.#context.checkOpen();
    const ms = checkTime("partition.offsetForTime", "time", time);
    const found = await settled(() => this.#native.offsetForTime(ms));
    return found === null ? null : { offset: found[0], timestamp: found[1] };
  }
}

/** `log.raw`. */
export interface Raw {
  /**
   * A partition of a topic that is open in this log, by `log.topic` or `log.openTopic`; throws
   * `ERR_TIDELOG_UNKNOWN_TOPIC` where it is not.
   */
  partition(topic: AnyTopic | string, partition: number): RawPartition;
  /**
   * A producer id for batches, as Kafka's InitProducerId gives it: without a transactional id a fresh one of epoch 0, at
   * once; with one always the same, its epoch raised durably, so that whoever had it before is fenced.
   */
  initProducerId(transactionalId?: string): Promise<ProducerId>;
}

/** Makes `log.raw`. */
export function rawOf(context: LogContext): Raw {
  return {
    partition(topic, partition) {
      context.checkOpen();
      const state = context.resolve(topic);
      if (state === undefined) {
        throw new TidelogError(
          "ERR_TIDELOG_UNKNOWN_TOPIC",
          `topic ${shown(topic)} is not open in this log; await log.openTopic(${shown(topic)}) first`,
        );
      }
      return makePartition(context, state.partition(partition));
    },
    async initProducerId(transactionalId) {
      context.checkOpen();
      if (transactionalId !== undefined) checkName("raw.initProducerId", "transactionalId", transactionalId);
      return settled(() => context.native.initProducerId(transactionalId ?? null));
    },
  };
}

function checkBytes(method: string, name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) {
    throw new InvalidArgumentError(`partition.${method}: ${name} must be a Uint8Array, not ${shown(value)}`);
  }
}
