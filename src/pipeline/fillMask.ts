// `pipeline("fill-mask")`: what may stand where a text has the mask token.
import { ArgumentError, ValueError } from "../core/errors.ts";
import { tensor } from "../ops/create.ts";
import type { MaskedLanguageModel } from "../models/index.ts";
import { encoded, inBatches, optionsOf, type Parts, type PerText, perText, textsOf } from "./parts.ts";

/** A token in the mask's place. */
export interface Filled {
  readonly score: number;
  /** Its id. */
  readonly token: number;
  readonly tokenStr: string;
  /** The text with it. */
  readonly sequence: string;
}
/** Options of a call. */
export interface FillMaskOptions {
  /** How many, the likeliest first. Default 5. */
  readonly topK?: number;
  /** Only these words; of one that is no token, the first token. */
  readonly targets?: string | readonly string[];
  /** Texts at once. Default 8. */
  readonly batchSize?: number;
}
/** A text with one mask → the likeliest tokens; with several masks → an array for each; several texts → an array of that. */
export type FillMask = <I extends string | readonly string[]>(
  input: I,
  options?: FillMaskOptions,
) => Promise<PerText<I, Filled[] | Filled[][]>>;

/** Makes the pipeline. @throws ArgumentError for a tokenizer without mask token */
export function fillMask(parts: Parts<MaskedLanguageModel>): FillMask {
  const op = "fill-mask";
  const { model, tokenizer } = parts;
  const mask = tokenizer.maskTokenId;
  if (mask === null)
    throw new ArgumentError({ op, message: `${tokenizer.name} has no mask token`, hint: "Use a tokenizer of a masked language model" });
  const idsOf = (targets: readonly string[]): number[] => {
    const ids = targets.map((t) => {
      const [whole] = tokenizer.convertTokensToIds([t]);
      return whole !== tokenizer.unkTokenId ? whole : tokenizer.encode(t, { addSpecialTokens: false })[0];
    });
    const found = [...new Set(ids.filter((id): id is number => id !== undefined))];
    if (found.length === 0) throw new ArgumentError({ op, message: "no targets", hint: "Give one word at least" });
    return found;
  };
  return (async (input: string | readonly string[], options: FillMaskOptions = {}) => {
    const texts = textsOf(op, input);
    const o = optionsOf(op, ["topK?: positive", "targets?: text|texts"], options);
    const targets = o.targets === undefined ? null : idsOf([o.targets].flat());
    const all = inBatches(texts, o.batchSize, (part) => {
      const { inputIds, ...rest } = encoded(parts, part);
      const { logits } = model.forward(inputIds, rest); // [B, T, vocabSize]
      const rows = inputIds.toArraySync() as number[][];
      return rows.map((row, b) => {
        const places = row.flatMap((id, i) => (id === mask ? [i] : []));
        if (places.length === 0)
          throw new ValueError({
            op,
            message: `a text without ${tokenizer.maskToken}: ${JSON.stringify(part[b]!.slice(0, 60))}`,
            hint: `Put ${tokenizer.maskToken} where a word is wanted`,
          });
        const filled = places.map((at) => {
          const p = logits.select(0, b).select(0, at).to("float32").softmax(-1);
          const open = targets ? p.indexSelect(0, tensor(targets, { dtype: "int64", device: p.device })) : p;
          const { values, indices } = open.topk(Math.min(o.topK ?? 5, open.shape[0]!));
          const scores = values.toArraySync() as number[];
          return (indices.toArraySync() as number[]).map((i, k): Filled => {
            const token = targets ? targets[i]! : i;
            const ids = row.map((id, place) => (place === at ? token : id)).filter((id) => id !== tokenizer.padTokenId);
            return {
              score: scores[k]!,
              token,
              tokenStr: tokenizer.decode([token]),
              // The other masks of a text stay in sight.
              sequence: tokenizer.decode(ids, { skipSpecialTokens: places.length === 1 }),
            };
          });
        });
        return filled.length === 1 ? filled[0]! : filled;
      });
    });
    return perText(input, all);
  }) as FillMask;
}
