// `log.transaction`: the functions given for one transactional id, run one after the other, each in a transaction that
// is committed when it returns.

import { AsyncLocalStorage } from "node:async_hooks";
import { abortable, checkAborted } from "../abort.js";
import type { LogContext } from "../context.js";
import { InvalidArgumentError, TidelogError } from "../errors.js";
import { checkName, checkSignal, shown } from "../options.js";
import { type CheckedTransactionOptions, type RunOptions, transactionOptions } from "./options.js";
import { openTransactional, type TransactionalProducer } from "./producer.js";
import { isGivenUp, type Transaction } from "./transaction.js";

/** The ids whose functions the caller is inside of. */
const inside = new AsyncLocalStorage<readonly Turns[]>();

/** The turns of one id. */
export class Turns {
  readonly #context: LogContext;
  readonly #id: string;
  readonly #options: CheckedTransactionOptions;
  #producer: Promise<TransactionalProducer> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(context: LogContext, id: string, options: CheckedTransactionOptions) {
    this.#context = context;
    this.#id = id;
    this.#options = options;
  }

  /** Refuses options that differ: they belong to the id, and taking it anew would fence whoever has it by now. */
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
    const outer = inside.getStore() ?? [];
    if (outer.includes(this)) {
      throw new TidelogError(
        "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
        `log.transaction: one of ${shown(this.#id)} inside another would wait for itself; use tx, or another id`,
      );
    }
    const before = this.#last;
    let leave!: () => void;
    const mine = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.#last = before.then(() => mine);
    try {
      await abortable("log.transaction", signal, (resolve) => void before.then(resolve));
      const producer = await this.#opened();
      const tx = producer.begin({ signal });
      try {
        const result = await inside.run([...outer, this], () => call(tx));
        // One that was ended by hand needs no other end.
        if (!isGivenUp(tx)) await tx.commit();
        return result;
      } finally {
        await tx[Symbol.asyncDispose]();
      }
    } finally {
      leave();
    }
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
