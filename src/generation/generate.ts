// The two doors to generation: whole answers, and answers piece by piece.
import { ArgumentError, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Answer, FinishReason } from "./answer.ts";
import { beamSearch, textOf } from "./beam.ts";
import { cacheFor, decode } from "./decode.ts";
import { Feed } from "./feed.ts";
import type { TokenLogprob } from "./logprobs.ts";
import type { CausalLM } from "./model.ts";
import { type GenerateOptions, type Settings, settingsOf } from "./options.ts";
import { idTensor } from "./processor.ts";
import { standardProcessors } from "./processors/standard.ts";
import { type InputIds, type Prompt, promptOf } from "./prompt.ts";
import { answersTo } from "./run.ts";
import { Sampler } from "./sampler.ts";

/** What `generate` gives. Rows: `numReturnSequences` for each prompt, side by side. */
export interface GenerateOutput {
  /** int64 [rows, T + most new tokens]: prompts with their padding, then answers, filled up with `padTokenId`. */
  readonly sequences: Tensor;
  /** The new tokens of each row, the end-of-sequence token included. */
  readonly newIds: readonly (readonly number[])[];
  /** Why each row ended. */
  readonly finishReasons: readonly FinishReason[];
  /** The text of each answer, without its stop string; null without `tokenizer`. */
  readonly texts: readonly string[] | null;
  /** With `logprobs`: of each new token, under the model's own distribution. */
  readonly logprobs: readonly (readonly number[])[] | null;
  /** With `topLogprobs`: the likeliest tokens in the place of each new one. */
  readonly topLogprobs: readonly (readonly (readonly TokenLogprob[])[])[] | null;
  /** With `outputScores`: of each step, float32 [rows (times numBeams), vocabSize] after all processors: what was chosen by. */
  readonly scores: readonly Tensor[] | null;
  /** With `outputLogits`: of each step, the model's, float32 [rows (times numBeams), vocabSize]. */
  readonly logits: readonly Tensor[] | null;
  /** With `numBeams`: each row's Σ log p / length ** lengthPenalty. */
  readonly sequencesScores: readonly number[] | null;
}

/** A piece of a streamed answer. */
export interface Piece {
  /** The token; null where the signal ended the answer. */
  readonly id: number | null;
  /** The text that has become certain with it: never half a character, no part of a stop string. Empty without `tokenizer`. */
  readonly text: string;
  /** With `logprobs`: of the token, under the model's own distribution. */
  readonly logprob: number | null;
  /** With `topLogprobs`: the likeliest tokens in its place. */
  readonly topLogprobs: readonly TokenLogprob[] | null;
  /** In the last piece: why the answer ended. */
  readonly finishReason: FinishReason | null;
}

/**
 * Continues prompts. `inputIds`: int64 [B, T] or [T], or arrays of ids, which may differ in length: shorter ones are padded on the left.
 * Greedy unless `doSample` or `numBeams` say otherwise; with a seed a draw is PyTorch's. Other work of the thread runs between two tokens.
 * @throws ArgumentError, ValueError, ShapeError, DTypeError, IndexError for options and prompts that cannot be
 * @example
 * const model = {
 *   config: { vocabSize: 3 },
 *   newCache: () => ({ length: 0, maxLength: 9, truncate() {}, reorder() {} }),
 *   forward: (ids) => ({ logits: nn.functional.oneHot(ids.add(1).remainder(3), 3).to("float32") }), // 1 after 0, 2 after 1, 0 after 2
 * };
 * (await generate(model, [1], { maxNewTokens: 4 })).sequences // => [[1, 2, 0, 1, 2]]
 */
export async function generate(model: CausalLM, inputIds: InputIds, options?: GenerateOptions): Promise<GenerateOutput> {
  const s = settingsOf("generate", model, options);
  return s.numBeams > 1 ? beams(model, inputIds, s) : rows(model, inputIds, s);
}

/**
 * Continues one prompt token by token: `for await (const { text } of stream(model, ids, { tokenizer })) …`. Options as of `generate`.
 * Leaving the loop ends the generation.
 * @throws ArgumentError where beams or several answers are asked for; what `generate` throws
 * @example
 * const model = {
 *   config: { vocabSize: 3 },
 *   newCache: () => ({ length: 0, maxLength: 9, truncate() {}, reorder() {} }),
 *   forward: (ids) => ({ logits: nn.functional.oneHot(ids.add(1).remainder(3), 3).to("float32") }),
 * };
 * const seen = [];
 * for await (const { id, finishReason } of stream(model, [0], { maxNewTokens: 2 })) seen.push(id, finishReason);
 * seen // => [1, null, 2, "length"]
 */
