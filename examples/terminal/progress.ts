// Where a run stands: one line redrawn in place in a terminal, a line now and then in a file.
import { clearScreenDown, cursorTo, moveCursor } from "node:readline";

const SECONDS_BETWEEN_LINES = 5;
const SECONDS_BETWEEN_DRAWINGS = 0.05;

/** Figures by name, the most important first: `{ loss: "1.23" }` reads "loss 1.23". */
export type Figures = Readonly<Record<string, string>>;

const clock = (seconds: number): string => {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((n) => String(n).padStart(2, "0"));
  return h === "00" ? `${m}:${s}` : `${h}:${m}:${s}`;
};

/** Progress from step `first` to step `total`; each step is worth `amount` of `unit`: tokens, images. */
export class Progress {
  readonly #out: NodeJS.WriteStream & { fd: 1 } = process.stdout;
  readonly #first: number;
  readonly #total: number;
  readonly #amount: number;
  readonly #unit: string;
  readonly #start = performance.now();
  readonly #live = process.stdout.isTTY && process.env["TERM"] !== "dumb";
  #shown = Number.NEGATIVE_INFINITY; // seconds after the start
  #line = "";

  constructor(first: number, total: number, amount: number, unit: string) {
    this.#first = first;
    this.#total = total;
    this.#amount = amount;
    this.#unit = unit;
    process.on("uncaughtExceptionMonitor", () => this.end()); // so that the error gets a line of its own
  }

  /** After each step. `important` figures are printed even where lines are few. */
  update(step: number, figures: Figures, important = false): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const wait = this.#live ? SECONDS_BETWEEN_DRAWINGS : SECONDS_BETWEEN_LINES;
    if (!important && step < this.#total && seconds - this.#shown < wait) return;
    this.#shown = seconds;
    const done = step - this.#first;
    const left = Math.round(((this.#total - step) * seconds) / done);
    const all = [
      ...Object.entries(figures).map(([name, value]) => `${name} ${value}`),
      `${clock(left)} left`,
      `${Math.round((done * this.#amount) / seconds).toLocaleString("en")} ${this.#unit}/s`,
      `${Math.round(process.memoryUsage.rss() / 1e6)} MB`,
    ];
    if (this.#live) this.#draw(step, all);
    else console.log([`${step}/${this.#total}`, ...all].join(" | "));
  }
  /** A line of its own; the progress stays below it. */
  print(text: string): void {
    this.#erase();
    console.log(text);
    this.#out.write(this.#line);
  }
  /** Leaves the last state on the screen. */
  end(): void {
    if (this.#line) this.#out.write("\n");
    this.#line = "";
  }

  get #columns(): number {
    return this.#out.columns || 80; // some terminals do not know
  }
  // In a narrow window the last figures are left out; the bar takes what room there is.
  #draw(step: number, figures: readonly string[]): void {
    const room = this.#columns - 1;
    let text = `${step}/${this.#total}`;
    for (const figure of figures) {
      if (text.length + 3 + figure.length > room) break;
      text += ` | ${figure}`;
    }
    const width = Math.min(30, room - text.length - 1);
    const full = Math.round((width * step) / this.#total);
    this.#erase();
    this.#line = width < 5 ? text.slice(0, room) : `${"█".repeat(full)}${"░".repeat(width - full)} ${text}`;
    this.#out.write(this.#line);
  }
  // In a window that has become narrower the old line takes several rows.
  #erase(): void {
    if (!this.#line) return;
    moveCursor(this.#out, 0, -Math.floor((this.#line.length - 1) / this.#columns));
    cursorTo(this.#out, 0);
    clearScreenDown(this.#out);
  }
}
