// Names of tensors, as files can hold them.
import { ArgumentError } from "../core/errors.ts";
import { shown } from "./damage.ts";

/** @throws ArgumentError for a name that UTF-8 cannot spell: it would come back as another. */
export function checkName(op: string, name: string): void {
  if (/\p{Surrogate}/u.test(name))
    throw new ArgumentError({ op, message: `the name ${shown(name)} has half a surrogate pair`, hint: "Give names that are text" });
}
