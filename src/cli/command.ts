// What a command of the command line is, and how its arguments are read.
import { parseArgs, type ParseArgsConfig } from "node:util";
import { ArgumentError } from "../core/errors.ts";

/** One command: `firebrand NAME …`. */
export interface Command {
  readonly name: string;
  /** `inspect FILE [--json]`. */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** What `--help` says below the usage. */
  readonly help: string;
  /** Runs with the arguments after the name; returns the exit code. */
  run(args: string[], print: (line: string) => void): Promise<number>;
}

/** Parses options and positional arguments. @throws ArgumentError for unknown options and a wrong number of files */
export function parse<T extends NonNullable<ParseArgsConfig["options"]>>(
  usage: string,
  args: string[],
  options: T,
  files: number,
): { values: ReturnType<typeof parseArgs<{ options: T }>>["values"]; positionals: string[] } {
  const hint = `Usage: firebrand ${usage}`;
  let parsed: { values: unknown; positionals: string[] };
  try {
    parsed = parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (e) {
    throw new ArgumentError({ message: (e as Error).message.split(/\n|\. /)[0]!, hint, cause: e });
  }
  if (parsed.positionals.length !== files)
    throw new ArgumentError({ message: `${parsed.positionals.length} files given, ${files} needed`, hint });
  return parsed as never;
}
