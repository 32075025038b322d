// Confirmation: an order that is paid for gets its invoice.
import { serve } from "./service.js";

await serve("confirmation", "paid", ({ confirmed }, { key, value }, tx) => {
  tx.send(confirmed, { key: key!, value: { ...value!, invoice: `i-${key!}` } });
});
