// How far a job is, as a line on a terminal's error stream; nothing elsewhere.

/** Shows how far a job is; `stop` leaves the terminal clean. */
export interface Progress {
  to(done: number): void;
  stop(): void;
}

/** A line over `total` units. */
export function progress(what: string, total: number): Progress {
  if (!process.stderr.isTTY || total === 0) return { to: () => {}, stop: () => {} };
  const started = performance.now();
  let last = 0;
  const width = 30;
  return {
    to(done) {
      const now = performance.now();
      if (now - last < 100) return;
      last = now;
      const part = Math.min(1, done / total);
      const left = Math.ceil(((now - started) / 1000) * (1 / Math.max(part, 1e-9) - 1));
      const full = Math.round(width * part);
      process.stderr.write(`\r\x1b[K${what} ${"█".repeat(full)}${"░".repeat(width - full)} ${Math.floor(part * 100)} % · ${left} s left`);
    },
    stop: () => void process.stderr.write("\r\x1b[K"),
  };
}
