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
  while (logits !== null) {
    const done = step(run, searches, logits);
    const { running } = joined(searches);
    if (done) break;
    await breathe();
    if (s.signal?.aborted) break;
    feed.cache.reorder(running.map((b) => b.row));
    logits = feed.forward(running.map((b) => [b.newIds.at(-1)!])).select(1, 0);
  }
  return searches.flatMap((x) => best(x, s));
}

const joined = (searches: readonly Search[]): { running: Beam[] } => ({ running: searches.flatMap((x) => x.running) });

/** One token for every beam; true when the search is over. */
function step(run: BeamRun, searches: readonly Search[], logits: Tensor): boolean {
  const { settings: s, prompt } = run;
  const n = s.numBeams;
  const { running } = joined(searches);
  const rows = searches.flatMap((x) => x.running.map((b) => ({ ids: [...x.prompt, ...b.newIds], promptLength: x.prompt.length })));
  const width = Math.max(2, 1 + s.eosTokenId.length) * n;
  const drawn = noGrad(() => {
    const own = logits.logSoftmax(-1);
    const plain = processed(run.processors, rows, own);
    const scores = s.doSample ? run.sampler.warp(plain) : plain;
    run.onStep(scores, logits);
    const sums = scores.add(tensor(Float32Array.from(running, (b) => b.sum)).unsqueeze(1)).reshape([searches.length, -1]);
    const { values, indices } = candidates(sums, width, s);
    return {
      values: hostValues(values),
      indices: hostValues(indices),
      own: hostValues(own.reshape([searches.length, -1]).gather(1, indices)),
    };
  });
  const vocabSize = logits.shape[1]!;
  const length = running[0]!.newIds.length + 1;
  // Text is only needed here where it may end a beam.
  const probe = s.stopStrings.length > 0 ? s : { ...s, tokenizer: null };
  let allEnd = true;
  searches.forEach((x, b) => {
    const next = Array.from({ length: width }, (_, k) => {
      const at = b * width + k;
      const from = Math.floor(drawn.indices[at]! / vocabSize);
      const old = x.running[from]!;
      const id = drawn.indices[at]! % vocabSize;
      const beam: Beam = {
        newIds: [...old.newIds, id],
        sum: drawn.values[at]!,
        logprobs: [...old.logprobs, drawn.own[at]!],
        row: b * n + from,
      };
      const answer = read(x.prompt, beam, prompt.maxNewTokens, probe);
      return { beam, answer, ends: answer.finishReason !== null };
    });
    allEnd &&= next.every((c) => c.ends);
    // The others of the `width` only stand in for beams that have ended.
    const full = s.earlyStopping === true && x.kept.length === n;
    const ended = x.open && !full ? next.slice(0, n).filter((c) => c.ends) : [];
    const scored = ended.map(({ beam, answer }) => finished(beam, answer.finishReason, s));
    x.kept = [...x.kept, ...scored].sort((p, q) => q.score - p.score).slice(0, n);
    x.running = next
      .map((c) => (c.ends ? { ...c.beam, sum: c.beam.sum + NEVER } : c.beam))
      .sort((p, q) => q.sum - p.sum)
      .slice(0, n);
    const hopeful = s.earlyStopping === "never" && s.lengthPenalty > 0 ? prompt.maxNewTokens : length;
    const possible = x.running[0]!.sum / hopeful ** s.lengthPenalty;
    x.open &&= x.kept.length < n || possible > x.kept[n - 1]!.score;
  });
  const allKept = s.earlyStopping === true && searches.every((x) => x.kept.length === n);
  return allEnd || allKept || !searches.some((x) => x.open);
}

/** The `width` best of each row of `sums`, or a draw of them without replacement; the best first. */
function candidates(sums: Tensor, width: number, s: Settings): { values: Tensor; indices: Tensor } {
  if (!s.doSample) return sums.topk(width);
  const drawn = multinomial(sums.softmax(-1), width, { generator: s.generator });
  const { values, indices } = sums.gather(1, drawn).sort(-1, true);
  return { values, indices: drawn.gather(1, indices) };
}

/** The beam as an answer: tells whether it has ended, and its text. */
function read(prompt: readonly number[], beam: Beam, maxNewTokens: number, s: Settings): Answer {
  const answer = new Answer(prompt, maxNewTokens, s);
  for (const id of beam.newIds) answer.push(id);
  return answer;
}
const finished = (beam: Beam, finishReason: FinishReason | null, s: Settings): Finished => ({
  newIds: beam.newIds,
  score: beam.sum / beam.newIds.length ** s.lengthPenalty,
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
