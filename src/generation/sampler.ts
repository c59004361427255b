// Chooses the next token of every row: the likeliest, or one drawn with PyTorch's choice for the seed.
// At a vocabulary of 128k what costs is not the choosing but looking at every token: sampling first narrows the scores to a few
// candidates where the options allow it, and applies the warpers to these alone.
import type { Generator } from "../core/rng.ts";
import type { Tensor } from "../core/tensor.ts";
import { hostValues } from "../ops/host.ts";
import { drawAmong, drawFull } from "./draw.ts";
import type { LogitsProcessor } from "./processor.ts";
import { MinPLogitsWarper } from "./processors/minP.ts";
import { TemperatureLogitsWarper } from "./processors/temperature.ts";
import { TopKLogitsWarper } from "./processors/topK.ts";
import { TopPLogitsWarper } from "./processors/topP.ts";
import { TypicalLogitsWarper } from "./processors/typical.ts";

/** How to choose. */
export interface SamplerSettings {
  readonly doSample: boolean;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number | null;
  readonly typicalP: number;
  /** Beam search needs several tokens to go on with. */
  readonly minTokensToKeep?: number;
  readonly generator: Generator;
}

// How many candidates are looked at where there is no topK: what topP and minP keep is nearly always among the first few.
const SHORT = [256, 4096];

/** Chooses tokens from processed scores [B, vocabSize] float32. */
export class Sampler {
  readonly #settings: SamplerSettings;
  readonly #temperature: TemperatureLogitsWarper;
  // In transformers' order.
  readonly #topK: TopKLogitsWarper | null;
  readonly #topP: TopPLogitsWarper | null;
  readonly #rest: readonly LogitsProcessor[];

  constructor(settings: SamplerSettings) {
    // Greedy search does not look at them, whatever they are.
    const none = { temperature: 1, topK: 0, topP: 1, minP: null, typicalP: 1 };
    this.#settings = settings.doSample ? settings : { ...settings, ...none };
    const { temperature, topK, topP, minP, typicalP } = this.#settings;
    const keep = { minTokensToKeep: settings.minTokensToKeep ?? 1 };
    this.#temperature = new TemperatureLogitsWarper(temperature);
    this.#topK = topK > 0 ? new TopKLogitsWarper(topK, keep) : null;
    this.#topP = topP < 1 ? new TopPLogitsWarper(topP, keep) : null;
    this.#rest = [
      ...(minP === null ? [] : [new MinPLogitsWarper(minP, keep)]),
      ...(typicalP < 1 ? [new TypicalLogitsWarper(typicalP, keep)] : []),
    ];
  }

  /** The scores as sampling sees them: -Infinity where a token cannot be drawn. */
  warp(scores: Tensor): Tensor {
    const all = [this.#temperature, this.#topK, this.#topP, ...this.#rest];
    return all.reduce((s: Tensor, w) => (w === null ? s : w.process([], s)), scores);
  }

  /** The next token of each row. */
  async choose(scores: Tensor): Promise<number[]> {
    const { doSample, generator } = this.#settings;
    if (!doSample) return numbers(scores.argmax(-1));
    const [rows, vocabSize] = scores.shape as [number, number];
    const few = this.#narrowTopK(scores);
    if (few !== null) return this.#among(this.#temperature.process([], few.values), few.indices, this.#topP, vocabSize);
    const warmed = this.#temperature.process([], scores);
    const shares = Array.from({ length: rows }, (_, r) => this.#narrowRow(warmed.narrow(0, r, 1)));
    if (shares.every((s) => s !== null)) return shares.flatMap((s) => this.#among(s.values, s.indices, s.topP, vocabSize));
    return numbers(drawFull(this.warp(scores).softmax(-1), generator));
  }

  #among(scores: Tensor, ids: Tensor, topP: TopPLogitsWarper | null, vocabSize: number): number[] {
    const warped = [topP, ...this.#rest].reduce((s: Tensor, w) => (w === null ? s : w.process([], s)), scores);
    return drawAmong(warped.softmax(-1), ids, vocabSize, this.#settings.generator);
  }

  // The topK greatest, unless a token outside them equals the least of them: that one counts too.
  #narrowTopK(scores: Tensor): { values: Tensor; indices: Tensor } | null {
    const k = this.#topK?.topK ?? 0;
    const [rows, vocabSize] = scores.shape as [number, number];
    if (k === 0 || k >= vocabSize) return null;
    const { values, indices } = scores.topk(k + 1);
    const v = hostValues(values);
    for (let r = 0; r < rows; r++) {
      const [least, next] = [v[r * (k + 1) + k - 1]!, v[r * (k + 1) + k]!];
      if (least === next && next > Number.NEGATIVE_INFINITY) return null;
    }
    return { values: values.narrow(1, 0, k).contiguous(), indices: indices.narrow(1, 0, k).contiguous() };
  }

  // Without topK: the greatest few are enough where topP or minP keep none of the others. Their probabilities sum to `mass`, so that
  // topP of all is topP / mass of them.
  #narrowRow(scores: Tensor): { values: Tensor; indices: Tensor; topP: TopPLogitsWarper | null } | null {
    const { topK, topP, minP } = this.#settings;
    if (topK > 0 || (topP === 1 && minP === null)) return null;
    const probabilities = scores.softmax(-1);
    for (const count of SHORT) {
      if (count >= scores.shape[1]!) break;
      const { values, indices } = probabilities.topk(count);
      const p = hostValues(values);
      let mass = 0;
      for (const x of p) mass += x;
      if (topP < 1 ? mass < topP : p[count - 1]! >= minP! * p[0]!) continue;
      const share = this.#topP && new TopPLogitsWarper(Math.min(1, topP / mass), { minTokensToKeep: this.#topP.minTokensToKeep });
      return { values: scores.gather(1, indices), indices, topP: share };
    }
    return null;
  }
}

const numbers = async (ids: Tensor): Promise<number[]> => Array.from((await ids.data()) as BigInt64Array, Number);
