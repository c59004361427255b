// Command-line options: one table gives the parser, the types and the text of --help.
import { parseArgs } from "node:util";
import * as torch from "firebrand";

/** One option: its value when not given, what stands for a value in --help, and how to read one; `read` throws what is needed. */
export interface Option<T> {
  readonly initial: T;
  readonly placeholder: string;
  readonly help: string;
  readonly read: (text: string) => T;
}

/** On or off. */
export const flag = (help: string): Option<boolean> => ({ initial: false, placeholder: "", help, read: () => true });

/** Any text. A default of null is for the help's own words to explain. */
export const text = <D extends string | null>(placeholder: string, initial: D, help: string): Option<string | D> => ({
  initial,
  placeholder,
  help,
  read: (given) => {
    if (given === "") throw new Error("a text that is not empty");
    return given;
  },
});

/** A whole number of at least `least`. */
export const whole = (initial: number, least: number, help: string): Option<number> => ({
  initial,
  placeholder: "N",
  help,
  read: (given) => {
    const n = given.trim() === "" ? Number.NaN : Number(given);
    if (!Number.isSafeInteger(n) || n < least) throw new Error(`a whole number of at least ${least}`);
    return n;
  },
});

/** A number from `least` to `most`. */
export const real = (initial: number, least: number, most: number, help: string): Option<number> => ({
  initial,
  placeholder: "X",
  help,
  read: (given) => {
    const x = given.trim() === "" ? Number.NaN : Number(given);
    if (!(x >= least && x <= most && Number.isFinite(x)))
      throw new Error(most === Infinity ? `a number of at least ${least}` : `a number from ${least} to ${most}`);
    return x;
  },
});

/** What a program's command line looks like. The options' names are written `--in-kebab-case`. */
export interface Usage<T> {
  readonly about: string;
  readonly call: string;
  readonly options: { readonly [K in keyof T]: Option<T[K]> };
  readonly notes: string;
}

/** The spelling of an option on the command line. @example dashed("batchSize") // => "--batch-size" */
export const dashed = (name: string): string => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** Ends the program with one line on standard error. Code 2 is for a call that cannot work, 1 for what failed on the way. */
export function fail(message: string, code = 2): never {
  console.error(`error: ${message}`);
  process.exit(code);
}

/** Ends the program with one line where nothing can be computed on a device. */
export function checkDevice(device: string): void {
  try {
    torch.ones(1, { device }).itemSync();
  } catch (e) {
    fail(`--device ${device} cannot be used: ${(e as Error).message}`);
  }
}

/** The values of the command line; what goes wrong later ends in one line too. Prints help and ends where that is asked for; ends with one line where something is wrong. */
export function readOptions<T>(usage: Usage<T>): T {
  process.on("uncaughtException", (e) => fail(e.message, 1));
  const table = usage.options as Readonly<Record<string, Option<unknown>>>;
  const names = new Map(Object.keys(table).map((name) => [dashed(name).slice(2), name]));
  const { tokens } = parseArgs({
    strict: false,
    tokens: true,
    options: Object.fromEntries([...names].map(([dash, name]) => [dash, { type: table[name]!.placeholder ? "string" : "boolean" }])),
  });
  const values = Object.fromEntries(Object.entries(table).map(([name, option]) => [name, option.initial]));
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional")
      fail(`unexpected argument ${JSON.stringify(token.value)}. Options look like ${usage.call} --name value`);
    if (token.name === "help" || token.name === "h") {
      console.log(helpText(usage));
      process.exit(0);
    }
    const name = names.get(token.name);
    if (name === undefined) fail(`there is no option ${token.rawName}. ${usage.call} --help explains those there are`);
    const option = table[name]!;
    if (option.placeholder && token.value === undefined) fail(`${token.rawName} needs a value: ${token.rawName} ${option.placeholder}`);
    if (!option.placeholder && token.value !== undefined) fail(`${token.rawName} takes no value`);
    try {
      values[name] = option.read(token.value ?? "");
    } catch (e) {
      fail(`${token.rawName} is ${JSON.stringify(token.value)}, needed ${(e as Error).message}`);
    }
  }
  return values as T;
}

function helpText(usage: Usage<unknown>): string {
  const rows = Object.entries(usage.options as Readonly<Record<string, Option<unknown>>>).map(([name, { initial, placeholder, help }]) => {
    const fallback = placeholder && initial !== null ? ` (default: ${String(initial)})` : "";
    return [`${dashed(name)} ${placeholder}`, help + fallback];
  });
  rows.push(["--help", "this text"]);
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
  return `${usage.about}\n\n  ${usage.call} [options]\n\n${lines.join("\n")}\n\n${usage.notes}`;
}
