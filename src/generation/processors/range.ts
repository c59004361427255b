// The check that all processors make of their numbers.
import { given } from "../../core/arguments.ts";
import { ArgumentError, ValueError } from "../../core/errors.ts";

/** Throws unless `value` is a number and `ok`; `range` says what was needed. */
export function inRange(op: string, name: string, value: unknown, range: string, ok: boolean, hint = `Check ${name}`): void {
  if (ok && typeof value === "number") return;
  const facts = { op, message: `${name} is ${given(value)}, needed a number ${range}`, hint, data: { parameter: name } };
  throw typeof value === "number" ? new ValueError(facts) : new ArgumentError(facts);
}
