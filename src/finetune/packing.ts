// Documents one behind another in rows of one length, so that no step is spent on padding. Tokens see their own document only.
import { checkOptions, given, need } from "../core/arguments.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { tensor } from "../ops/create.ts";

/** Tokens of a document, and which of them count in the loss. */
export interface Document {
  readonly inputIds: readonly number[];
  /** As the tokens, -100 where none is to be learnt (default: all are). */
  readonly labels?: readonly number[];
}
/** Rows for a model's `forward(inputIds, { segmentIds, labels })`: int64 [B, T] each. */
export interface PackedBatch {
  readonly inputIds: Tensor;
  /** The number of each token's document in its row, from 1; 0 is padding at the end. */
  readonly segmentIds: Tensor;
  /** -100 at the first token of each document, which nothing before it should foretell, and in padding. */
  readonly labels: Tensor;
}
/** Options of `packSequences`. */
export interface PackOptions {
  /** Tokens of a row. */
  readonly length: number;
  /** What fills a row up (default 0). */
  readonly padTokenId?: number;
}
const IGNORED = -100;

/**
 * Packs documents into rows, the longest first and each into the fullest row that has room (best fit decreasing: rows are at most 22 % more than needed).
 * The loss over packed rows is that of the documents alone.
 * @throws ArgumentError when there are none, ValueError for a document longer than a row, or labels of another length
 * @example
 * const rows = packSequences([{ inputIds: [5, 6] }, { inputIds: [7, 8, 9] }, { inputIds: [4] }], { length: 4 });
 * rows.inputIds // => [[7, 8, 9, 4], [5, 6, 0, 0]]
 * rows.segmentIds // => [[1, 1, 1, 2], [1, 1, 0, 0]]
 * rows.labels // => [[-100, 8, 9, -100], [-100, 6, -100, -100]]
 */
export function packSequences(documents: readonly Document[], options: PackOptions): PackedBatch {
  const op = "packSequences";
  need(op, "documents: objects", documents);
  const { length, padTokenId = 0 } = checkOptions(op, ["length: positive", "padTokenId?: int"], options);
  need(op, "length: positive", length);
  if (documents.length === 0) throw new ArgumentError({ op, message: "there are no documents", hint: "Give one at least" });
  documents.forEach(({ inputIds, labels }, i) => {
    if (!Array.isArray(inputIds) || inputIds.length === 0 || !inputIds.every(Number.isSafeInteger))
      throw new ArgumentError({
        op,
        message: `inputIds of document ${i} are ${given(inputIds)}`,
        hint: "They are an array of one token at least",
      });
    if (labels && labels.length !== inputIds.length)
      throw new ValueError({
        op,
        message: `document ${i} has ${inputIds.length} tokens and ${labels.length} labels`,
        hint: "Give a label for each token",
      });
    if (inputIds.length > length)
      throw new ValueError({
        op,
        message: `document ${i} has ${inputIds.length} tokens, a row ${length}`,
        hint: "Cut it, or make rows longer",
      });
  });
  const rows: { room: number; documents: Document[] }[] = [];
  for (const d of [...documents].sort((a, b) => b.inputIds.length - a.inputIds.length)) {
    const n = d.inputIds.length;
    let best: { room: number; documents: Document[] } | undefined;
    for (const r of rows) if (r.room >= n && (best === undefined || r.room < best.room)) best = r;
    if (best === undefined) rows.push((best = { room: length, documents: [] }));
    best.room -= n;
    best.documents.push(d);
  }
  const [ids, segments, labels] = [padTokenId, 0, IGNORED].map((x) => new BigInt64Array(rows.length * length).fill(BigInt(x))) as [
    BigInt64Array,
    BigInt64Array,
    BigInt64Array,
  ];
  rows.forEach((row, r) => {
    let at = r * length;
    row.documents.forEach((d, s) => {
      d.inputIds.forEach((id, i) => {
        ids[at] = BigInt(id);
        segments[at] = BigInt(s + 1);
        labels[at++] = BigInt(i === 0 ? IGNORED : (d.labels?.[i] ?? id));
      });
    });
  });
  const shaped = (x: BigInt64Array): Tensor => tensor(x).reshape([rows.length, length]);
  return { inputIds: shaped(ids), segmentIds: shaped(segments), labels: shaped(labels) };
}
