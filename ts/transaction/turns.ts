// `log.transaction`: the functions given for one transactional id, run one after the other, each in a transaction that
// is committed when it returns. A function that does not return loses its turn with its transaction.

import { AsyncLocalStorage } from "node:async_hooks";
import { abortable, checkAborted } from "../abort.js";
import type { LogContext } from "../context.js";
import { type ErrorCode, InvalidArgumentError, TidelogError } from "../errors.js";
import { checkName, checkSignal, shown } from "../options.js";
import { type CheckedTransactionOptions, type RunOptions, transactionOptions } from "./options.js";
import { openTransactional, type TransactionalProducer } from "./producer.js";
import { endOf, isGivenUp, startClock, type Transaction } from "./transaction.js";

/** A function that has its turn. */
interface Turn {
  readonly turns: Turns;
  /** The ids whose turns calls made in it are waiting for. */
  readonly waitsFor: Turns[];
}

/** What ends a turn at once, whether or not its function has returned. */
const IMMEDIATE: ReadonlySet<ErrorCode> = new Set([
  "ERR_TIDELOG_TRANSACTION_TIMED_OUT",
  "ERR_TIDELOG_ABORTED",
  "ERR_TIDELOG_CLOSED",
]);

/** The turns that the caller was begun in. Timers and loops keep it, so some may be over. */
const inside = new AsyncLocalStorage<readonly Turn[]>();

/** The turns of one id. */
export class Turns {
  readonly #context: LogContext;
  readonly #id: string;
  readonly #options: CheckedTransactionOptions;
  #producer: Promise<TransactionalProducer> | undefined;
  #current: Turn | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(context: LogContext, id: string, options: CheckedTransactionOptions) {
    this.#context = context;
    this.#id = id;
    this.#options = options;
  }

  /** Refuses options that differ: they belong to the id, and taking it anew would fence its present holder. */
  checkSame(options: CheckedTransactionOptions): void {
    for (const name of ["timeoutMs", "maxBytes", "partitioner"] as const) {
      if (options[name] === this.#options[name]) continue;
      throw new InvalidArgumentError(
        `log.transaction: ${name} of ${shown(this.#id)} is ${shown(this.#options[name])} since its first transaction; ` +
          "give the same each time, or use another id",
      );
    }
  }

  /** Runs a function once those before it are through. */
  async run<T>(call: (tx: Transaction) => T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const outer = (inside.getStore() ?? []).filter((turn) => turn.turns.#current === turn);
    if (outer.length > 0) this.#checkEnds(outer);
    const before = this.#last;
    let leave!: () => void;
    const mine = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.#last = before.then(() => mine);
    const turn: Turn = { turns: this, waitsFor: [] };
    try {
      for (const { waitsFor } of outer) waitsFor.push(this);
      try {
        await abortable("log.transaction", signal, (resolve) => void before.then(resolve));
      } finally {
        for (const { waitsFor } of outer) waitsFor.splice(waitsFor.indexOf(this), 1);
      }
      this.#current = turn;
      const producer = await this.#opened();
      return await this.#take(producer.begin({ signal }), [...outer, turn], call, leave);
    } finally {
      this.#leave(turn, leave);
    }
  }

  /** Runs a function in its turn, and ends its transaction. */
  async #take<T>(
    tx: Transaction,
    turns: readonly Turn[],
    call: (tx: Transaction) => T | Promise<T>,
    leave: () => void,
  ): Promise<T> {
    let patience: NodeJS.Timeout | undefined;
    try {
      startClock(tx);
      const returned = inside.run(turns, async () => call(tx));
      // It may throw when it is not waited for any more.
      returned.catch(() => {});
      const end = await Promise.race([returned.then(() => undefined), endOf(tx)]);
      if (end !== undefined) {
        const { failure } = end;
        if (failure !== undefined && IMMEDIATE.has(failure.code)) throw failure;
        // Ended by hand, or refused: what else it does has the time of one more transaction.
        const late = new Promise<"late">((resolve) => {
          patience = setTimeout(resolve, this.#options.timeoutMs, "late").unref();
        });
        if ((await Promise.race([returned.then(() => "returned"), late])) === "late") {
          this.#leave(turns.at(-1)!, leave);
          if (failure !== undefined) throw failure;
        }
      }
      const result = await returned;
      // One that was ended by hand needs no other end.
      if (!isGivenUp(tx)) await tx.commit();
      return result;
    } finally {
      clearTimeout(patience);
      await tx[Symbol.asyncDispose]();
    }
  }

  /** The turn is over: calls that were begun in it are not inside of it any more. */
  #leave(turn: Turn, leave: () => void): void {
    if (this.#current === turn) this.#current = undefined;
    leave();
  }

  /** Refuses a call that would wait for the end of a function that it is made in. */
  #checkEnds(outer: readonly Turn[]): void {
    if (outer.some(({ turns }) => turns === this)) {
      throw new TidelogError(
        "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
        `log.transaction: one of ${shown(this.#id)} inside another would wait for itself; use tx, or another id`,
      );
    }
    if (!this.#waitsFor(outer, new Set())) return;
    throw new TidelogError(
      "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
      `log.transaction: one of ${shown(this.#id)} inside one of ${shown(outer.at(-1)!.turns.#id)} would wait for itself, ` +
        "since the other way round is under way as well; nest ids in one order only, or use one id for both",
    );
  }

  /** Whether the function that has the turn waits, by others perhaps, for one of these. */
  #waitsFor(outer: readonly Turn[], seen: Set<Turns>): boolean {
    if (seen.has(this)) return false;
    seen.add(this);
    const turn = this.#current;
    if (turn === undefined) return false;
    return outer.includes(turn) || turn.waitsFor.some((turns) => turns.#waitsFor(outer, seen));
  }

  #opened(): Promise<TransactionalProducer> {
    this.#producer ??= openTransactional(this.#context, "log.transaction", this.#id, this.#options).catch((error) => {
      this.#producer = undefined;
      throw error;
    });
    return this.#producer;
  }
}

/** Runs a function in a transaction. */
export async function runTransaction<T>(
  context: LogContext,
  id: string,
  call: (tx: Transaction) => T | Promise<T>,
  given: RunOptions | undefined,
): Promise<T> {
  const where = "log.transaction";
  checkName(where, "id", id);
  if (typeof call !== "function") {
    throw new InvalidArgumentError(`${where}: give a function that gets the transaction, not ${shown(call)}`);
  }
  const options = transactionOptions(where, given, ["signal"]);
  const signal = checkSignal(where, given?.signal);
  checkAborted(where, signal);
  context.checkOpen();
  let turns = context.turns.get(id);
  if (turns === undefined) {
    turns = new Turns(context, id, options);
    context.turns.set(id, turns);
  } else {
    turns.checkSame(options);
  }
  return turns.run(call, signal);
}
