// What `log.process` can be told, and what it tells.

import { type CheckedUntil, type From, type Start, startOf, type Until, untilOf } from "../consumer/bounds.js";
import type { RebalanceListener } from "../consumer/options.js";
import { InvalidArgumentError } from "../errors.js";
import type { AssignmentStrategy, StrategyName } from "../group/strategies/index.js";
import { type CheckedRetryOptions, type RetryOptions, retryOptions } from "../handling/retry.js";
import { checkInteger, checkName, checkOneOf, checkSignal, shown } from "../options.js";
import type { Duration } from "../time.js";
import type { AnyTopic } from "../topic.js";
import { type CheckedTransactionOptions, type TransactionOptions, transactionOptions } from "../transaction/options.js";

/** What `log.process` can be told. */
export interface ProcessOptions<T = AnyTopic | string> extends TransactionOptions {
  /** The transactional id. Who takes it over, with another `log.process` for example, ends this one. */
  id: string;
  /** The topic to read, or several, whole. */
  from: T | readonly T[];
  /**
   * The group whose offsets are committed with each transaction, and of which it is a member: those of one group share the
   * partitions, each under an id of its own. Default the id.
   */
  group?: string | undefined;
  /** How the members of the group share partitions, as `log.consumer` has it. */
  strategy?: StrategyName | AssignmentStrategy | undefined;
  /** The name of a static member, as `log.consumer` has it. */
  instanceId?: string | undefined;
  /** A member whose event loop stands still for so long is expelled. Default 45,000 ms, 1 s to 30 min. */
  sessionTimeoutMs?: number | Duration | undefined;
  /**
   * A member that is busy with one batch for so long is expelled: the batch is aborted, and whoever gets its partitions is
   * given it again. Default 300,000 ms, 1 s to 24 h.
   */
  maxPollIntervalMs?: number | Duration | undefined;
  /** Told of what the member gains and gives up. */
  onRebalance?: RebalanceListener | undefined;
  /** Where to begin where the group has committed nothing. Default `"earliest"`. */
  start?: From | undefined;
  /**
   * Handles only records of which this is true, as a consumer's `filter`; the others are committed as read. Default none:
   * all records.
   */
  filter?: string | undefined;
  /** Where it ends, as a consumer's. Default `"live"`: it runs until it is aborted. */
  until?: Until | undefined;
  /** Records in one transaction, at most. Default 100. */
  batch?: number | undefined;
  /** What is done about failures. */
  retry?: RetryOptions | undefined;
  /**
   * A topic that takes the records whose handler has failed `retry.attempts` times, or that can't be deserialized, as the
   * bytes that they are. Headers say what happened: `dead.topic`, `dead.partition`, `dead.offset`, `dead.group`, `dead.process`
   * (the `id` of a `log.process`), `dead.attempts` and `dead.error`; `dead.omitted` names what was left out of a letter that
   * would be too large (`headers`, `value`, `key`). It must exist, must not be read here, and must not be compacted.
   * Default none: such a record ends the processing, with a `HandlerError` if its handler failed.
   */
  deadLetter?: AnyTopic | string | undefined;
  /** What to do about a committed offset that is no longer, or not yet, held. Default `"error"`. */
  onOutOfRange?: "error" | "earliest" | "latest" | undefined;
  /** Ends the processing with an `AbortError`, once the handler that is running has returned. */
  signal?: AbortSignal | undefined;
}

/** What `log.process` has done when it ends. */
export interface ProcessReport {
  /** Records whose handler returned and that are committed. */
  readonly processed: number;
  /** Records that went to the dead letter topic. */
  readonly deadLettered: number;
}

/** Checked and complete. */
export interface CheckedProcessOptions {
  id: string;
  topics: readonly (AnyTopic | string)[];
  group: string;
  membership: Pick<ProcessOptions, (typeof MEMBER_NAMES)[number]>;
  start: Start;
  filter: string | undefined;
  until: CheckedUntil;
  batch: number;
  retry: CheckedRetryOptions;
  deadLetter: AnyTopic | string | undefined;
  onOutOfRange: "error" | "earliest" | "latest";
  signal: AbortSignal | undefined;
  transaction: CheckedTransactionOptions;
}

const NAMES = [
  "id",
  "from",
  "group",
  "start",
  "filter",
  "until",
  "batch",
  "retry",
  "deadLetter",
  "onOutOfRange",
  "signal",
];

/** Options of the member, which are the consumer's. */
const MEMBER_NAMES = ["strategy", "instanceId", "sessionTimeoutMs", "maxPollIntervalMs", "onRebalance"] as const;

/** Checks what was given and fills in the defaults. */
export function processOptions(given: ProcessOptions): CheckedProcessOptions {
  const where = "log.process";
  const transaction = transactionOptions(where, given ?? null, [...NAMES, ...MEMBER_NAMES]);
  const { id, from, group = id, start = "earliest", until = "live", batch = 100, onOutOfRange = "error" } = given;
  checkName(where, "id", id);
  checkName(where, "group", group);
  if (from === undefined || from === null) {
    throw new InvalidArgumentError(`${where}: from must be a topic, or an array of topics, not ${shown(from)}`);
  }
  return {
    id,
    topics: Array.isArray(from) ? (from as readonly (AnyTopic | string)[]) : [from as AnyTopic | string],
    group,
    membership: Object.fromEntries(MEMBER_NAMES.map((name) => [name, given[name]])),
    start: startOf(where, start, "start"),
    filter: given.filter,
    until: untilOf(where, until),
    batch: checkInteger(where, "batch", batch, 1),
    retry: retryOptions(where, given.retry),
    deadLetter: given.deadLetter,
    onOutOfRange: checkOneOf(where, "onOutOfRange", onOutOfRange, ["error", "earliest", "latest"]),
    signal: checkSignal(where, given.signal),
    transaction,
  };
}
