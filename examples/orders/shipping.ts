// Shipping: which parcels are to be carried.
import type { OrderEvent } from "./service.js";

export class Shipping {
  seen = 0;
  readonly #parcels: string[] = [];

  handle(_id: string, event: OrderEvent): void {
    this.seen += 1;
    if (event.type === "packed") this.#parcels.push(event.parcel);
  }

  toString(): string {
    return `${this.seen} events: parcels ${this.#parcels.sort().join(" ")}`;
  }
}
