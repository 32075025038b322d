// The order book: how many orders are open, packed, cancelled.
import type { OrderEvent } from "./service.js";

export class Book {
  seen = 0;
  readonly #state = new Map<string, OrderEvent["type"]>();

  handle(id: string, event: OrderEvent): void {
    this.seen += 1;
    this.#state.set(id, event.type);
  }

  toString(): string {
    const count = (type: OrderEvent["type"]) => [...this.#state.values()].filter((state) => state === type).length;
    return `${this.seen} events: ${count("placed")} open, ${count("packed")} packed, ${count("cancelled")} cancelled`;
  }
}
