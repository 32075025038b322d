// Where the records of a committed transaction are.

import type { NativeTransactionOutcome } from "../native.js";
import { type BatchResult, batchResult, type Part, type Run } from "../producer/result.js";
import type { AnyTopic } from "../topic.js";

/** Records of one topic and partition with consecutive offsets. */
export interface TransactionRun extends Run {
  readonly topic: string;
}

/** What became of a transaction. */
export interface TransactionOutcome {
  /**
   * `"committed"`: all of it is in the log. `"not-committed"`: nothing is, and nothing will be. `"open"`: nothing is,
   * but whoever has its id may still commit it; take the id over, by `log.transactionalProducer`, and it can't be.
   */
  readonly status: "committed" | "not-committed" | "open";
  /** Where its records are, if it is the last that was committed under its id; null otherwise. */
  readonly runs: readonly TransactionRun[] | null;
}

/** What was sent to one topic, in the order of the sends. */
export interface SentTo {
  topic: string;
  parts: Part[];
}

let makeResult: (sent: readonly SentTo[], runs: TransactionRun[]) => TransactionResult;

/** What a commit gives. */
export class TransactionResult {
  /** Runs of consecutive offsets, in order for each partition. A transaction is one run in each, or few. */
  readonly runs: readonly TransactionRun[];
  readonly #sent: readonly SentTo[];

  private constructor(sent: readonly SentTo[], runs: TransactionRun[]) {
    this.#sent = sent;
    this.runs = runs;
  }

  static {
    makeResult = (sent, runs) => new TransactionResult(sent, runs);
  }

  /** Where the records of one topic are, each by its place among those sent to it: 0 is the first. */
  of(topic: AnyTopic | string): BatchResult {
    const name = typeof topic === "string" ? topic : topic.name;
    const parts = this.#sent.find((sent) => sent.topic === name)?.parts ?? [];
    const count = parts.reduce((sum, part) => sum + part.count, 0);
    // Runs are those of all parts together, so the parts become one.
    const partitions = new Uint32Array(count);
    let at = 0;
    for (const part of parts) {
      if (part.partitions === null) partitions.fill(part.partition, at, at + part.count);
      else partitions.set(part.partitions, at);
      at += part.count;
    }
    const runs = this.runs
      .filter((run) => run.topic === name)
      .flatMap(({ partition, baseOffset, count, timestamp }) => [partition, baseOffset, count, timestamp]);
    return batchResult(count, [{ count, partition: 0, partitions, runs }]);
  }
}

/** The result of a commit, out of the engine's numbers: place of the topic, partition, base offset, count and time. */
export function transactionResult(sent: readonly SentTo[], numbers: readonly number[]): TransactionResult {
  const runs: TransactionRun[] = [];
  for (let i = 0; i < numbers.length; i += 5) {
    const [topic, partition, baseOffset, count, timestamp] = numbers.slice(i, i + 5) as [
      number,
      number,
      number,
      number,
      number,
    ];
    runs.push({ topic: sent[topic]!.topic, partition, baseOffset, count, timestamp });
  }
  return makeResult(sent, runs);
}

/** An outcome as users get it. */
export function outcomeOf({ status, runs }: NativeTransactionOutcome): TransactionOutcome {
  return { status: status as TransactionOutcome["status"], runs: runs ?? null };
}
