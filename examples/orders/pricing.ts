// Pricing: what is asked for most, which decides on prices. Written long after the first orders came in.
import type { OrderEvent } from "./service.js";

export class Pricing {
  seen = 0;
  readonly #asked = new Map<string, number>();

  handle(_id: string, event: OrderEvent): void {
    this.seen += 1;
    if (event.type === "placed") this.#asked.set(event.item, (this.#asked.get(event.item) ?? 0) + event.amount);
  }

  toString(): string {
    const items = [...this.#asked].sort(([a], [b]) => (a < b ? -1 : 1)).map(([item, amount]) => `${amount} ${item}`);
    return `${this.seen} events: ${items.join(", ")}`;
  }
}
