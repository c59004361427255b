// Another library in a process of its own: it says its version, then answers names of rows with microseconds.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A running opponent. */
export class Opponent {
  readonly version: string;
  readonly #ask: (line: string) => Promise<string>;
  private constructor(version: string, ask: (line: string) => Promise<string>) {
    this.version = version;
    this.#ask = ask;
  }
  /** Starts a command. The version is "undefined" when it ends at once. */
  static async start(command: string, args: readonly string[]): Promise<Opponent> {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    child.unref();
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => String((await lines.next()).value);
    return new Opponent(await next(), (line) => {
      child.stdin.write(line);
      return next();
    });
  }
  /** Microseconds a call of this row, measured for so long; NaN where the opponent has no such row. */
  async time(name: string, seconds: number): Promise<number> {
    return Number(await this.#ask(`${name}\t${seconds}\n`));
  }
}
