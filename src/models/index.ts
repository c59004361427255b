// firebrand/models.
import "../devices.ts";
export {
  type AutoClass,
  AutoConfig,
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
} from "./auto.ts";
export { CausalModel, type BaseOutput, type CausalOptions, type CausalOutput, nextTokenLoss } from "./causal.ts";
export type { CommonConfig, ConfigReader } from "./config.ts";
export { type GgufModel, ggufModel, type GgufWeightType } from "./sources/ggufWriter.ts";
export { folderFiles, givenFiles, type ModelFiles } from "./sources/files.ts";
export { type FromPretrainedOptions, PreTrainedModel } from "./pretrained.ts";
export { CacheBatch, type CacheSizes, KeyValueCache } from "./shared/cache.ts";
export { Conv1D } from "./shared/conv1d.ts";
export { type GPT2Config, gpt2Config, GPT2LMHeadModel, GPT2Model } from "./gpt2.ts";
export { type LlamaConfig, llamaConfig, LlamaForCausalLM, LlamaModel } from "./llama.ts";
export { type MistralConfig, mistralConfig, MistralForCausalLM, MistralModel } from "./mistral.ts";
export { type Qwen2Config, qwen2Config, Qwen2ForCausalLM, Qwen2Model } from "./qwen2.ts";
export { type Qwen3Config, qwen3Config, Qwen3ForCausalLM, Qwen3Model } from "./qwen3.ts";
export { type Phi3Config, phi3Config, Phi3ForCausalLM, Phi3Model } from "./phi3.ts";
export { type Gemma2Config, gemma2Config, Gemma2ForCausalLM, Gemma2Model } from "./gemma2.ts";
export { type Gemma3TextConfig, gemma3TextConfig, Gemma3ForCausalLM, Gemma3TextModel } from "./gemma3.ts";
export { EncoderModel, type EncoderOptions, type EncoderOutput } from "./encoder.ts";
export type { LabelConfig, ProblemType } from "./shared/labels.ts";
export {
  type AnswerOptions,
  type AnswerOutput,
  MaskedLanguageModel,
  QuestionAnswerer,
  SequenceClassifier,
  type TaskOptions,
  type TaskOutput,
  TokenClassifier,
} from "./tasks.ts";
export {
  type BertConfig,
  bertConfig,
  BertForMaskedLM,
  BertForQuestionAnswering,
  BertForSequenceClassification,
  BertForTokenClassification,
  BertModel,
} from "./bert.ts";
export {
  type RobertaConfig,
  robertaConfig,
  RobertaForMaskedLM,
  RobertaForQuestionAnswering,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
  RobertaModel,
  xlmRobertaConfig,
  XLMRobertaForMaskedLM,
  XLMRobertaForQuestionAnswering,
  XLMRobertaForSequenceClassification,
  XLMRobertaForTokenClassification,
  XLMRobertaModel,
} from "./roberta.ts";
export {
  type DistilBertConfig,
  distilBertConfig,
  DistilBertForMaskedLM,
  DistilBertForQuestionAnswering,
  DistilBertForSequenceClassification,
  DistilBertForTokenClassification,
  DistilBertModel,
} from "./distilbert.ts";
export {
  type Conditioned,
  type DecoderOptions,
  Encoded,
  type Seq2SeqConfig,
  Seq2SeqModel,
  type Seq2SeqOptions,
  type Seq2SeqOutput,
} from "./seq2seq.ts";
export { relativeBucket } from "./shared/relative.ts";
export {
  type T5Config,
  t5Config,
  T5EncoderModel,
  T5ForConditionalGeneration,
  T5Model,
  type T5ModelOptions,
  type T5ModelOutput,
} from "./t5.ts";
export {
  type BatchTokenizer,
  Dense,
  Normalize,
  type SentenceOptions,
  type SentenceParts,
  SentenceTransformer,
  type TokenBatch,
} from "./sentence.ts";
export { pool, type PoolingMode } from "./shared/pooling.ts";
