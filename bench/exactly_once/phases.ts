// How exactly once is measured. What was acknowledged is read back afterwards: no record may be missing, and none may be
// there twice.

import { type Measure, measure, now, ofDurations, overall } from "../phases/measure.js";
import { Records, Tally } from "../records.js";
import { batchName, type Kind, type Sizes } from "./cases.js";
import { Inspection, numbered } from "./numbered.js";
import type { Session, Way } from "./way.js";

/** Measures a way that is open. */
export const phases: Record<Kind, (session: Session, way: Way, sizes: Sizes) => Promise<Measure[]>> = {
  transactions,
  process: processing,
  price,
};

/** One record a transaction, each awaited before the next. */
async function transactions(session: Session, way: Way, sizes: Sizes): Promise<Measure[]> {
  const records = new Records(sizes.size, 1_000);
  let sent = 0;
  for (; sent < sizes.warmUp; sent++) await session.transact(records.record(sent));
  const count = Math.ceil(sizes.transactions * (way.share ?? 1));
  const start = now();
  const measured = await measure({ mode: way.modes.transactions!, kind: "one record" }, count, async () => {
    const began = now();
    const pending = session.transact(records.record(sent++));
    if (pending !== undefined) await pending;
    return now() - began;
  });
  const elapsed = now() - start;
  if (session.committed !== undefined) {
    const tally = new Tally();
    await session.committed(tally);
    tally.mustEqual(records.expected(sent), `${way.contestant}, ${way.modes.transactions}`);
  }
  return [overall(measured, count, elapsed)];
}

/** All records through, in batches of each length. */
async function processing(session: Session, way: Way, sizes: Sizes): Promise<Measure[]> {
  const records = numbered(sizes.count, sizes.size);
  const measures: Measure[] = [];
  for (const batch of sizes.batches) {
    const { run, positions, outputs } = await session.processing!(records, batch);
    const mode = `${way.modes.process}, ${batchName(batch)}`;
    const measured = await measure({ mode, kind: batchName(batch) }, 1, async () => {
      const start = now();
      await run();
      return (now() - start) / sizes.count;
    });
    const reached = await positions();
    if (reached.length !== sizes.partitions.from || reached.reduce((sum, one) => sum + one, 0) !== sizes.count) {
      throw new Error(`${mode}: the positions committed are ${reached}`);
    }
    const inspection = new Inspection(records, sizes.partitions.to);
    await outputs((value, partition) => inspection.see(value, partition));
    inspection.finish();
    measures.push(measured);
  }
  return measures;
}

/** The same batches in transactions and plainly, in turns, so that a disk that is slow for a while is slow for all. */
async function price(session: Session, _way: Way, sizes: Sizes): Promise<Measure[]> {
  const measures: Measure[] = [];
  for (const { batch, batches } of sizes.priced) {
    const records = new Records(sizes.size, batch);
    const ways = await session.priced!(batch);
    const times = ways.map((): number[] => []);
    for (let number = -sizes.warmUp; number < batches; number++) {
      const sent = records.batch(number + sizes.warmUp);
      for (let turn = 0; turn < ways.length; turn++) {
        const one = (number + sizes.warmUp + turn) % ways.length;
        const start = now();
        await ways[one]!.send(sent);
        if (number >= 0) times[one]!.push((now() - start) / batch);
      }
    }
    for (const [i, { mode, count }] of ways.entries()) {
      const [found, sent] = [await count(), (batches + sizes.warmUp) * batch];
      if (found !== sent) throw new Error(`${mode}: ${found} records for ${sent} that were sent`);
      measures.push(ofDurations({ mode, kind: batchName(batch) }, times[i]!));
    }
  }
  return measures;
}
