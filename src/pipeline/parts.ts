// What every pipeline is made of: a model and its tokenizer, given or loaded, and texts in batches.
import { checkOptions, given } from "../core/arguments.ts";
import { ArgumentError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { fromHub } from "../hub/resolve.ts";
import { type AutoClass, type FromPretrainedOptions, type ModelFiles, PreTrainedModel } from "../models/index.ts";
import { hubOptions } from "../models/pretrained.ts";
import { to } from "../ops/copy.ts";
import { AutoTokenizer, type BatchOptions, Tokenizer } from "../tokenizers/index.ts";

/** A model with its tokenizer. */
export interface Parts<M extends PreTrainedModel = PreTrainedModel> {
  readonly model: M;
  readonly tokenizer: Tokenizer;
}
/** Where a pipeline's parts come from: a folder, a GGUF file, a hub id, files by name; or the parts themselves. */
export type PipelineSource<M extends PreTrainedModel = PreTrainedModel> = string | ModelFiles | Parts<M>;
/** What is made of a text: one for a text, an array for several. */
export type PerText<I, X> = I extends string ? X : X[];

/** Loads what is not given. @throws ArgumentError for parts that are none; else as `fromPretrained` */
export async function partsOf<M extends PreTrainedModel>(
  source: PipelineSource<M>,
  options: FromPretrainedOptions,
  auto: AutoClass<M>,
): Promise<Parts<M>> {
  if (typeof source === "object" && source !== null && "model" in source) {
    const { model, tokenizer } = source;
    if (!(model instanceof PreTrainedModel) || !(tokenizer instanceof Tokenizer))
      throw new ArgumentError({
        op: "pipeline",
        message: `model is ${given(model)}, tokenizer is ${given(tokenizer)}`,
        hint: "Give both: what AutoModel… and AutoTokenizer load",
      });
    return source;
  }
  // One listing of the hub serves both.
  const from = typeof source === "string" ? ((await fromHub(source, hubOptions(options))) ?? source) : source;
  const [tokenizer, model] = [await AutoTokenizer.fromPretrained(from), await auto.fromPretrained(from, options)];
  return { model, tokenizer };
}

/** Checks the texts of a call; several stay several. @throws ArgumentError */
export function textsOf(op: string, input: unknown): readonly string[] {
  const list = Array.isArray(input) ? input : [input];
  const odd = list.findIndex((t) => typeof t !== "string");
  if (odd >= 0 || list.length === 0)
    throw new ArgumentError({
      op,
      message: list.length === 0 ? "no texts" : `text ${odd} is ${given(list[odd])}, needed a string`,
      hint: "Give a text, or an array of texts",
    });
  return list;
}
/** The rows of a call, in batches, without gradients. */
export function inBatches<I, X>(list: readonly I[], batchSize: number, run: (part: readonly I[]) => readonly X[]): X[] {
  return noGrad(() => {
    const out: X[] = [];
    for (let at = 0; at < list.length; at += batchSize) out.push(...run(list.slice(at, at + batchSize)));
    return out;
  });
}
/** Texts as an encoder takes them: padded, cut to what the model has positions for, where the model is. */
export function encoded(
  { model, tokenizer }: Parts,
  texts: readonly string[],
  options: BatchOptions = {},
): { inputIds: Tensor; attentionMask: Tensor; tokenTypeIds?: Tensor } {
  // Only models with segments are told them.
  const types = ((model.config as { typeVocabSize?: number }).typeVocabSize ?? 0) > 1;
  const { inputIds, attentionMask, tokenTypeIds } = tokenizer.call(texts, {
    padding: texts.length > 1,
    truncation: true,
    maxLength: roomOf(model, tokenizer),
    ...options,
  });
  const there = (x: Tensor): Tensor => to(x, model.device);
  return {
    inputIds: there(inputIds),
    attentionMask: there(attentionMask),
    ...(types && tokenTypeIds ? { tokenTypeIds: there(tokenTypeIds) } : {}),
  };
}
/** The most tokens that model and tokenizer both take. */
export function roomOf(model: PreTrainedModel, tokenizer: Tokenizer): number {
  const config = model.config as { maxPositionEmbeddings?: number; padTokenId?: unknown; modelType: string };
  // RoBERTa's first positions are padding's.
  const lost = /roberta/.test(config.modelType) ? Number(config.padTokenId ?? 1) + 1 : 0;
  const room = Math.min(tokenizer.modelMaxLength, (config.maxPositionEmbeddings ?? Number.POSITIVE_INFINITY) - lost);
  return Number.isFinite(room) ? room : 2 ** 31;
}
/** Options of a call, checked, `batchSize` among them. */
export function optionsOf<O extends object>(
  op: string,
  declared: readonly string[],
  options: O | undefined,
): O & { readonly batchSize: number } {
  const o = checkOptions<O & { batchSize?: number }>(op, [...declared, "batchSize?: positive"], options as O);
  return { ...o, batchSize: o.batchSize ?? 8 };
}
/** One for one text, all for several. */
export const perText = <I, X>(input: I, all: X[]): PerText<I, X> => (Array.isArray(input) ? all : all[0]) as PerText<I, X>;
