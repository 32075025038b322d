// `tidelog dump`: the record batches of one segment file, as they stand in it, with their CRC checked.

import { openSegment, type ScannedBatch } from "../native.js";
import { escaped, isoTime, jsonBytes, printable, size } from "./bytes_text.js";
import type { Command } from "./command.js";
import { DAMAGED, DONE } from "./exit.js";
import type { Output } from "./output.js";

/** Batches fetched at once; with their records, fewer. */
const AT_ONCE = 256;
const AT_ONCE_WITH_RECORDS = 8;

export const dump: Command = {
  name: "dump",
  summary: "Shows the record batches of a segment file (<offset>.log), and whether they hold.",
  operands: ["segment file"],
  options: { records: { type: "boolean", short: "r", help: "show the records in each batch as well" } },
  notes: `One batch a line; with --json one object a line. Stops at the first place that does not hold, and exits with ${DAMAGED}
then. Offsets that Kafka's compaction has left out are no damage. The last segment of a running store may end with a batch that is just being written.`,
  run: async ({ operands: [path = ""], flag, output, signal }) => {
    const scan = await openSegment(path);
    const records = flag("records");
    let code: number = DONE;
    while (!signal.aborted) {
      const found = await scan.next(records ? AT_ONCE_WITH_RECORDS : AT_ONCE, records);
      if (found.length === 0) break;
      for (const one of found) {
        if (one.damage !== undefined) code = DAMAGED;
        if (flag("json")) await output.line(JSON.stringify(asJson(one)));
        else await print(one, output);
      }
    }
    return code;
  },
};

async function print({ position, damage, expectedOffset, batch }: ScannedBatch, output: Output): Promise<void> {
  if (batch === undefined) {
    await output.line(
      `DAMAGED at byte ${position}, where offset ${expectedOffset} should be: ${escaped(damage ?? "")}`,
    );
    return;
  }
  const kinds = [batch.isTransactional ? " transactional" : "", batch.isControl ? " control" : ""].join("");
  const producer =
    batch.producerId === "-1"
      ? ""
      : `  producer ${batch.producerId} epoch ${batch.producerEpoch} sequence ${batch.baseSequence}`;
  await output.line(
    `byte ${position}  offsets ${batch.baseOffset}-${batch.lastOffset}  ${batch.recordCount} records  ${size(batch.size)}  ` +
      `${isoTime(batch.baseTimestamp)} to ${isoTime(batch.maxTimestamp)} (${batch.timestampType})  ` +
      `${batch.compression ?? "unknown compression"}  crc ok ${hex(batch.crc)}  epoch ${batch.leaderEpoch}${producer}${kinds}`,
  );
  if (batch.recordsError !== undefined) await output.line(`  records can't be read: ${escaped(batch.recordsError)}`);
  for (const { offset, timestamp, key, value, headers } of batch.records ?? []) {
    const named = headers.map((header) => `${escaped(header.name)}=${text(header.value)}`).join(",");
    const shown = named === "" ? "" : `[${named}]  `;
    await output.line(`  ${offset}  ${isoTime(timestamp)}  ${shown}${text(key)}  ${text(value)}`);
  }
}

function asJson({ position, damage, expectedOffset, batch }: ScannedBatch): object {
  if (batch === undefined) return { position, damage, expectedOffset };
  const { records, ...header } = batch;
  const shown = records?.map(({ key, value, headers, ...place }) => ({
    ...place,
    key: jsonBytes(key ?? null),
    value: jsonBytes(value ?? null),
    headers: headers.map((one) => [one.name, jsonBytes(one.value ?? null)]),
  }));
  return { position, crcOk: true, ...header, ...(shown === undefined ? {} : { records: shown }) };
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "-" : printable(bytes);
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
