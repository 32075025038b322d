// The events of the chain, a topic for each kind: what one service writes, the next one reads.
import { json, type Log, string } from "tidelog";

export interface Placed {
  item: string;
  amount: number;
}

export interface Paid extends Placed {
  total: number;
}

export interface Confirmed extends Paid {
  invoice: string;
}

export interface Shipped extends Confirmed {
  parcel: string;
}

/** Opens the topics, and makes them the first time. All are keyed by the order's id. */
export async function topicsOf(log: Log) {
  return {
    placed: await log.topic("orders-placed", { key: string(), value: json<Placed>() }),
    paid: await log.topic("payments", { key: string(), value: json<Paid>() }),
    confirmed: await log.topic("orders-confirmed", { key: string(), value: json<Confirmed>() }),
    shipped: await log.topic("shipments", { key: string(), value: json<Shipped>() }),
  };
}

export type Topics = Awaited<ReturnType<typeof topicsOf>>;
