// Shipping: an order that is confirmed leaves the house.
import { serve } from "./service.js";

await serve("shipping", "confirmed", ({ shipped }, { key, value }, tx) => {
  tx.send(shipped, { key: key!, value: { ...value!, parcel: `p-${key!}` } });
});
