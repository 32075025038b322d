// The results as bars, written as SVG by hand: one panel a workload, each with its own scale.

import { inWords, type Machine } from "../machine.js";
import type { Workload } from "../workloads.js";
import type { Row } from "./rows.js";

const WIDTH = 900;
const LABELS = 330;
const NUMBERS = 110;
const BAR = 18;
const GAP = 6;
const TITLE = 34;
const COLOURS = new Map([
  ["tidelog", "#0b7285"],
  ["lmdb", "#868e96"],
  ["better-sqlite3", "#adb5bd"],
  ["fs.writeSync", "#ced4da"],
]);

/** A standalone SVG document. */
export function chart(tables: readonly { workload: Workload; rows: readonly Row[] }[], machine: Machine): string {
  const body: string[] = [];
  let y = 30;
  for (const { workload, rows } of tables) {
    body.push(text(20, y + 14, `${workload.title}, records/s`, 'font-weight="600"'));
    y += TITLE - 8;
    const fastest = Math.max(...rows.map((row) => row.median));
    for (const row of rows) {
      body.push(...bar(row, y, fastest));
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

function bar(row: Row, y: number, fastest: number): string[] {
  const scale = (WIDTH - LABELS - NUMBERS) / fastest;
  const x = LABELS;
  const middle = y + BAR / 2;
  const colour = COLOURS.get(row.contestant) ?? "#868e96";
  const spread = `M${fixed(x + row.min * scale)} ${middle}H${fixed(x + Math.min(row.max, fastest) * scale)}`;
  return [
    text(LABELS - 8, y + 13, `${row.contestant}, ${row.mode}`, 'text-anchor="end"'),
    `<rect x="${x}" y="${y}" width="${fixed(Math.max(row.median * scale, 1))}" height="${BAR}" fill="${colour}"/>`,
    `<path d="${spread}" stroke="#212529" stroke-opacity="0.45"/>`,
    text(x + row.median * scale + 8, y + 13, Math.round(row.median).toLocaleString("en"), ""),
  ];
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escaped}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}
