// The results as bars, written as SVG by hand: one panel a workload, each with its own scale.

import { inWords, type Machine } from "../machine.js";
import type { Table } from "../table.js";
import { type Row, throughput } from "./rows.js";

const WIDTH = 960;
const LABELS = 390;
const NUMBERS = 110;
const BAR = 18;
const GAP = 6;
const TITLE = 34;
const COLOURS = new Map([
  ["tidelog", "#0b7285"],
  ["lmdb", "#868e96"],
  ["better-sqlite3", "#adb5bd"],
  ["Kafka", "#adb5bd"],
  ["fs.writeSync", "#ced4da"],
  ["fdatasync", "#ced4da"],
  ["file", "#ced4da"],
]);

/** The files that the charts are written to, without their ending. */
export const charts: readonly Table["chart"][] = ["summary", "durability", "exactly-once"];

/** What the bars of a table show, and how long a bar is for a rate of operations. */
const SCALES: Record<Table["shows"], { unit: (table: Table) => string; value: (row: Row, rate: number) => number }> = {
  rates: { unit: ({ counts }) => `${counts}/s`, value: (_, rate) => rate },
  throughput: { unit: () => "MiB/s", value: (row, rate) => throughput({ ...row, median: rate }) },
  times: { unit: () => "ms (shorter is better)", value: (_, rate) => 1_000 / rate },
};

/** A standalone SVG document. */
export function chart(tables: readonly { workload: Table; rows: readonly Row[] }[], machine: Machine): string {
  const body: string[] = [];
  let y = 30;
  for (const { workload, rows } of tables) {
    const { unit, value } = SCALES[workload.shows];
    body.push(text(20, y + 14, `${workload.title}, ${unit(workload)}`, 'font-weight="600"'));
    y += TITLE - 16;
    body.push(text(20, y + 12, promised(workload), 'font-size="10" fill="#868e96"'));
    y += TITLE - 14;
    const longest = Math.max(...rows.map((row) => value(row, row.median)));
    for (const row of rows) {
      body.push(...bar(row, y, longest, (rate) => value(row, rate)));
      y += BAR + GAP;
    }
    y += 22;
  }
  body.push(text(20, y, inWords(machine), 'font-size="10" fill="#868e96"'));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 20}" viewBox="0 0 ${WIDTH} ${y + 20}" ` +
      'font-family="system-ui, sans-serif" font-size="12" fill="#212529">',
    `<rect width="${WIDTH}" height="${y + 20}" fill="#ffffff"/>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

/** The promise up to its first semicolon, which fits on a line. */
function promised({ promise }: Table): string {
  return promise.split(";", 1)[0] ?? promise;
}

function bar(row: Row, y: number, longest: number, value: (rate: number) => number): string[] {
  const scale = (WIDTH - LABELS - NUMBERS) / longest;
  const x = LABELS;
  const middle = y + BAR / 2;
  const colour = COLOURS.get(row.contestant) ?? "#868e96";
  const median = value(row.median);
  const [from, to] = [value(row.min), value(row.max)].sort((a, b) => a - b) as [number, number];
  const spread = `M${fixed(x + from * scale)} ${middle}H${fixed(x + Math.min(to, longest) * scale)}`;
  return [
    text(LABELS - 8, y + 13, `${row.contestant}, ${row.mode}`, 'text-anchor="end"'),
    `<rect x="${x}" y="${y}" width="${fixed(Math.max(median * scale, 1))}" height="${BAR}" fill="${colour}"/>`,
    `<path d="${spread}" stroke="#212529" stroke-opacity="0.45"/>`,
    text(x + median * scale + 8, y + 13, figure(median), ""),
  ];
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escaped}</text>`;
}

function figure(value: number): string {
  return value < 100 ? value.toPrecision(2) : Math.round(value).toLocaleString("en");
}

function fixed(value: number): string {
  return value.toFixed(1);
}
