// What `generation_config.json` says, and what is written there: transformers' names of the options of `generate`.
import type { GenerateOptions } from "../../generation/index.ts";
import { camel, snake } from "../config.ts";

// Others belong to ways of generating that are not here.
const KNOWN: ReadonlySet<string> = new Set(
  `maxNewTokens maxLength minNewTokens doSample temperature topK topP minP typicalP repetitionPenalty noRepeatNgramSize badWordsIds suppressTokens
   numBeams lengthPenalty earlyStopping eosTokenId padTokenId`.split(/\s+/),
);

/** The options in `generation_config.json`. */
export function readGenerationOptions(json: Readonly<Record<string, unknown>>): GenerateOptions {
  const told = Object.entries(json).map(([key, value]) => [camel(key), value] as const);
  return Object.fromEntries(told.filter(([key, value]) => value !== null && KNOWN.has(key)));
}
/** Options as `generation_config.json` has them. */
export const writeGenerationOptions = (options: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).map(([k, v]) => [snake(k), v]));
