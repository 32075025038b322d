// A transactional producer: one transactional id, held by one handle at a time, and its transactions one by one.

import { checkAborted } from "../abort.js";
import type { LogContext } from "../context.js";
import { ClosedError, TidelogError } from "../errors.js";
import { type NativeTransactionalProducer, settled, tickets } from "../native.js";
import { checkName, checkOptions, checkSignal, shown } from "../options.js";
import { type CloseOptions, closeTimeout } from "../producer/options.js";
import { showAs } from "../shown_as.js";
import {
  type BeginOptions,
  type CheckedTransactionOptions,
  type TransactionOptions,
  transactionOptions,
} from "./options.js";
import { failTransaction, type Transaction, type TransactionOwner, transactionOf } from "./transaction.js";

let makeProducer: (
  context: LogContext,
  native: NativeTransactionalProducer,
  id: string,
  options: CheckedTransactionOptions,
) => TransactionalProducer;

/**
 * Begins transactions under its id, one at a time. Opening another of the same id fences this one, wherever that
 * happens in the process: from then on its commits reject with `ProducerFencedError`, and nothing of them happens.
 */
export class TransactionalProducer implements AsyncDisposable {
  /** The transactional id. */
  readonly id: string;
  readonly #owner: TransactionOwner;
  readonly #ended: (() => void)[] = [];
  #current: Transaction | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    context: LogContext,
    native: NativeTransactionalProducer,
    id: string,
    options: CheckedTransactionOptions,
  ) {
    this.id = id;
    this.#owner = { context, native, id, options, ended: (transaction) => this.#end(transaction) };
  }

  static {
    showAs(TransactionalProducer, (producer) => ({
      id: producer.id,
      state: producer.#closing !== undefined ? "closed" : producer.#current === undefined ? "idle" : "in a transaction",
    }));
    makeProducer = (context, native, id, options) => new TransactionalProducer(context, native, id, options);
  }

  /** Begins a transaction; throws while another is open. Does not wait. */
  begin(options?: BeginOptions): Transaction {
    const where = "producer.begin";
    checkOptions(where, options, ["signal"]);
    const signal = checkSignal(where, options?.signal);
    checkAborted(where, signal);
    if (this.#closing !== undefined) throw new ClosedError("the transactional producer");
    this.#owner.context.checkOpen();
    if (this.#current !== undefined) {
      throw new TidelogError(
        "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
        `a transaction of ${shown(this.id)} has not ended yet; await its commit or abort first`,
      );
    }
    this.#current = transactionOf(this.#owner, signal);
    return this.#current;
  }

  /**
   * Aborts a transaction that is open, waits for a commit that is under way, for `timeoutMs` at most, and refuses new
   * ones.
   */
  close(options?: CloseOptions): Promise<void> {
    const timeoutMs = closeTimeout("producer.close", options);
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const current = this.#current;
    if (current !== undefined) {
      const end = new Promise<void>((resolve) => this.#ended.push(resolve));
      void failTransaction(current, new ClosedError("the transactional producer"));
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs);
      });
      await Promise.race([end, late]);
      clearTimeout(timer);
    }
    this.#owner.context.transactional.delete(this);
  }

  #end(transaction: Transaction): void {
    if (this.#current !== transaction) return;
    this.#current = undefined;
    for (const resolve of this.#ended.splice(0)) resolve();
  }
}

/** Opens the public handle: takes the id over. */
export async function openTransactional(
  context: LogContext,
  where: string,
  id: string,
  given: TransactionOptions | undefined,
): Promise<TransactionalProducer> {
  checkName(where, "id", id);
  const options = transactionOptions(where, given);
  context.checkOpen();
  const { timeoutMs, maxBytes } = options;
  const native = await settled(() =>
    context.native.transactionalProducer(tickets().completions, id, timeoutMs, maxBytes),
  );
  context.checkOpen();
  const producer = makeProducer(context, native, id, options);
  context.transactional.add(producer);
  return producer;
}
