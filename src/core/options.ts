// Options objects: a name that a function does not know is a mistake, not a wish to be ignored.
import { ArgumentError } from "./errors.ts";

/** @internal Throws for a key that is not among `names`. @throws ArgumentError */
export function checkOptions(op: string, given: object, names: readonly string[]): void {
  for (const key of Object.keys(given))
    if (!names.includes(key))
      throw new ArgumentError({ op, message: `unknown option ${key}`, hint: `It takes ${names.join(", ")}`, data: { option: key, names } });
}
