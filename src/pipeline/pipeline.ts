// `pipeline(task, source)`: a task done with a model and its tokenizer, from texts to what is wanted of them.
import { given, located } from "../core/arguments.ts";
import { ArgumentError } from "../core/errors.ts";
import {
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  type CausalModel,
  type FromPretrainedOptions,
  type MaskedLanguageModel,
  type PreTrainedModel,
  type QuestionAnswerer,
  type Seq2SeqModel,
  type SequenceClassifier,
  type TokenClassifier,
} from "../models/index.ts";
import { type FeatureExtraction, featureExtraction } from "./featureExtraction.ts";
import { type FillMask, fillMask } from "./fillMask.ts";
import { type Parts, partsOf, type PipelineSource } from "./parts.ts";
import { type QuestionAnswering, questionAnswering } from "./questionAnswering.ts";
import { type TextClassification, textClassification } from "./textClassification.ts";
import { type TextGeneration, textGeneration } from "./textGeneration.ts";
import { type TextToText, textToText } from "./textToText.ts";
import { type TokenClassification, tokenClassification } from "./tokenClassification.ts";

/** A task: the models that do it, and the function that it makes of one. */
interface Task<M extends PreTrainedModel, P> {
  readonly auto: { fromPretrained(source: never, options?: FromPretrainedOptions): Promise<M> };
  readonly make: (parts: Parts<M>, task: string) => P;
}
/** Tasks by name, with the pipeline of each. */
export interface Pipelines {
  readonly "text-generation": TextGeneration;
  readonly "feature-extraction": FeatureExtraction;
  readonly "fill-mask": FillMask;
  readonly "text-classification": TextClassification;
  readonly "sentiment-analysis": TextClassification;
  readonly "token-classification": TokenClassification;
  readonly ner: TokenClassification;
  readonly "question-answering": QuestionAnswering;
  readonly summarization: TextToText<"summaryText">;
  readonly translation: TextToText<"translationText">;
  readonly "text2text-generation": TextToText<"generatedText">;
}
/** The names of tasks; T5 has its translations under names such as `translation_en_to_de`. */
export type TaskName = keyof Pipelines | `translation_${string}_to_${string}`;
/** The pipeline of a task. */
export type PipelineOf<T extends TaskName> = T extends keyof Pipelines ? Pipelines[T] : TextToText<"translationText">;

const classify: Task<SequenceClassifier, TextClassification> = { auto: AutoModelForSequenceClassification, make: textClassification };
const entities: Task<TokenClassifier, TokenClassification> = { auto: AutoModelForTokenClassification, make: tokenClassification };
const translate: Task<Seq2SeqModel, TextToText<"translationText">> = {
  auto: AutoModelForSeq2SeqLM,
  make: (parts, task) => textToText(parts, task, "translationText"),
};
const TASKS = {
  "text-generation": { auto: AutoModelForCausalLM, make: textGeneration } as Task<CausalModel, TextGeneration>,
  "feature-extraction": { auto: AutoModel, make: featureExtraction } as Task<PreTrainedModel, FeatureExtraction>,
  "fill-mask": { auto: AutoModelForMaskedLM, make: fillMask } as Task<MaskedLanguageModel, FillMask>,
  "text-classification": classify,
  "sentiment-analysis": classify,
  "token-classification": entities,
  ner: entities,
  "question-answering": { auto: AutoModelForQuestionAnswering, make: questionAnswering } as Task<QuestionAnswerer, QuestionAnswering>,
  summarization: { auto: AutoModelForSeq2SeqLM, make: (p, task) => textToText(p, task, "summaryText") } as Task<
    Seq2SeqModel,
    TextToText<"summaryText">
  >,
  translation: translate,
  "text2text-generation": { auto: AutoModelForSeq2SeqLM, make: (p, task) => textToText(p, task, "generatedText") } as Task<
    Seq2SeqModel,
    TextToText<"generatedText">
  >,
} satisfies Record<keyof Pipelines, unknown>;

/**
 * Makes a function that does a task: texts in, what the task wants of them out. `source`: a folder, a GGUF file or a hub id with model and
 * tokenizer, or `{ model, tokenizer }` that are loaded already.
 * @throws ArgumentError for a task that is not known or parts that are none; else as `fromPretrained`
 * @example
 * const vocab = new TextEncoder().encode("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\n");
 * const tokenizer = await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.txt": vocab }));
 * const model = new BertForSequenceClassification({ vocabSize: 7, hiddenSize: 4, intermediateSize: 4, numHiddenLayers: 1, numAttentionHeads: 1 }).eval();
 * const classify = await pipeline("text-classification", { model, tokenizer });
 * (await classify("good", { topK: null })).length // => 2
 */
export const pipeline: <T extends TaskName>(
  task: T,
  source: PipelineSource<PreTrainedModel>,
  options?: FromPretrainedOptions,
) => Promise<PipelineOf<T>> = /*@__PURE__*/ located("pipeline", "task, source, { dtype, device, … }", make) as never;

async function make(task: string, source: PipelineSource, options: FromPretrainedOptions = {}): Promise<unknown> {
  const name = /^translation_\w+_to_\w+$/.test(task) ? "translation" : task;
  if (!Object.hasOwn(TASKS, name))
    throw new ArgumentError({ op: "pipeline", message: `no task ${given(task)}`, hint: `Known: ${Object.keys(TASKS).join(", ")}` });
  const { auto, make: build } = TASKS[name as keyof Pipelines] as unknown as Task<PreTrainedModel, unknown>;
  return build(await partsOf(source, options, auto as never), task);
}
