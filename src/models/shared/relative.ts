// Attention whose positions are a learned bias of the scores, one for each bucket of distances. Raffel et al. 2020, section 2.1.
// In the comments, B rows of T tokens are C = dModel wide, in H = numHeads heads of D = dKv features; S keys of P texts.
import { noGrad } from "../../core/mode.ts";
import type { Tensor } from "../../core/tensor.ts";
import { tensor } from "../../ops/create.ts";
import { Linear } from "../../nn/linear.ts";
import { Module } from "../../nn/module.ts";
import { Embedding } from "../../nn/norm.ts";
import type { Encoded } from "../seq2seq.ts";
import type { T5Config } from "../t5.ts";
import type { Keys } from "./cache.ts";
import type { Sight } from "./sight.ts";

/**
 * The bucket of a distance key - query: near ones have their own, farther ones share, on a logarithmic scale, up to `maxDistance`.
 * @example [0, 1, -1, -100, -500].map((d) => relativeBucket(d, { bidirectional: true, buckets: 32, maxDistance: 128 })) // => [0, 17, 1, 15, 15]
 */
export function relativeBucket(distance: number, how: { bidirectional: boolean; buckets: number; maxDistance: number }): number {
  const count = how.bidirectional ? Math.floor(how.buckets / 2) : how.buckets;
  const first = how.bidirectional && distance > 0 ? count : 0;
  const far = how.bidirectional ? Math.abs(distance) : Math.max(0, -distance);
  const exact = Math.floor(count / 2);
  if (far < exact) return first + far;
  // Rounded as float32 does it: distances at the border of two buckets fall where they fell in training.
  const f = Math.fround;
  const share = f(f(Math.log(f(far / exact))) / f(Math.log(how.maxDistance / exact)));
  return first + Math.min(count - 1, exact + Math.trunc(f(share * (count - exact))));
}

/** Attention with that bias, among the tokens of a text or to an encoded one. */
export class T5Attention extends Module {
  readonly config: T5Config;
  readonly bidirectional: boolean;
  q: Linear;
  k: Linear;
  v: Linear;
  o: Linear;
  relative_attention_bias?: Embedding;
  constructor(config: T5Config, bidirectional: boolean, hasBias: boolean) {
    super();
    const { dModel, dKv, numHeads, relativeAttentionNumBuckets } = config;
    this.config = config;
    this.bidirectional = bidirectional;
    const into = (): Linear => new Linear(dModel, numHeads * dKv, { bias: false });
    this.q = into();
    this.k = into();
    this.v = into();
    this.o = new Linear(numHeads * dKv, dModel, { bias: false });
    if (hasBias) this.relative_attention_bias = new Embedding(relativeAttentionNumBuckets, numHeads);
  }
  #heads(x: Tensor): Tensor {
    const [B, T] = x.shape as [number, number];
    return x.view([B, T, this.config.numHeads, this.config.dKv]).transpose(1, 2); // [B, T, H D] → [B, H, T, D]
  }
  #out(y: Tensor): Tensor {
    const [B, H, T, D] = y.shape as [number, number, number, number];
    return this.o.forward(y.transpose(1, 2).reshape([B, T, H * D])); // [B, T, C]
  }
  get #dropoutP(): number {
    return this.training ? this.config.dropoutRate : 0;
  }
  /** The bias of T queries after `from` others on all S = from + T keys: [1, H, T, S]. */
  bias(from: number, count: number): Tensor {
    const s = from + count;
    const how = {
      bidirectional: this.bidirectional,
      buckets: this.config.relativeAttentionNumBuckets,
      maxDistance: this.config.relativeAttentionMaxDistance,
    };
    // A bucket for each distance from -(s - 1) to s - 1; a query's keys are a stretch of them.
    const buckets = Array.from({ length: 2 * s - 1 }, (_, i) => relativeBucket(i - (s - 1), how));
    const table = this.relative_attention_bias!;
    const at = noGrad(() =>
      tensor(
        Array.from({ length: count }, (_, i) => buckets.slice(s - 1 - from - i, 2 * s - 1 - from - i)),
        { dtype: "int64", device: table.weight.device },
      ),
    );
    return table.forward(at).permute([2, 0, 1]).unsqueeze(0);
  }
  forward(x: Tensor, sight: Sight, mask: Tensor, layer: number, cache: Keys | null): Tensor {
    const [q, k, v] = [this.q, this.k, this.v].map((m) => this.#heads(m.forward(x))) as [Tensor, Tensor, Tensor];
    const see = (q: Tensor, k: Tensor, v: Tensor): Tensor => sight.attend(q, k, v, { scale: 1, mask, dropoutP: this.#dropoutP }); // [B, H, T, D]
    return this.#out(cache ? cache.attend(layer, q, k, v, see) : see(q, k, v));
  }
  /** Attention to an encoded text. Rows that share a text (beams) are queries of the same keys, which need no copies so. */
  across(x: Tensor, encoded: Encoded, sight: Sight, layer: number): Tensor {
    const [k, v] = encoded.keys(layer, (states) => [this.#heads(this.k.forward(states)), this.#heads(this.v.forward(states))]); // [P, H, S, D]
    const q = this.#heads(this.q.forward(x)); // [B, H, T, D]
    const [B, H, T, D] = q.shape as [number, number, number, number];
    const P = k.shape[0]!;
    const style = { scale: 1, dropoutP: this.#dropoutP };
    if (B === P) return this.#out(sight.attend(q, k, v, style));
    const together = q
      .reshape([P, B / P, H, T, D])
      .transpose(1, 2)
      .reshape([P, H, (B / P) * T, D]);
    const y = sight.attend(together, k, v, style);
    return this.#out(
      y
        .view([P, H, B / P, T, D])
        .transpose(1, 2)
        .reshape([B, H, T, D]),
    );
  }
}
