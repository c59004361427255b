// One draw from a distribution, with PyTorch's choice for the seed: what `multinomial(p, 1)` draws is the place of the greatest
// p / e with e exponential, one e per token of the vocabulary. Where few tokens have p > 0 only their e are computed, and the
// generator passes over the rest: at 128k tokens the difference between 0.3 and 80 ms.
import { emptyLike } from "../ops/create.ts";
import { exponential_ } from "../ops/random.ts";
import { ValueError } from "../core/errors.ts";
import type { Generator } from "../core/rng.ts";
import type { Tensor } from "../core/tensor.ts";

/** float32 probabilities [B, vocabSize] → an int64 [B] of draws. */
export const drawFull = (probabilities: Tensor, generator: Generator): Tensor =>
  probabilities.div(exponential_(emptyLike(probabilities), 1, { generator })).argmax(-1);

/**
 * The same for rows of candidates: `probabilities` and `ids` hold `width` of them for each row, in any order; all other tokens have none.
 * Each row takes 2 · vocabSize draws of 32 bits, as `drawFull` does.
 */
export function drawAmong(
  probabilities: ArrayLike<number>,
  ids: ArrayLike<number | bigint>,
  width: number,
  vocabSize: number,
  generator: Generator,
): number[] {
  const out: number[] = [];
  for (let start = 0; start < ids.length; start += width) {
    const row = Array.from({ length: width }, (_, k): [number, number] => [Number(ids[start + k]), probabilities[start + k]!])
      .filter(([, p]) => p > 0)
      .sort((a, b) => a[0] - b[0]);
    if (row.length === 0)
      throw new ValueError({
        op: "generate",
        message: "no token is left to draw: every score is -Infinity or NaN",
        hint: "Check the options that forbid tokens, and the model's weights",
      });
    let at = 0;
    let best = -1;
    let choice = row[0]![0];
    for (const [id, p] of row) {
      generator.skip(2 * (id - at));
      at = id + 1;
      const e = Math.fround(-Math.log1p(-generator.double()));
      const key = Math.fround(p / e);
      if (key > best) [best, choice] = [key, id];
    }
    generator.skip(2 * (vocabSize - at));
    out.push(choice);
  }
  return out;
}
