// Batches: truncation to a length, padding to one, and the tensors that models take.
import { ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { tensor } from "../ops/create.ts";
import { type Encoded, fill, specials, type Template } from "./template.ts";

/** A side of a text. */
export type Side = "left" | "right";
/** What is cut where a text is too long: the longer of two first, or always the same. */
export type Truncation = "longest_first" | "only_first" | "only_second" | "do_not_truncate";

/** How one text or a pair becomes ids. */
export interface EncodeOptions {
  /** Special tokens around the text, as the model was trained with. Default true. */
  readonly addSpecialTokens?: boolean;
  /** Cuts what is longer than `maxLength`. Default false. */
  readonly truncation?: boolean | Truncation;
  /** Most ids with the special ones; the tokenizer's `modelMaxLength` unless given. */
  readonly maxLength?: number;
  /** The side that is cut. */
  readonly truncationSide?: Side;
  /** Are special tokens in the text ordinary text? Default false: "</s>" in a text is the token. */
  readonly splitSpecialTokens?: boolean;
}
/** How several texts become tensors. */
export interface BatchOptions extends EncodeOptions {
  /** Second texts, one for each: pairs of question and context. */
  readonly textPair?: string | readonly string[];
  /** To the longest text (true, "longest"), to `maxLength` ("max_length"), or not (false, default). */
  readonly padding?: boolean | "longest" | "max_length" | "do_not_pad";
  /** The side where padding goes. */
  readonly paddingSide?: Side;
  /** Padded lengths are multiples of it. */
  readonly padToMultipleOf?: number;
  /** Gives `tokenTypeIds`. Default: for BERT and its kin. */
  readonly returnTokenTypeIds?: boolean;
  /** Gives `offsetMapping` and `sequenceIds`. Default false. */
  readonly returnOffsetsMapping?: boolean;
}
/** What models take. */
export interface BatchEncoding {
  /** int64 [B, T]. */
  readonly inputIds: Tensor;
  /** int64 [B, T]: 1 for tokens, 0 for padding. */
  readonly attentionMask: Tensor;
  /** int64 [B, T]: 0 for the first text, 1 for the second. */
  readonly tokenTypeIds?: Tensor;
  /** For each row and token the part of its text that it stands for, in UTF-16 units: `text.slice(start, end)`. [0, 0] for special tokens and padding. */
  readonly offsetMapping?: readonly (readonly (readonly [start: number, end: number])[])[];
  /** For each row and token the text that it is of, null for special tokens and padding. */
  readonly sequenceIds?: readonly (readonly (0 | 1 | null)[])[];
}

/** For checks. @internal */
export const ENCODE_OPTIONS: readonly string[] = [
  "addSpecialTokens: flag",
  "truncation: flag|longest_first|only_first|only_second|do_not_truncate",
  "maxLength: count",
  "truncationSide: left|right",
  "splitSpecialTokens: flag",
  "textPair: text|texts",
];
/** For checks. @internal */
export const BATCH_OPTIONS: readonly string[] = [
  ...ENCODE_OPTIONS,
  "padding: flag|longest|max_length|do_not_pad",
  "paddingSide: left|right",
  "padToMultipleOf: positive",
  "returnTokenTypeIds: flag",
  "returnOffsetsMapping: flag",
];

/** The tokens of one text or two, with special ones around them, within the length. @internal */
export function assemble(
  op: string,
  texts: readonly number[][],
  template: Template | null,
  how: { readonly truncation: Truncation; readonly maxLength: number; readonly side: Side },
): Encoded {
  const items = texts.length === 2 ? (template?.pair ?? PLAIN.pair) : (template?.single ?? PLAIN.single);
  if (how.truncation === "do_not_truncate") return fill(items, texts);
  const room = how.maxLength - specials(items);
  const lengths = texts.map((t) => t.length);
  const over = lengths.reduce((a, b) => a + b, 0) - room;
  if (over <= 0) return fill(items, texts);
  const refuse = (why: string): ValueError =>
    new ValueError({
      op,
      message: `${why}: ${lengths.join(" and ")} tokens and ${specials(items)} special ones do not fit in maxLength ${how.maxLength}`,
      hint: "Give a larger maxLength",
    });
  if (room < 0) throw refuse("there is no room");
  const [a = 0, b = 0] = lengths;
  let keep: readonly number[];
  if (texts.length === 1) keep = [room];
  else if (how.truncation === "longest_first") {
    // The shorter stays whole where it takes less than half.
    const [short, long] = a > b ? [b, a] : [a, b];
    let [s, l] = [short, short > room ? short : Math.max(short, room - short)];
    if (s + l > room) [s, l] = [Math.floor(room / 2), Math.floor(room / 2) + (room % 2)];
    keep = a > b ? [Math.min(l, long), s] : [s, Math.min(l, long)];
  } else {
    const at = how.truncation === "only_first" ? 0 : 1;
    if (lengths[at]! <= over) throw refuse(`truncation is ${how.truncation}`);
    keep = lengths.map((n, i) => (i === at ? n - over : n));
  }
  const cut = texts.map((t, i) => (how.side === "right" ? t.slice(0, keep[i]) : t.slice(t.length - keep[i]!)));
  return fill(items, cut);
}
const PLAIN: Template = {
  single: [{ text: 0, type: 0 }],
  pair: [
    { text: 0, type: 0 },
    { text: 1, type: 1 },
  ],
};

/** Rows as tensors. @throws ValueError for rows of several lengths that are not padded @internal */
export function pad(
  op: string,
  rows: readonly Encoded[],
  how: {
    readonly to: number | "longest" | null;
    readonly multiple: number;
    readonly side: Side;
    readonly id: number | null;
    readonly types: boolean;
  },
): BatchEncoding {
  const longest = rows.reduce((n, r) => Math.max(n, r.ids.length), 0);
  let length = longest;
  if (how.to !== null) {
    if (how.id === null)
      throw new ValueError({
        op,
        message: "the tokenizer has no padding token",
        hint: "Set tokenizer.padToken, to tokenizer.eosToken for instance",
      });
    if (how.to !== "longest") length = Math.max(longest, how.to);
    length = Math.ceil(length / how.multiple) * how.multiple;
  } else {
    const odd = rows.findIndex((r) => r.ids.length !== length);
    if (odd >= 0)
      throw new ValueError({
        op,
        message: `text ${odd} has ${rows[odd]!.ids.length} tokens and another ${longest}: they make no tensor`,
        hint: "Give { padding: true }",
      });
  }
  const table = (value: (r: Encoded) => readonly number[], padding: number): Tensor =>
    tensor(
      rows.map((r) => {
        const row = value(r);
        const rest = new Array<number>(length - row.length).fill(padding);
        return how.side === "right" ? [...row, ...rest] : [...rest, ...row];
      }),
      { dtype: "int64" },
    );
  return {
    inputIds: table((r) => r.ids, how.id ?? 0),
    attentionMask: table((r) => r.ids.map(() => 1), 0),
    ...(how.types ? { tokenTypeIds: table((r) => r.types(), 0) } : {}),
  };
}
