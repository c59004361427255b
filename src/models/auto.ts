// The class of a model from what its files say.
import { checkOptions, given, located } from "../core/arguments.ts";
import { FormatError } from "../core/errors.ts";
import { HUB_OPTIONS, type HubOptions } from "../hub/options.ts";
import type { CausalModel } from "./causal.ts";
import type { CommonConfig } from "./config.ts";
import { BertForMaskedLM, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel } from "./bert.ts";
import {
  DistilBertForMaskedLM,
  DistilBertForQuestionAnswering,
  DistilBertForSequenceClassification,
  DistilBertForTokenClassification,
  DistilBertModel,
} from "./distilbert.ts";
import { openCheckpoint } from "./sources/checkpoint.ts";
import type { ModelFiles } from "./sources/files.ts";
import { Gemma2ForCausalLM, Gemma2Model } from "./gemma2.ts";
import { Gemma3ForCausalLM, Gemma3TextModel } from "./gemma3.ts";
import { GPT2LMHeadModel, GPT2Model } from "./gpt2.ts";
import { LlamaForCausalLM, LlamaModel } from "./llama.ts";
import { MistralForCausalLM, MistralModel } from "./mistral.ts";
import { Phi3ForCausalLM, Phi3Model } from "./phi3.ts";
import { type FromPretrainedOptions, loadPretrained, type ModelClass, type PreTrainedModel, readConfig } from "./pretrained.ts";
import { Qwen2ForCausalLM, Qwen2Model } from "./qwen2.ts";
import { Qwen3ForCausalLM, Qwen3Model } from "./qwen3.ts";
import {
  RobertaForMaskedLM,
  RobertaForQuestionAnswering,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
  RobertaModel,
  XLMRobertaForMaskedLM,
  XLMRobertaForQuestionAnswering,
  XLMRobertaForSequenceClassification,
  XLMRobertaForTokenClassification,
  XLMRobertaModel,
} from "./roberta.ts";
import type { Seq2SeqModel } from "./seq2seq.ts";
import { T5ForConditionalGeneration, T5Model } from "./t5.ts";
import type { MaskedLanguageModel, QuestionAnswerer, SequenceClassifier, TokenClassifier } from "./tasks.ts";

/** Classes by the `model_type` of configurations. */
type Classes<M extends PreTrainedModel> = Readonly<Record<string, ModelClass<M>>>;
const BASE: Classes<PreTrainedModel> = {
  gpt2: GPT2Model,
  llama: LlamaModel,
  mistral: MistralModel,
  qwen2: Qwen2Model,
  qwen3: Qwen3Model,
  phi3: Phi3Model,
  gemma2: Gemma2Model,
  gemma3_text: Gemma3TextModel,
  bert: BertModel,
  roberta: RobertaModel,
  "xlm-roberta": XLMRobertaModel,
  distilbert: DistilBertModel,
  t5: T5Model,
};
const CAUSAL: Classes<CausalModel> = {
  gpt2: GPT2LMHeadModel,
  llama: LlamaForCausalLM,
  mistral: MistralForCausalLM,
  qwen2: Qwen2ForCausalLM,
  qwen3: Qwen3ForCausalLM,
  phi3: Phi3ForCausalLM,
  gemma2: Gemma2ForCausalLM,
  gemma3_text: Gemma3ForCausalLM,
};
const MASKED: Classes<MaskedLanguageModel> = {
  bert: BertForMaskedLM,
  roberta: RobertaForMaskedLM,
  "xlm-roberta": XLMRobertaForMaskedLM,
  distilbert: DistilBertForMaskedLM,
};
const SEQUENCE: Classes<SequenceClassifier> = {
  bert: BertForSequenceClassification,
  roberta: RobertaForSequenceClassification,
  "xlm-roberta": XLMRobertaForSequenceClassification,
  distilbert: DistilBertForSequenceClassification,
};
const TOKEN: Classes<TokenClassifier> = {
  bert: BertForTokenClassification,
  roberta: RobertaForTokenClassification,
  "xlm-roberta": XLMRobertaForTokenClassification,
  distilbert: DistilBertForTokenClassification,
};
const ANSWER: Classes<QuestionAnswerer> = {
  bert: BertForQuestionAnswering,
  roberta: RobertaForQuestionAnswering,
  "xlm-roberta": XLMRobertaForQuestionAnswering,
  distilbert: DistilBertForQuestionAnswering,
};
const SEQ2SEQ: Classes<Seq2SeqModel> = { t5: T5ForConditionalGeneration };

