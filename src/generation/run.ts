// What every way of decoding shares: the rows, the model that is fed, and what a step gives.
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { Answer } from "./answer.ts";
import type { Feed } from "./feed.ts";
import type { Explained } from "./logprobs.ts";
import type { Settings } from "./options.ts";
import type { LogitsProcessor, Row } from "./processor.ts";
import type { Prompt } from "./prompt.ts";
import type { Sampler } from "./sampler.ts";

/** What a row got in a step: a token, or (aborted) only the text that waited. */
export interface Got {
  readonly row: number;
  readonly id: number | null;
  readonly text: string;
  readonly explained: Explained | null;
}
/** A step: what the rows that had not ended got. */
export interface Step {
  readonly got: readonly Got[];
  /** float32 [B, vocabSize], processed; where asked for. */
  readonly scores: Tensor | null;
  /** float32 [B, vocabSize], the model's; where asked for. */
  readonly logits: Tensor | null;
}

/** Everything a step needs to know. */
export interface Run {
  readonly settings: Settings;
  readonly answers: readonly Answer[];
  readonly feed: Feed;
  readonly processors: readonly LogitsProcessor[];
  readonly sampler: Sampler;
}

/** The processed scores of logits [rows, vocabSize]. */
export const processed = (processors: readonly LogitsProcessor[], rows: readonly Row[], logits: Tensor): Tensor =>
  noGrad(() => processors.reduce((scores, p) => p.process(rows, scores), logits));

/** What is kept of a step where it is asked for. */
export const kept = ({ settings: s, sampler }: Run, scores: Tensor, logits: Tensor): Omit<Step, "got"> => ({
  scores: !s.outputScores ? null : s.doSample ? noGrad(() => sampler.warp(scores)) : scores,
  logits: s.outputLogits ? logits : null,
});

/** The answers to prompts, before their first token. */
export const answersTo = (prompt: Prompt, s: Settings): Answer[] =>
  prompt.ids.map((ids, r) => new Answer(ids.slice(prompt.padding[r]), prompt.maxNewTokens, s));

/** Ends what has not ended. */
export const aborted = (answers: readonly Answer[]): Step => ({
  got: answers.flatMap((a, row) => (a.finishReason === null ? [{ row, id: null, text: a.abort(), explained: null }] : [])),
  scores: null,
  logits: null,
});
