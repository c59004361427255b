// Beam search, with transformers' choices: `numBeams` unfinished beams go on, up to `numBeams` finished ones are kept, and the search
// ends when no unfinished one is expected to beat the worst of those kept. A beam's score is Σ log p / length ** lengthPenalty.
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { tensor } from "../ops/create.ts";
import { hostValues } from "../ops/host.ts";
import { multinomial } from "../ops/random.ts";
import { Answer, type FinishReason } from "./answer.ts";
import { breathe, type Feed } from "./feed.ts";
import type { Settings } from "./options.ts";
import type { LogitsProcessor } from "./processor.ts";
import type { Prompt } from "./prompt.ts";
import { processed } from "./run.ts";
import type { Sampler } from "./sampler.ts";

/** A beam: its tokens after the prompt, the sum of their scores, and what the model alone gave each. */
interface Beam {
  readonly newIds: readonly number[];
  readonly sum: number;
  readonly logprobs: readonly number[];
  /** Row of the batch whose keys and values it continues. */
  readonly row: number;
}
/** A finished beam. */
export interface Finished {
  readonly newIds: readonly number[];
  /** Σ log p / length ** lengthPenalty. */
  readonly score: number;
  readonly logprobs: readonly number[];
  readonly finishReason: FinishReason;
}
/** The beams of one prompt. */
interface Search {
  readonly prompt: readonly number[];
  running: readonly Beam[];
  kept: readonly Finished[];
  /** May an unfinished beam still become better? */
  open: boolean;
}
/** What the search is made with. */
export interface BeamRun {
  readonly settings: Settings;
  readonly prompt: Prompt;
  readonly feed: Feed;
  readonly processors: readonly LogitsProcessor[];
  readonly sampler: Sampler;
  /** Called with the processed log-probabilities and the logits [B · numBeams, vocabSize] of each step. */
  readonly onStep: (scores: Tensor, logits: Tensor) => void;
}

const NEVER = -1e9; // transformers' stand-in for -Infinity, which sums must not turn into NaN

/** The `numReturnSequences` best beams of each prompt, best first. `prompt` has `numBeams` copies of every row. */
export async function beamSearch(run: BeamRun): Promise<Finished[]> {
  const { settings: s, prompt, feed } = run;
  const n = s.numBeams;
  const searches = Array.from({ length: prompt.ids.length / n }, (_, b): Search => {
    const row = b * n;
    // All beams begin alike: only the first counts in the first step.
    const running = Array.from({ length: n }, (_x, i): Beam => ({ newIds: [], sum: i === 0 ? 0 : NEVER, logprobs: [], row: row + i }));
    return { prompt: prompt.ids[row]!.slice(prompt.padding[row]), running, kept: [], open: true };
  });
  let logits = await feed.prefill(prompt.ids, s.prefillChunkSize, s.signal);
  while (logits !== null && !step(run, searches, logits)) {
    await breathe();
    if (s.signal?.aborted) break;
    const running = beamsOf(searches);
    feed.cache.reorder(running.map((b) => b.row));
    logits = feed.forward(running.map((b) => [b.newIds.at(-1)!])).select(1, 0);
  }
  return searches.flatMap((x) => best(x, s));
}

const beamsOf = (searches: readonly Search[]): Beam[] => searches.flatMap((x) => x.running);

