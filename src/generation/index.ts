// firebrand/generation: text from causal language models.
import "../devices.ts";

export type { Cache, CausalLM, ForwardOptions } from "./model.ts";
export { generate, type GenerateOutput, type Piece, stream } from "./generate.ts";
export type { Decoder, GenerateOptions, PieceStream } from "./options.ts";
export type { FinishReason } from "./answer.ts";
export type { TokenLogprob } from "./logprobs.ts";
export type { InputIds } from "./prompt.ts";
export { type Loan, PrefixCache } from "./prefixCache.ts";
export type { LogitsProcessor, Row } from "./processor.ts";
export { TemperatureLogitsWarper } from "./processors/temperature.ts";
export { TopKLogitsWarper } from "./processors/topK.ts";
export { TopPLogitsWarper } from "./processors/topP.ts";
export { MinPLogitsWarper } from "./processors/minP.ts";
export { TypicalLogitsWarper } from "./processors/typical.ts";
export { RepetitionPenaltyLogitsProcessor } from "./processors/repetition.ts";
export { FrequencyPenaltyLogitsProcessor } from "./processors/frequency.ts";
export { NoRepeatNGramLogitsProcessor } from "./processors/ngram.ts";
export { NoBadWordsLogitsProcessor } from "./processors/badWords.ts";
export { SuppressTokensLogitsProcessor } from "./processors/suppress.ts";
export { MinNewTokensLengthLogitsProcessor } from "./processors/minNewTokens.ts";
export { type ConstraintOptions, type JsonSchemaOptions, JsonSchemaLogitsProcessor, RegexLogitsProcessor } from "./constrain/constraint.ts";
export type { JsonSchema } from "./constrain/schema.ts";
export type { TokenSource } from "./constrain/tokenBytes.ts";
export { Vocabulary } from "./constrain/vocabulary.ts";
