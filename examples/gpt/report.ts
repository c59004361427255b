// What a person sees of a run: a progress bar (or plain lines), the loss curve in the terminal and as SVG.
import { writeFileSync } from "node:fs";
import asciichart from "asciichart";
import { SingleBar } from "cli-progress";

/** Losses so far. */
export interface History {
  steps: number[];
  train: number[];
  valSteps: number[];
  val: number[];
}

const clock = (s: number): string => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
const megabytes = (): string => `${Math.round(process.memoryUsage().rss / 1e6)} MB`;

/** Shows where training stands. */
export class Progress {
  readonly #bar: SingleBar | null;
  readonly #total: number;
  readonly #first: number;
  readonly #start = performance.now();
  #val = "–";
  #lastLine = 0;
  constructor(first: number, total: number) {
    this.#first = first;
    this.#total = total;
    this.#bar = process.stdout.isTTY
      ? new SingleBar({
          format: "{bar} {value}/{total} | loss {loss} | val {val} | {speed} tok/s | {memory} | {left} left",
          barsize: 24,
          hideCursor: true,
        })
      : null;
    this.#bar?.start(total, first, { loss: "–", val: "–", speed: "–", memory: megabytes(), left: "–" });
  }
  /** After each step. */
  step(step: number, loss: number, tokens: number): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const done = step - this.#first;
    const speed = Math.round((done * tokens) / seconds).toLocaleString("en");
    const left = clock(((this.#total - step) * seconds) / done);
    if (this.#bar) this.#bar.update(step, { loss: loss.toFixed(3), val: this.#val, speed, memory: megabytes(), left });
    else if (step === this.#total || seconds - this.#lastLine >= 5) {
      this.#lastLine = seconds;
      console.log(
        `step ${step}/${this.#total} | loss ${loss.toFixed(4)} | val ${this.#val} | ${speed} tok/s | ${megabytes()} | ${left} left`,
      );
    }
  }
  validation(loss: number): void {
    this.#val = loss.toFixed(3);
  }
  stop(): void {
    this.#bar?.stop();
  }
}

/** The loss curve as text. */
export function drawCurve(h: History): string {
  const width = Math.min(72, h.train.length);
  if (width < 2) return "";
  const shrink = (xs: number[]): number[] =>
    Array.from({ length: width }, (_, i) => {
      const [a, b] = [
        Math.floor((i * xs.length) / width),
        Math.max(Math.floor(((i + 1) * xs.length) / width), Math.floor((i * xs.length) / width) + 1),
      ];
      const part = xs.slice(a, b);
      return part.reduce((s, v) => s + v, 0) / part.length;
    });
  return asciichart.plot(shrink(h.train), { height: 12 });
}

/** The loss curves as an SVG file: training thin, validation thick with dots. */
export function writeCurve(h: History, path: string): void {
  const [w, height, pad] = [720, 400, 48];
  const last = Math.max(1, ...h.steps, ...h.valSteps);
  const all = [...h.train, ...h.val];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = (s: number): number => pad + ((w - 2 * pad) * s) / last;
  const y = (v: number): number => height - pad - ((height - 2 * pad) * (v - low)) / Math.max(1e-9, high - low);
  const line = (xs: number[], ys: number[]): string => xs.map((s, i) => `${x(s).toFixed(1)},${y(ys[i]!).toFixed(1)}`).join(" ");
  const ticks = [0, 1, 2, 3, 4].map((i) => low + ((high - low) * i) / 4);
  writeFileSync(
    path,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${ticks.map((v) => `<line x1="${pad}" x2="${w - pad}" y1="${y(v).toFixed(1)}" y2="${y(v).toFixed(1)}" stroke="#ddd"/><text x="${pad - 6}" y="${(y(v) + 4).toFixed(1)}" text-anchor="end">${v.toFixed(2)}</text>`).join("\n")}
<polyline fill="none" stroke="#7aa6da" stroke-width="1" points="${line(h.steps, h.train)}"/>
<polyline fill="none" stroke="#c0392b" stroke-width="2.5" points="${line(h.valSteps, h.val)}"/>
${h.valSteps.map((s, i) => `<circle cx="${x(s).toFixed(1)}" cy="${y(h.val[i]!).toFixed(1)}" r="3" fill="#c0392b"/>`).join("")}
<text x="${w / 2}" y="${height - 12}" text-anchor="middle">step (0 to ${last})</text>
<text x="${w - pad}" y="${pad - 16}" text-anchor="end">cross-entropy: <tspan fill="#7aa6da">training</tspan>, <tspan fill="#c0392b">validation</tspan></text>
</svg>
`,
  );
}