/** One token for every beam; true when the search is over. */
function step(run: BeamRun, searches: readonly Search[], logits: Tensor): boolean {
  const { settings: s, processors, sampler } = run;
  const [rows, vocabSize] = logits.shape as [number, number];
  const width = Math.max(2, 1 + s.eosTokenId.length) * s.numBeams;
  const seen = searches.flatMap((x) => x.running.map((b) => ({ ids: [...x.prompt, ...b.newIds], promptLength: x.prompt.length })));
  const [sums, indices, own] = noGrad(() => {
    const logP = logits.logSoftmax(-1);
    const plain = processed(processors, seen, logP);
    const scores = s.doSample ? sampler.warp(plain) : plain;
    run.onStep(scores, logits);
    const before = tensor(Float32Array.from(beamsOf(searches), (b) => b.sum)).view([rows, 1]);
    const found = candidates(scores.add(before).reshape([searches.length, -1]), width, s);
    return [found.values, found.indices, logP.reshape([searches.length, -1]).gather(1, found.indices)].map(hostValues);
  }) as [Float32Array, Float64Array, Float32Array];
  let allEnd = true;
  searches.forEach((x, b) => {
    const next = Array.from({ length: width }, (_, k): Beam => {
      const at = b * width + k;
      const from = Math.floor(indices[at]! / vocabSize);
      const old = x.running[from]!;
      return {
        newIds: [...old.newIds, indices[at]! % vocabSize],
        sum: sums[at]!,
        logprobs: [...old.logprobs, own[at]!],
        row: b * s.numBeams + from,
      };
    });
    allEnd = goOn(x, next, run) && allEnd;
  });
  const allKept = s.earlyStopping === true && searches.every((x) => x.kept.length === s.numBeams);
  return allEnd || allKept || !searches.some((x) => x.open);
}

/** Sorts the candidates `next`, best first, into finished and running beams; true when all of them have ended. */
function goOn(x: Search, next: readonly Beam[], { settings: s, prompt }: BeamRun): boolean {
  const n = s.numBeams;
  // Text is only needed here where it may end a beam.
  const probe = s.stopStrings.length > 0 ? s : { ...s, tokenizer: null };
  const reasons = next.map((beam) => {
    const answer = new Answer(x.prompt, prompt.maxNewTokens, probe);
    for (const id of beam.newIds) answer.push(id);
    return answer.finishReason;
  });
  // Only the first n may finish: the others stand in for those that have ended.
  const full = s.earlyStopping === true && x.kept.length === n;
  const ended = x.open && !full ? next.slice(0, n).flatMap((beam, i) => (reasons[i] ? [finished(beam, reasons[i], s)] : [])) : [];
  x.kept = [...x.kept, ...ended].sort((p, q) => q.score - p.score).slice(0, n);
  x.running = next
    .map((beam, i) => (reasons[i] ? { ...beam, sum: beam.sum + NEVER } : beam))
    .sort((p, q) => q.sum - p.sum)
    .slice(0, n);
  const length = s.earlyStopping === "never" && s.lengthPenalty > 0 ? prompt.maxNewTokens : next[0]!.newIds.length;
  x.open &&= x.kept.length < n || x.running[0]!.sum / length ** s.lengthPenalty > x.kept[n - 1]!.score;
  return reasons.every((r) => r !== null);
}

/** The `width` best of each row of `sums`, or a draw of them without replacement; the best first. */
function candidates(sums: Tensor, width: number, s: Settings): { values: Tensor; indices: Tensor } {
  if (!s.doSample) return sums.topk(width);
  const drawn = multinomial(sums.softmax(-1), width, { generator: s.generator });
  const { values, indices } = sums.gather(1, drawn).sort(-1, true);
  return { values, indices: drawn.gather(1, indices) };
}

const finished = (beam: Beam, finishReason: FinishReason | null, s: Settings): Finished => ({
  newIds: beam.newIds,
  score: beam.sum / Math.max(1, beam.newIds.length) ** s.lengthPenalty,
  logprobs: beam.logprobs,
  finishReason: finishReason ?? "aborted",
});

/** What is given: finished beams, and where there are too few (aborted) unfinished ones. */
const best = (x: Search, s: Settings): Finished[] =>
  [...x.kept, ...x.running.map((beam) => finished(beam, null, s))].slice(0, s.numReturnSequences);

/** The text of a beam's tokens. */
export function textOf(newIds: readonly number[], s: Settings): string {
  const answer = new Answer([], Number.POSITIVE_INFINITY, s);
  for (const id of newIds) answer.push(id);
  if (answer.finishReason === null) answer.abort();
  return answer.text;
}
