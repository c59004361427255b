// A progress bar on a terminal's error stream, nothing elsewhere.

/** Shows how far a job is; `stop` leaves the terminal clean. */
export interface Progress {
  to(done: number): void;
  stop(): void;
}

/** A bar over `total` units. Without the optional package `cli-progress`, and where no terminal looks on, it does nothing. */
export async function progress(what: string, total: number): Promise<Progress> {
  if (!process.stderr.isTTY || total === 0) return { to: () => {}, stop: () => {} };
  try {
    const { default: bars } = await import("cli-progress");
    const bar = new bars.SingleBar(
      { format: `${what} {bar} {percentage}% · {eta_formatted} left`, stream: process.stderr, clearOnComplete: true, hideCursor: true },
      bars.Presets.shades_classic,
    );
    bar.start(total, 0);
    return { to: (done) => bar.update(done), stop: () => bar.stop() };
  } catch {
    return { to: () => {}, stop: () => {} };
  }
}
