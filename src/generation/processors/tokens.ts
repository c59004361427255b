// The check of token ids in options.
import { given } from "../../core/arguments.ts";
import { ArgumentError } from "../../core/errors.ts";

/** One or several ids as an array. @throws ArgumentError unless they are integers >= 0, at least one unless `empty` */
export function tokenIds(op: string, name: string, ids: number | readonly number[], options: { empty?: boolean } = {}): readonly number[] {
  const list: readonly number[] = typeof ids === "number" ? [ids] : ids;
  if (!Array.isArray(list) || (list.length === 0 && !options.empty) || !list.every((id) => Number.isSafeInteger(id) && id >= 0))
    throw new ArgumentError({
      op,
      message: `${name} has ${given(ids)}, needed token ids`,
      hint: "Token ids are integers >= 0",
      data: { parameter: name },
    });
  return list;
}
