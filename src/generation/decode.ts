// The loop behind `generate` and `stream`: prefill, then a token for every row at a time.
import { ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Answer } from "./answer.ts";
import { breathe, Feed } from "./feed.ts";
import { explain } from "./logprobs.ts";
import type { Cache, CausalLM } from "./model.ts";
import type { Settings } from "./options.ts";
import type { Loan } from "./prefixCache.ts";
import { standardProcessors } from "./processors/standard.ts";
import type { Prompt } from "./prompt.ts";
import { aborted, type Got, kept, processed, type Run, type Step } from "./run.ts";
import { Sampler } from "./sampler.ts";
import { speculate } from "./speculate.ts";

/** A cache for the call: the one given, one that shares the prompt's beginning, or a new one. */
export function cacheFor(op: string, model: CausalLM, prompt: Prompt, s: Settings): { cache: Cache; loan: Loan | null } {
  const batch = prompt.ids.length;
  const needed = prompt.length + prompt.maxNewTokens;
  if (s.prefixCache && batch > 1)
    throw new ValueError({ op, message: `prefixCache with ${batch} rows`, hint: "It serves one prompt at a time" });
  const loan = s.prefixCache ? s.prefixCache.take(prompt.ids[0]!) : null;
  const cache = loan?.cache ?? s.cache ?? model.newCache({ batch, length: needed });
  const refuse = (message: string, hint: string): never => {
    loan?.release([]);
    throw new ValueError({ op, message, hint });
  };
  if (cache.length >= prompt.length)
    refuse(
      `the cache holds ${cache.length} positions, the prompt has ${prompt.length} tokens`,
      "Give the whole conversation as prompt, with one token at least that the cache has not seen; or truncate the cache",
    );
  // The last token is never fed.
  if (needed - 1 > cache.maxLength)
    refuse(
      `${prompt.length} tokens of prompt and ${prompt.maxNewTokens} new ones need ${needed - 1} positions, the cache has ${cache.maxLength}`,
      "Make a longer cache, or lower maxNewTokens",
    );
  return { cache, loan };
}

/** Generates step by step; answers in `answers` grow. */
export async function* decode(
  op: string,
  model: CausalLM,
  prompt: Prompt,
  s: Settings,
  answers: readonly Answer[],
): AsyncGenerator<Step, void> {
  const { cache, loan: lent } = cacheFor(op, model, prompt, s);
  let loan = lent;
  try {
    const feed = new Feed(model, cache, prompt.padding, prompt.length + prompt.maxNewTokens);
    const run: Run = { settings: s, answers, feed, processors: standardProcessors(s), sampler: new Sampler(s) };
    if (answers.every((a) => a.finishReason !== null)) return;
    const logits = await feed.prefill(prompt.ids, s.prefillChunkSize, s.signal);
    if (logits === null) yield aborted(answers);
    else if (s.assistantModel) yield* speculate(op, s.assistantModel, run, logits);
    else yield* steps(run, logits);
  } catch (e) {
    // What a pass that failed has written is not known.
    loan?.release([]);
    loan = null;
    throw e;
  } finally {
    loan?.release(answers[0]!.ids);
  }
}

async function* steps(run: Run, first: Tensor): AsyncGenerator<Step, void> {
  const { settings: s, answers, feed, sampler } = run;
  // What rows that have ended are fed: any token that the model has.
  const filler = s.padTokenId !== null && s.padTokenId < feed.model.config.vocabSize ? s.padTokenId : 0;
  for (let logits = first; ; ) {
    const scores = processed(run.processors, answers, logits);
    const chosen = await sampler.choose(scores);
    const explained = s.logprobs ? explain(logits, chosen, s.topLogprobs) : null;
    const got: Got[] = [];
    answers.forEach((a, row) => {
      if (a.finishReason !== null) chosen[row] = filler;
      else got.push({ row, id: chosen[row]!, text: a.push(chosen[row]!), explained: explained && explained[row]! });
    });
    yield { got, ...kept(run, scores, logits) };
    if (answers.every((a) => a.finishReason !== null)) return;
    await breathe();
    if (s.signal?.aborted) return void (yield aborted(answers));
    logits = feed.forward(chosen.map((id) => [id])).select(1, 0);
  }
}
