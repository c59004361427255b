// Speculative decoding. Leviathan, Kalman and Matias 2023, "Fast Inference from Transformers via Speculative Decoding", algorithm 1.
// A draft model guesses some tokens; the model looks at all of them in one pass and keeps those that it would have chosen itself.
// Greedy: guesses are kept while they are the model's likeliest tokens. Sampling: guess x ~ q is kept with probability
// min(1, p(x) / q(x)); the first refused one is replaced by a draw from max(0, p - q) / Σ max(0, p - q). Either way the tokens
// are distributed as the model's alone, and a pass yields one token more than it keeps.
import { ValueError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { drawFull } from "./draw.ts";
import { breathe, Feed } from "./feed.ts";
import { explain } from "./logprobs.ts";
import type { CausalLM } from "./model.ts";
import { aborted, kept, processed, type Run, type Step } from "./run.ts";

/** A guessed token, and the distribution [1, vocabSize] that it was drawn from where it was drawn. */
interface Guess {
  readonly id: number;
  readonly q: Tensor | null;
}

/** One row, as `steps` of decode.ts would generate it. `first`: the logits after the prompt [1, vocabSize]. */
export async function* speculate(op: string, assistant: CausalLM, run: Run, first: Tensor): AsyncGenerator<Step, void> {
  const { settings: s, answers, feed } = run;
  const answer = answers[0]!;
  if (answers.length > 1)
    throw new ValueError({ op, message: `assistantModel with ${answers.length} rows`, hint: "It serves one prompt at a time" });
  const length = answer.ids.length + answer.remaining;
  const draft = new Feed(assistant, assistant.newCache({ batch: 1, length }), [0], length);
  const { nPositions, maxPositionEmbeddings = nPositions ?? length } = assistant.config;
  let guesses: readonly Guess[] = [];
  // Logits after the last token and after each guess, [1, 1 + guesses, vocabSize].
  for (let logits = first.unsqueeze(1); ; ) {
    const fed = feed.cache.length - guesses.length; // tokens in the cache that are no guesses
    for (let i = 0; i <= guesses.length; i++) {
      const guess = guesses[i];
      const here = logits.select(1, i);
      const scores = processed(run.processors, answers, here);
      const id = await verdict(run, scores, guess);
      const text = answer.push(id);
      const ends = answer.finishReason !== null || id !== guess?.id;
      if (ends) feed.cache.truncate(fed + i); // before others see the token: they may leave here
      const explained = s.logprobs ? explain(here, [id], s.topLogprobs)[0]! : null;
      yield { got: [{ row: 0, id, text, explained }], ...kept(run, scores, here) };
      await breathe();
      if (ends) break;
    }
    if (answer.finishReason !== null) return;
    if (s.signal?.aborted) return void (yield aborted(answers));
    const room = Math.min(answer.remaining - 1, maxPositionEmbeddings - answer.ids.length);
    guesses = await guess(run, draft, Math.min(s.numAssistantTokens, room));
    const last = answer.ids.at(-1)!;
    logits = feed.forward([[last, ...guesses.map((g) => g.id)]], guesses.length + 1);
  }
}

/** The token at a guess's place: the guess, or what is put there instead; without a guess the next one. */
async function verdict(run: Run, scores: Tensor, guess: Guess | undefined): Promise<number> {
  const { doSample, generator } = run.settings;
  if (!doSample || guess === undefined || guess.q === null) return (await run.sampler.choose(scores))[0]!;
  return noGrad(() => {
    const p = run.sampler.warp(scores).softmax(-1);
    const at = (t: Tensor): number => t.select(1, guess.id).itemSync() as number;
    if (generator.float() * at(guess.q!) < at(p)) return guess.id;
    return drawFull(p.sub(guess.q!).clamp(0), generator).itemSync() as number;
  });
}

/** What the draft model goes on with, `count` tokens at most. */
async function guess(run: Run, draft: Feed, count: number): Promise<Guess[]> {
  const { doSample, generator, eosTokenId } = run.settings;
  const answer = run.answers[0]!;
  const out: Guess[] = [];
  const ids = [...answer.ids];
  draft.cache.truncate(Math.min(draft.cache.length, ids.length - 1));
  while (out.length < count) {
    const logits = draft.forward([ids.slice(draft.cache.length)]).select(1, 0);
    const scores = processed(run.processors, [{ ids, promptLength: answer.promptLength }], logits);
    const q = doSample ? noGrad(() => run.sampler.warp(scores).softmax(-1)) : null;
    const id = Number((await (q === null ? scores.argmax(-1) : drawFull(q, generator)).data())[0]);
    out.push({ id, q });
    ids.push(id);
    if (eosTokenId.includes(id)) break;
  }
  return out;
}
