// A transaction's number as users keep it: one text that goes into any file, column or message, and names the
// transaction for ever.

import { InvalidArgumentError } from "../errors.js";
import type { NativeTransactionNumber } from "../native.js";
import { shown } from "../options.js";

const FORM = /^(\d{1,19}):(\d{1,5}):(\d{1,16})$/;

/** As text. */
export function numberText({ producerId, epoch, number }: NativeTransactionNumber): string {
  return `${producerId}:${epoch}:${number}`;
}

/** What a text names; throws if it is no transaction's number. */
export function numberOf(where: string, text: unknown): NativeTransactionNumber {
  const found = typeof text === "string" ? FORM.exec(text) : null;
  const [producerId, epoch, number] = [BigInt(found?.[1] ?? -1), Number(found?.[2]), Number(found?.[3])];
  if (found === null || producerId >= 2n ** 63n || epoch > 32767 || !Number.isSafeInteger(number)) {
    throw new InvalidArgumentError(`${where}: number must be a text that tx.number gave, not ${shown(text)}`);
  }
  return { producerId, epoch, number };
}
