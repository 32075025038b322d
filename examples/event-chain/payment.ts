// Payment: takes the money for an order that was placed.
import { serve } from "./service.js";

const PRICES = new Map([
  ["tea", 4],
  ["rice", 2],
  ["salt", 1],
]);

await serve("payment", "placed", ({ paid }, { key, value }, tx) => {
  const total = PRICES.get(value!.item)! * value!.amount;
  tx.send(paid, { key: key!, value: { ...value!, total } });
});
