// The error for damaged files: every message names the file, the offset and what was expected.
import type { FormatError } from "../core/errors.ts";
import { damaged } from "./source.ts";

/** Makes the errors of one file: `fail(offset, "what was found, what was expected")`. */
export type Fail = (offset: number, message: string, options?: { hint?: string; cause?: unknown }) => FormatError;

/** The `Fail` of a file. `kind` says what the file should have been. @internal */
export const failing =
  (op: string, file: string, kind: string): Fail =>
  (offset, message, o = {}) =>
    damaged(file, offset, message, o.hint ?? `The file is damaged or not ${kind}`, o.cause, op);

/** A value of a damaged file for a message: short, and quoted where it is text. @internal */
export const shown = (x: unknown): string => {
  const text = typeof x === "bigint" ? String(x) : (JSON.stringify(x) ?? String(x));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};
