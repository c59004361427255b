// The processors that a set of options asks for, in transformers' order.
import type { LogitsProcessor } from "../processor.ts";
import type { Settings } from "../options.ts";
import { NoBadWordsLogitsProcessor } from "./badWords.ts";
import { FrequencyPenaltyLogitsProcessor } from "./frequency.ts";
import { MinNewTokensLengthLogitsProcessor } from "./minNewTokens.ts";
import { NoRepeatNGramLogitsProcessor } from "./ngram.ts";
import { RepetitionPenaltyLogitsProcessor } from "./repetition.ts";
import { SuppressTokensLogitsProcessor } from "./suppress.ts";

/** What runs on the scores of every step; the warpers of sampling come after it. */
export function standardProcessors(s: Settings): LogitsProcessor[] {
  const out: LogitsProcessor[] = [];
  if (s.repetitionPenalty !== 1) out.push(new RepetitionPenaltyLogitsProcessor(s.repetitionPenalty));
  if (s.frequencyPenalty !== 0 || s.presencePenalty !== 0)
    out.push(new FrequencyPenaltyLogitsProcessor(s.frequencyPenalty, s.presencePenalty));
  if (s.noRepeatNgramSize > 0) out.push(new NoRepeatNGramLogitsProcessor(s.noRepeatNgramSize));
  if (s.badWordsIds.length > 0) out.push(new NoBadWordsLogitsProcessor(s.badWordsIds, { eosTokenId: s.eosTokenId }));
  if (s.minNewTokens > 0 && s.eosTokenId.length > 0) out.push(new MinNewTokensLengthLogitsProcessor(s.minNewTokens, s.eosTokenId));
  if (s.suppressTokens.length > 0) out.push(new SuppressTokensLogitsProcessor(s.suppressTokens));
  return [...out, ...s.logitsProcessor];
}
