// The prompt of a call: checked, padded on the left where prompts differ in length, and repeated where one prompt gets several answers.
import { given } from "../core/arguments.ts";
import { ArgumentError, DTypeError, IndexError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { hostValues } from "../ops/host.ts";
import type { CausalLM } from "./model.ts";
import type { Settings } from "./options.ts";
import { idTensor } from "./processor.ts";

/** What may be given as a prompt: int64 [B, T] or [T], or the ids as arrays, which may differ in length. */
export type InputIds = Tensor | readonly number[] | readonly (readonly number[])[];

/** Prompts side by side. */
export interface Prompt {
  /** B rows of T ids, padding included. */
  readonly ids: readonly (readonly number[])[];
  /** How many ids of each row are padding. */
  readonly padding: readonly number[];
  /** T. */
  readonly length: number;
  /** How many new tokens a row may get. */
  readonly maxNewTokens: number;
}

const padHint = "Padding belongs on the left: 0 … 0 1 … 1";

/** Reads and checks the prompt. `copies`: rows for each prompt, side by side. */
export function promptOf(op: string, model: CausalLM, inputIds: InputIds, s: Settings, copies: number): Prompt {
  const { vocabSize, nPositions, maxPositionEmbeddings = nPositions } = model.config;
  const given = rowsOf(op, inputIds);
  const length = Math.max(...given.map((r) => r.length));
  if (length === 0)
    throw new ValueError({ op, message: "the prompt is empty", hint: "Start with one token at least: the beginning-of-sequence token" });
  const ragged = given.some((r) => r.length !== length);
  if (ragged && s.padTokenId === null)
    throw new ValueError({ op, message: "prompts of different lengths, and no padTokenId", hint: "Pass padTokenId" });
  const ids = given.map((r) => [...Array<number>(length - r.length).fill(s.padTokenId ?? 0), ...r]);
  for (const row of ids)
    for (const id of row)
      if (!(Number.isInteger(id) && id >= 0 && id < vocabSize))
        throw new IndexError({
          op,
          message: `token id ${id}, the model's vocabulary has ${vocabSize}`,
          hint: "Do tokenizer and model belong together?",
        });
  if (maxPositionEmbeddings !== undefined && length > maxPositionEmbeddings)
    throw new ValueError({
      op,
      message: `the prompt has ${length} tokens, the model ${maxPositionEmbeddings} positions`,
      hint: "Shorten the prompt",
      data: { length, maxPositionEmbeddings },
    });
  const padding = s.attentionMask
    ? paddingOf(op, s.attentionMask, ids.length, length)
    : ragged
      ? given.map((r) => length - r.length)
      : inferred(ids, s);
  const bounds = [
    s.maxNewTokens ?? (s.maxLength === null ? 20 : s.maxLength - length),
    ...(maxPositionEmbeddings === undefined ? [] : [maxPositionEmbeddings - length]),
  ];
  if (bounds[0]! < 1)
    throw new ValueError({
      op,
      message: `maxLength ${s.maxLength} leaves nothing after a prompt of ${length} tokens`,
      hint: "maxLength counts the prompt too: use maxNewTokens",
    });
  const repeat = <T>(rows: readonly T[]): T[] => rows.flatMap((r) => Array<T>(copies).fill(r));
  return { ids: repeat(ids), padding: repeat(padding), length, maxNewTokens: Math.max(0, Math.min(...bounds)) };
}

function rowsOf(op: string, inputIds: InputIds): readonly (readonly number[])[] {
  if (isTensor(inputIds)) {
    if (inputIds.dtype !== "int64")
      throw new DTypeError({ op, message: `inputIds are ${inputIds.dtype}, needed int64`, hint: 'Convert with inputIds.to("int64")' });
    if (inputIds.ndim < 1 || inputIds.ndim > 2 || inputIds.shape[0] === 0)
      throw new ShapeError({ op, message: `inputIds ${showShape(inputIds.shape)}`, hint: "Give [batch, tokens] or [tokens]" });
    const flat = Array.from(hostValues(inputIds));
    const length = inputIds.shape.at(-1)!;
    return Array.from({ length: inputIds.ndim === 1 ? 1 : inputIds.shape[0]! }, (_, r) => flat.slice(r * length, (r + 1) * length));
  }
  const list: readonly unknown[] = inputIds;
  const numbers = (x: unknown): x is number[] => Array.isArray(x) && x.every((id) => typeof id === "number");
  if (Array.isArray(list) && list.length > 0) {
    if (list.every(numbers)) {
      if (list.some((r) => r.length === 0))
        throw new ValueError({ op, message: "a prompt is empty", hint: "Give each one token at least" });
      return list;
    }
    if (numbers(list)) return [list];
  } else if (Array.isArray(list)) throw new ValueError({ op, message: "the prompt is empty", hint: "Give one token at least" });
  throw new ArgumentError({
    op,
    message: `inputIds are ${given(inputIds)}`,
    hint: "Give an int64 tensor [batch, tokens], or arrays of token ids",
  });
}

function paddingOf(op: string, mask: Tensor, rows: number, length: number): number[] {
  if (mask.ndim !== 2 || mask.shape[0] !== rows || mask.shape[1] !== length)
    throw new ShapeError({
      op,
      message: `attentionMask ${showShape(mask.shape)} for inputIds ${showShape([rows, length])}`,
      hint: "They must have the same shape",
    });
  if (mask.dtype !== "int64" && mask.dtype !== "bool")
    throw new DTypeError({ op, message: `attentionMask is ${mask.dtype}, needed int64 or bool`, hint: "1 for tokens, 0 for padding" });
  const values = hostValues(mask);
  return Array.from({ length: rows }, (_, r) => {
    const row = values.subarray(r * length, (r + 1) * length);
    const first = row.indexOf(1);
    if (first < 0 || row.some((v, i) => v !== (i < first ? 0 : 1)))
      throw new ValueError({
        op,
        message: `row ${r} of attentionMask is [${row.slice(0, 16).join(", ")}${length > 16 ? ", …" : ""}]`,
        hint: padHint,
      });
    return first;
  });
}

// As transformers does: padding is what stands on the left and is padTokenId, unless that ends sequences too.
function inferred(ids: readonly (readonly number[])[], s: Settings): number[] {
  const pad = s.padTokenId;
  if (pad === null || s.eosTokenId.includes(pad)) return ids.map(() => 0);
  return ids.map((row) => {
    const first = row.findIndex((id) => id !== pad);
    return first < 0 ? 0 : first;
  });
}

/** int64 [B, length]: 0 where a row is padded, 1 for everything after; null without padding. */
export function maskOf(padding: readonly number[], length: number): Tensor | null {
  if (padding.every((n) => n === 0)) return null;
  return idTensor(padding.flatMap((n) => Array.from({ length }, (_, i) => (i < n ? 0 : 1)))).view([padding.length, length]);
}
