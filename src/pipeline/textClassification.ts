// `pipeline("text-classification")`: the classes of whole texts.
import { ArgumentError } from "../core/errors.ts";
import type { SequenceClassifier } from "../models/index.ts";
import { encoded, inBatches, optionsOf, type Parts, textsOf } from "./parts.ts";

/** A class and how sure the model is. */
export interface Label {
  readonly label: string;
  readonly score: number;
}
/** Options of a call. */
export interface TextClassificationOptions<K extends number | null | undefined = undefined> {
  /** How many classes, the likeliest first; null: all. Without it, the likeliest alone. */
  readonly topK?: K;
  /** What makes scores of logits. Default: as the configuration's `problemType` has it. */
  readonly functionToApply?: "sigmoid" | "softmax" | "none";
  /** Second texts, one for each: pairs. */
  readonly textPair?: string | readonly string[];
  /** Texts at once. Default 8. */
  readonly batchSize?: number;
}
/** One text → [label]; several → [label, …]; with `topK`, an array for each of several. */
export type TextClassification = <I extends string | readonly string[], K extends number | null | undefined = undefined>(
  input: I,
  options?: TextClassificationOptions<K>,
) => Promise<I extends string ? Label[] : K extends undefined ? Label[] : Label[][]>;

const OPTIONS = ["topK?: any", "functionToApply?: sigmoid|softmax|none", "textPair?: text|texts"];

/** Makes the pipeline. */
export function textClassification(parts: Parts<SequenceClassifier>): TextClassification {
  const op = "text-classification";
  const { id2label, numLabels, problemType } = parts.model.config;
  const usual =
    problemType === "regression" ? "none" : problemType === "multi_label_classification" || numLabels === 1 ? "sigmoid" : "softmax";
  return (async (input: string | readonly string[], options: TextClassificationOptions<number | null | undefined> = {}) => {
    const texts = textsOf(op, input);
    const o = optionsOf(op, OPTIONS, options);
    const several = options.topK !== undefined;
    const best = options.topK ?? (several ? numLabels : 1);
    if (!Number.isInteger(best) || best < 1)
      throw new ArgumentError({ op, message: `topK is ${String(best)}`, hint: "Give an integer >= 1, or null for all" });
    const pairs = o.textPair === undefined ? null : textsOf(op, o.textPair);
    if (pairs && pairs.length !== texts.length)
      throw new ArgumentError({
        op,
        message: `${texts.length} texts and ${pairs.length} in textPair`,
        hint: "Give one second text for each",
      });
    const all = inBatches([...texts.keys()], o.batchSize, (part) => {
      const second = pairs ? { textPair: part.map((i) => pairs[i]!) } : {};
      const { inputIds, ...rest } = encoded(
        parts,
        part.map((i) => texts[i]!),
        second,
      );
      const logits = parts.model.forward(inputIds, rest).logits.to("float32"); // [B, numLabels]
      const how = o.functionToApply ?? usual;
      const scores = how === "softmax" ? logits.softmax(-1) : how === "sigmoid" ? logits.sigmoid() : logits;
      return (scores.toArraySync() as number[][]).map((row) =>
        row
          .map((score, i): Label => ({ label: id2label[i]!, score }))
          .sort((a, b) => b.score - a.score)
          .slice(0, best),
      );
    });
    return Array.isArray(input) ? (several ? all : all.map((row) => row[0]!)) : all[0];
  }) as TextClassification;
}