export function stream(model: CausalLM, inputIds: InputIds, options?: GenerateOptions): AsyncGenerator<Piece, void> {
  // Checked now, not when the first piece is asked for.
  const s = settingsOf("stream", model, options);
  const refuse = (message: string): never => {
    throw new ArgumentError({ op: "stream", message, hint: "Use generate, which gives whole answers" });
  };
  if (s.numBeams > 1) refuse(`numBeams ${s.numBeams}: which beam wins is known at the end`);
  if (s.numReturnSequences > 1) refuse(`${s.numReturnSequences} numReturnSequences`);
  const prompt = promptOf("stream", model, inputIds, s, 1);
  if (prompt.ids.length > 1)
    throw new ValueError({ op: "stream", message: `${prompt.ids.length} prompts`, hint: "Stream one prompt; generate takes several" });
  return pieces(model, prompt, s);
}

async function* pieces(model: CausalLM, prompt: Prompt, s: Settings): AsyncGenerator<Piece, void> {
  const answers = answersTo(prompt, s);
  const [answer] = answers as [Answer];
  let told = false;
  for await (const { got } of decode("stream", model, prompt, s, answers))
    for (const { id, text, explained } of got) {
      told = answer.finishReason !== null;
      const { logprob, topLogprobs } = explained ?? { logprob: null, topLogprobs: null };
      yield { id, text, logprob, topLogprobs, finishReason: answer.finishReason };
    }
  // No room for a single token.
  if (!told) yield { id: null, text: "", logprob: null, topLogprobs: null, finishReason: answer.finishReason };
}

async function rows(model: CausalLM, inputIds: InputIds, s: Settings): Promise<GenerateOutput> {
  const prompt = promptOf("generate", model, inputIds, s, s.numReturnSequences);
  const answers = answersTo(prompt, s);
  const logprobs: number[][] = answers.map(() => []);
  const topLogprobs: (readonly TokenLogprob[])[][] = answers.map(() => []);
  const scores: Tensor[] = [];
  const logits: Tensor[] = [];
  for await (const step of decode("generate", model, prompt, s, answers)) {
    for (const { row, explained } of step.got)
      if (explained !== null) {
        logprobs[row]!.push(explained.logprob);
        topLogprobs[row]!.push(explained.topLogprobs ?? []);
      }
    if (step.scores) scores.push(step.scores);
    if (step.logits) logits.push(step.logits);
  }
  const newIds = answers.map((a) => a.newIds);
  return {
    sequences: joined(prompt.ids, newIds, s),
    newIds,
    finishReasons: answers.map((a) => a.finishReason!),
    texts: s.tokenizer && answers.map((a) => a.text),
    logprobs: s.logprobs ? logprobs : null,
    topLogprobs: s.topLogprobs > 0 ? topLogprobs : null,
    scores: s.outputScores ? scores : null,
    logits: s.outputLogits ? logits : null,
    sequencesScores: null,
  };
}

async function beams(model: CausalLM, inputIds: InputIds, s: Settings): Promise<GenerateOutput> {
  const op = "generate";
  const prompt = promptOf(op, model, inputIds, s, s.numBeams);
  if (s.topLogprobs > 0)
    throw new ArgumentError({ op, message: "topLogprobs with numBeams", hint: "Beams have logprobs of their own tokens only" });
  if (prompt.maxNewTokens === 0)
    throw new ValueError({ op, message: "the prompt fills all positions", hint: "Shorten it: beams need one new token at least" });
  const { cache } = cacheFor(op, model, prompt, s); // never on loan: that is for one row
  const feed = new Feed(model, cache, prompt.padding, prompt.length + prompt.maxNewTokens);
  const sampler = new Sampler({ ...s, minTokensToKeep: Math.max(2, 1 + s.eosTokenId.length) });
  const scores: Tensor[] = [];
  const logits: Tensor[] = [];
  const onStep = (score: Tensor, logit: Tensor): void => {
    if (s.outputScores) scores.push(score);
    if (s.outputLogits) logits.push(logit);
  };
  const found = await beamSearch({ settings: s, prompt, feed, processors: standardProcessors(s), sampler, onStep });
  const newIds = found.map((f) => f.newIds);
  const prompts = found.map((_, i) => prompt.ids[Math.floor(i / s.numReturnSequences) * s.numBeams]!);
  return {
    sequences: joined(prompts, newIds, s),
    newIds,
    finishReasons: found.map((f) => f.finishReason),
    texts: s.tokenizer && newIds.map((ids) => textOf(ids, s)),
    logprobs: s.logprobs ? found.map((f) => f.logprobs) : null,
    topLogprobs: null,
    scores: s.outputScores ? scores : null,
    logits: s.outputLogits ? logits : null,
    sequencesScores: found.map((f) => f.score),
  };
}

/** int64 [rows, T + most new tokens]. */
function joined(prompts: readonly (readonly number[])[], newIds: readonly (readonly number[])[], s: Settings): Tensor {
  const most = Math.max(...newIds.map((ids) => ids.length));
  const all = prompts.map((p, r) => [...p, ...newIds[r]!, ...Array<number>(most - newIds[r]!.length).fill(s.padTokenId ?? 0)]);
  return idTensor(all.flat()).view([all.length, all[0]!.length]);
}