/** What loads models of any of several architectures. */
export interface AutoClass<M extends PreTrainedModel> {
  /**
   * Loads the model of a folder in Hugging Face's layout with the class that its `config.json` names.
   * @throws FormatError for an architecture that is not known; else as the class's own `fromPretrained`
   */
  fromPretrained(source: string | ModelFiles, options?: FromPretrainedOptions): Promise<M>;
}
function auto<M extends PreTrainedModel>(name: string, classes: Classes<M>): AutoClass<M> {
  return {
    fromPretrained: (source, options) => loadPretrained((json, file) => classOf(name, classes, json, file), source, options),
  };
}
function classOf<M extends PreTrainedModel>(
  name: string,
  classes: Classes<M>,
  json: Readonly<Record<string, unknown>>,
  file: string,
): ModelClass<M> {
  const kind = json["model_type"];
  if (typeof kind === "string" && Object.hasOwn(classes, kind)) return classes[kind]!;
  throw new FormatError({
    op: `${name}.fromPretrained`,
    message: `${file}: model_type is ${given(kind)}`,
    hint: `Known architectures: ${Object.keys(classes).join(", ")}`,
    data: { found: kind, expected: Object.keys(classes) },
  });
}

/** Models without a head, of any architecture. */
export const AutoModel: AutoClass<PreTrainedModel> = /*@__PURE__*/ auto("AutoModel", BASE);
/** Models that predict the next token, of any architecture. */
export const AutoModelForCausalLM: AutoClass<CausalModel> = /*@__PURE__*/ auto("AutoModelForCausalLM", CAUSAL);
/** Models that guess masked tokens, of any architecture. */
export const AutoModelForMaskedLM: AutoClass<MaskedLanguageModel> = /*@__PURE__*/ auto("AutoModelForMaskedLM", MASKED);
/** Models that classify texts, of any architecture. */
export const AutoModelForSequenceClassification: AutoClass<SequenceClassifier> = /*@__PURE__*/ auto(
  "AutoModelForSequenceClassification",
  SEQUENCE,
);
/** Models that classify tokens, of any architecture. */
export const AutoModelForTokenClassification: AutoClass<TokenClassifier> = /*@__PURE__*/ auto("AutoModelForTokenClassification", TOKEN);
/** Models that find answers in texts, of any architecture. */
export const AutoModelForQuestionAnswering: AutoClass<QuestionAnswerer> = /*@__PURE__*/ auto("AutoModelForQuestionAnswering", ANSWER);
/** Models that turn texts into texts, of any architecture. */
export const AutoModelForSeq2SeqLM: AutoClass<Seq2SeqModel> = /*@__PURE__*/ auto("AutoModelForSeq2SeqLM", SEQ2SEQ);
/** Configurations of any architecture. */
export const AutoConfig: {
  /** Reads the configuration of whatever a model is loaded from. @throws FormatError for an architecture that is not known */
  fromPretrained(source: string | ModelFiles, options?: HubOptions): Promise<CommonConfig>;
} = {
  fromPretrained: /*@__PURE__*/ located(
    "AutoConfig.fromPretrained",
    "source, options",
    async (source: string | ModelFiles, options?: HubOptions) => {
      const checkpoint = await openCheckpoint(source, {}, checkOptions("AutoConfig.fromPretrained", HUB_OPTIONS, options));
      await checkpoint.close();
      const { config, name } = checkpoint;
      return readConfig(classOf("AutoConfig", BASE, config, name), config, name);
    },
  ),
};
