// One draw from a distribution, with PyTorch's choice for the seed: what `multinomial(p, 1)` draws is the place of the greatest
// p / e, where e = -log(1 - u) is exponential and every token of the vocabulary has its own uniform u of 53 bits. Where few tokens have
// p > 0 only their logarithms are taken: at 128k tokens 0.2 ms instead of 1.6.
import { ValueError } from "../core/errors.ts";
import type { Generator } from "../core/rng.ts";
import type { Tensor } from "../core/tensor.ts";
import { empty, emptyLike } from "../ops/create.ts";
import { hostValues } from "../ops/host.ts";
import { exponential_, uniform_ } from "../ops/random.ts";

/** float32 probabilities [B, vocabSize] → an int64 [B] of draws. */
export const drawFull = (probabilities: Tensor, generator: Generator): Tensor =>
  probabilities.div(exponential_(emptyLike(probabilities), 1, { generator })).argmax(-1);

/** The same where all tokens but `ids` int64 [B, k] have no probability. */
export function drawAmong(probabilities: Tensor, ids: Tensor, vocabSize: number, generator: Generator): number[] {
  const [rows, width] = ids.shape as [number, number];
  const all = uniform_(empty([rows, vocabSize], { dtype: "float64", device: ids.device }), 0, 1, { generator });
  const [p, u, id] = [probabilities, all.gather(1, ids), ids].map(hostValues) as [Float32Array, Float64Array, Float64Array];
  return Array.from({ length: rows }, (_, row) => {
    let [best, choice] = [0, -1];
    for (let i = row * width; i < (row + 1) * width; i++) {
      const key = Math.fround(p[i]! / Math.fround(-Math.log1p(-u[i]!)));
      if (key > best) [best, choice] = [key, id[i]!];
    }
    if (choice < 0)
      throw new ValueError({
        op: "generate",
        message: "no token is left to draw: every score is -Infinity or NaN",
        hint: "Check the options that forbid tokens, and the model's weights",
      });
    return choice;
  });
}
