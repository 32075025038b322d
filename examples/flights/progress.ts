// One line on the terminal that shows how far a step is. Where stderr is no terminal, nothing but its last state.
const WIDTH = 30;
const REDRAW_MS = 100;

export class Progress {
  private readonly label: string;
  private readonly total: number;
  private readonly started = performance.now();
  private drawn = 0;

  constructor(label: string, total: number) {
    this.label = label;
    this.total = total;
  }

  /** Shows that `done` records of the total are through; cheap enough to be called for every batch. */
  at(done: number): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.drawn < REDRAW_MS) return;
    this.drawn = now;
    process.stderr.write(`\r${this.line(done)}`);
  }

  end(): void {
    const seconds = ((performance.now() - this.started) / 1000).toFixed(1);
    const start = process.stderr.isTTY ? "\r" : "";
    process.stderr.write(`${start}${this.line(this.total)}, ${seconds} s\n`);
  }

  private line(done: number): string {
    const filled = Math.round((done / this.total) * WIDTH);
    const bar = "█".repeat(filled) + "·".repeat(WIDTH - filled);
    return `${this.label.padEnd(22)} ${bar} ${done.toLocaleString("en")} of ${this.total.toLocaleString("en")}`;
  }
}
