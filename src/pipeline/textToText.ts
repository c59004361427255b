// `pipeline("summarization")`, `pipeline("translation")`, `pipeline("text2text-generation")`: a text becomes another.
import { generate, type GenerateOptions } from "../generation/index.ts";
import type { Seq2SeqModel } from "../models/index.ts";
import { encoded, type Parts, type PerText, perText, textsOf } from "./parts.ts";

/** Options of a call: those of `generate`. */
export interface TextToTextOptions extends Omit<GenerateOptions, "attentionMask" | "tokenizer"> {
  /** Put in front of each text. Default: what the configuration has for the task, such as "summarize: ". */
  readonly prefix?: string;
  /** Cut texts that are longer than the tokenizer says the model takes? Default false. */
  readonly truncation?: boolean;
}
/** What a pipeline gives for a text: its best answer, under the task's name. */
export type TextToText<Key extends string> = <I extends string | readonly string[]>(
  input: I,
  options?: TextToTextOptions,
) => Promise<I extends string ? Readonly<Record<Key, string>>[] : Readonly<Record<Key, string>>[]>;

/** What a configuration has for a task: T5's have prefixes and lengths. */
interface TaskSettings {
  readonly prefix?: string;
  readonly [option: string]: unknown;
}
/** The options among `task_specific_params`, under our names. */
function settingsOf(model: Seq2SeqModel, task: string): { prefix: string; options: GenerateOptions } {
  const { rest } = model.config;
  const all = rest["task_specific_params"] as Readonly<Record<string, TaskSettings>> | undefined;
  const { prefix = typeof rest["prefix"] === "string" ? rest["prefix"] : "", ...own } = all?.[task] ?? {};
  const names: Readonly<Record<string, keyof GenerateOptions>> = {
    early_stopping: "earlyStopping",
    length_penalty: "lengthPenalty",
    max_length: "maxLength",
    no_repeat_ngram_size: "noRepeatNgramSize",
    num_beams: "numBeams",
  };
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(own)) if (key in names) options[names[key]!] = value;
  // Lengths count the start token.
  if (typeof own["min_length"] === "number") options["minNewTokens"] = Math.max(0, own["min_length"] - 1);
  return { prefix, options };
}

/** Makes the pipeline. */
export function textToText<Key extends string>(parts: Parts<Seq2SeqModel>, task: string, key: Key): TextToText<Key> {
  const { model, tokenizer } = parts;
  const usual = settingsOf(model, task);
  return (async (input: string | readonly string[], options: TextToTextOptions = {}) => {
    const { prefix = usual.prefix, truncation = false, ...o } = options;
    const texts = textsOf(task, input).map((t) => prefix + t);
    const { inputIds, attentionMask } = encoded(parts, texts, { truncation, padding: texts.length > 1 });
    const conditioned = model.conditioned(inputIds, { attentionMask });
    const { maxLength, ...rest } = usual.options;
    // The call's bound, else the task's, else that of generation_config.json, else transformers' for this pipeline.
    const bounds = (x: GenerateOptions | undefined): boolean => x?.maxNewTokens != null || x?.maxLength != null;
    const length = bounds(o) ? {} : maxLength !== undefined ? { maxLength } : bounds(model.generationConfig) ? {} : { maxNewTokens: 256 };
    const { newIds } = await generate(conditioned, conditioned.prompts, { ...rest, ...length, ...o, tokenizer });
    const answers = newIds.map((ids) => ({ [key]: tokenizer.decode(ids, { skipSpecialTokens: true }) }));
    const copies = answers.length / texts.length;
    if (copies === 1) return answers;
    return perText(
      input,
      texts.map((_, i) => answers.slice(i * copies, (i + 1) * copies)),
    ) as PerText<string, unknown>;
  }) as unknown as TextToText<Key>;
}
