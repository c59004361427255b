// Models in several GGUF files, as llama.cpp's gguf-split makes them: `name-00001-of-00003.gguf` and so on. Every file describes its own
// tensors; the first has the metadata of the model.
import { type Fail, failing, shown } from "../damage.ts";
import { openSibling } from "../siblings.ts";
import type { ByteSource } from "../source.ts";
import type { OpenOptions } from "../stored.ts";
import { type Header, readHeader } from "./header.ts";

/** One file of a model. */
export interface Piece {
  readonly source: ByteSource;
  readonly header: Header;
}

const number = (h: Header, key: string): number | null => {
  const value = h.fields.get(key)?.value;
  return typeof value === "number" ? value : null;
};
const digits = (n: number): string => String(n).padStart(5, "0");

/** The files after the first, none for a model in one. @throws FormatError that names the file that is missing or does not fit */
export async function openPieces(source: ByteSource, first: Header, fail: Fail, options: OpenOptions): Promise<Piece[]> {
  const count = number(first, "split.count") ?? 1;
  if (count <= 1) return [];
  const own = source.name.replace(/^.*[/\\]/, "");
  const index = number(first, "split.no");
  if (index !== 0)
    throw fail(0, `${own} is file ${(index ?? Number.NaN) + 1} of the ${count} of a model, expected the first`, {
      hint: `Open the file that ends in -00001-of-${digits(count)}.gguf`,
    });
  const end = `-00001-of-${digits(count)}.gguf`;
  if (!own.endsWith(end))
    throw fail(0, `${own} is the first of ${count} files, expected a name that ends in ${end}`, { hint: "Give it its name back" });
  const names = new Set(first.tensors.map((t) => t.name));
  const pieces: Piece[] = [];
  try {
    for (let i = 1; i < count; i++) {
      const name = `${own.slice(0, -end.length)}-${digits(i + 1)}-of-${digits(count)}.gguf`;
      const piece = await openSibling(source, name, fail, options.files);
      const failHere = failing("gguf", piece.name, `file ${i + 1} of this model`);
      try {
        const header = await readHeader(piece, failHere);
        if (number(header, "split.no") !== i || number(header, "split.count") !== count)
          throw failHere(
            0,
            `split.no is ${number(header, "split.no")} and split.count ${number(header, "split.count")}, expected ${i} and ${count}`,
          );
        for (const t of header.tensors) {
          if (names.has(t.name)) throw failHere(t.at, `tensor ${shown(t.name)} stands in a file before this one too`);
          names.add(t.name);
        }
        pieces.push({ source: piece, header });
      } catch (e) {
        await piece.close();
        throw e;
      }
    }
    const total = number(first, "split.tensors.count");
    if (total !== null && total !== names.size) throw fail(0, `the files of the model have ${names.size} tensors, expected ${total}`);
    return pieces;
  } catch (e) {
    for (const p of pieces) await p.source.close();
    throw e;
  }
}
