// Ctrl-C asks the program to come to an end in good order; so do a polite kill, a closed terminal and a reader that went away.

/** Becomes true when the program should come to an end. Ctrl-C once more, half a second later, ends it at once. */
export class Stop {
  requested = false;
  constructor() {
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    const request = (): void => {
      if (this.requested) return;
      this.requested = true;
      // Launchers pass a terminal's Ctrl-C on a second time, hence the wait before the system's own handling is back.
      setTimeout(() => signals.forEach((s) => process.off(s, request)), 500).unref();
    };
    for (const s of signals) process.on(s, request);
    process.stdout.on("error", request);
  }
}

/** Lets signals and timers have their turn between two steps of a synchronous loop. */
export const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
