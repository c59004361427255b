// Files beside a file, for formats that spread one model over several.
import { ArgumentError } from "../core/errors.ts";
import { type Fail, shown } from "./damage.ts";
import { type ByteSource, openSource } from "./source.ts";
import type { OpenOptions } from "./stored.ts";

/** Does the name stay in the folder: no absolute path, no address, no `..`? */
export const staysInside = (name: string): boolean =>
  name !== "" &&
  !name.startsWith("/") &&
  !/[\\:\0?#]/.test(name) &&
  !name.split("/").some((part) => part === ".." || part === "." || part === "");

/** Opens the file `name` in the folder of `source`, or the one given for it. @throws FormatError when it leads elsewhere or cannot be opened */
export async function openSibling(
  source: ByteSource,
  name: string,
  fail: Fail,
  given: NonNullable<OpenOptions["files"]> = {},
): Promise<ByteSource> {
  if (!staysInside(name)) throw fail(0, `the file ${shown(name)} lies elsewhere, expected one in the same folder`);
  try {
    if (Object.hasOwn(given, name)) return await openSource(given[name]!);
    if (source.sibling) return await source.sibling(name);
    throw new ArgumentError({ op: "open", message: `${source.name} has no folder` });
  } catch (cause) {
    throw fail(0, `the file ${shown(name)}, expected beside it, cannot be opened: ${(cause as Error).message}`, {
      hint: "Keep the files of a model together, or give the others as { files }",
      cause,
    });
  }
}

/** Several sources one after the other. */
export function joined(sources: readonly ByteSource[], name: string, fail: Fail): ByteSource {
  const size = sources.reduce((n, s) => n + s.size, 0);
  return {
    name,
    size,
    read: async (offset, length) => {
      if (offset + length > size) throw fail(0, `bytes ${offset} to ${offset + length} of ${name}, which has ${size}`);
      const out = new Uint8Array(length);
      let begin = 0;
      for (const s of sources) {
        const from = Math.max(offset, begin);
        const to = Math.min(offset + length, begin + s.size);
        if (from < to) {
          const part = await s.read(from - begin, to - from);
          if (part.length === length) return part;
          out.set(part, from - offset);
        }
        begin += s.size;
      }
      return out;
    },
    close: async () => {
      for (const s of sources) await s.close();
    },
  };
}
