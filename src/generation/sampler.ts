// Chooses the next token of every row: the likeliest, or one drawn with PyTorch's choice for the seed.
// At a vocabulary of 128k what costs is not the choosing but sorting and logarithms of every token: with topK, sampling narrows the scores to a few
// candidates and applies the warpers to these alone; topP and minP alone are a cut through the probabilities, which is found without sorting.
import type { Generator } from "../core/rng.ts";
import type { Tensor } from "../core/tensor.ts";
import { hostValues } from "../ops/host.ts";
import { cutOf } from "./cut.ts";
import { drawAbove, drawAmong, drawFull } from "./draw.ts";
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
    if (few !== null) {
      const warmed = this.#temperature.process([], few.values);
      const warped = [this.#topP, ...this.#rest].reduce((s: Tensor, w) => (w === null ? s : w.process([], s)), warmed);
      return drawAmong(warped.softmax(-1), few.indices, vocabSize, generator);
    }
    const { topK, topP, minP, typicalP, minTokensToKeep = 1 } = this.#settings;
    if (topK === 0 && typicalP === 1 && minTokensToKeep === 1) {
      const p = this.#temperature.process([], scores).softmax(-1);
      return Array.from({ length: rows }, (_, r) => drawAbove(p.select(0, r), cutOf(p.select(0, r), topP, minP), generator));
    }
    return numbers(drawFull(this.warp(scores).softmax(-1), generator));
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
}

const numbers = async (ids: Tensor): Promise<number[]> => Array.from((await ids.data()) as BigInt64Array, Number);
