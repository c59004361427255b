// How rows are timed and shown, whoever the opponent is.

/** Waits. */
export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
/** The middle one. */
export const median = (xs: readonly number[]): number => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;
/** The least. */
export const best = (xs: readonly number[]): number => Math.min(...xs);
/** The geometric mean. */
export const geometric = (xs: readonly number[]): number => Math.exp(xs.reduce((s, x) => s + Math.log(x), 0) / Math.max(1, xs.length));
/** Microseconds for people. */
export const show = (us: number): string => (us < 10 ? us.toFixed(2) : us < 1e4 ? us.toFixed(0) : `${(us / 1000).toFixed(1)} ms`);
/** "1 thread", "2 threads". */
export const threads = (n: number): string => `${n} thread${n > 1 ? "s" : ""}`;
/** A table in Markdown: names to the left, figures to the right, all padded to the width of their column. */
export function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const width = head.map((_, i) => Math.max(...[head, ...lines].map((cells) => cells[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((c, i) => (i ? c.padStart(width[i]!) : c.padEnd(width[i]!))).join(" | ")} |`;
  return [line(head), line(width.map((w, i) => (i ? "-".repeat(w - 1) + ":" : "-".repeat(w)))), ...lines.map(line)].join("\n");
}

/** Microseconds a call: the median, or what else `pick` takes, of runs of at least a millisecond. */
export function timed(f: () => unknown, seconds: number, pick: (xs: readonly number[]) => number = median): number {
  const started = performance.now();
  f();
  const n = Math.max(1, Math.floor(1 / Math.max(1e-6, performance.now() - started)));
  const runs: number[] = [];
  for (let spent = 0; spent < seconds * 1000 || runs.length < 3; ) {
    const t = performance.now();
    for (let i = 0; i < n; i++) f();
    const d = performance.now() - t;
    spent += d;
    runs.push(d / n);
  }
  return pick(runs) * 1000;
}

/** Calls `f` until the engine has compiled it and memory is at hand. */
export function warm(f: () => unknown): void {
  const end = performance.now() + 300;
  for (let i = 0; i < 2 || (i < 20_000 && performance.now() < end); i++) f();
}
