// One draw from a distribution, with PyTorch's choice for the seed: what `multinomial(p, 1)` draws is the place of the greatest
// p / e, where e = -log(1 - u) is exponential and every token of the vocabulary has its own uniform u of 53 bits. Where few tokens have
// p > 0 only their logarithms are taken, and where many do, only of those that can still be the greatest: e >= u, so p / u bounds p / e.
import { ValueError } from "../core/errors.ts";
import type { Generator } from "../core/rng.ts";
import type { Cut } from "./cut.ts";
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
  const [p, u, id] = [probabilities, uniform(rows, vocabSize, ids.device, generator).gather(1, ids), ids].map(hostValues) as [
    Float32Array,
    Float64Array,
    Float64Array,
  ];
  return Array.from({ length: rows }, (_, row) => {
    let [best, choice] = [0, -1];
    for (let i = row * width; i < (row + 1) * width; i++) {
      const key = keyOf(p[i]!, u[i]!);
      if (key > best) [best, choice] = [key, id[i]!];
    }
    return drawn(choice);
  });
}

/** The same from float32 probabilities [vocabSize] of which only those above a cut are left. */
export function drawAbove(probabilities: Tensor, { least, dropped }: Cut, generator: Generator): number {
  const { shape, device } = probabilities;
  const [p, u] = [probabilities, uniform(1, shape[0]!, device, generator)].map(hostValues) as [Float32Array, Float64Array];
  let [best, choice, equal] = [0, -1, 0];
  for (let i = 0; i < p.length; i++) {
    const x = p[i]!;
    // Rounding may take a key above its bound by a millionth at most.
    if (!(x >= least) || (x === least && equal++ < dropped) || x * 1.000001 < best * u[i]!) continue;
    const key = keyOf(x, u[i]!);
    if (key > best) [best, choice] = [key, i];
  }
  return drawn(choice);
}

const uniform = (rows: number, vocabSize: number, device: string, generator: Generator): Tensor =>
  uniform_(empty([rows, vocabSize], { dtype: "float64", device }), 0, 1, { generator });
const keyOf = (p: number, u: number): number => Math.fround(p / Math.fround(-Math.log1p(-u)));
function drawn(choice: number): number {
  if (choice < 0)
    throw new ValueError({
      op: "generate",
      message: "no token is left to draw: every score is -Infinity or NaN",
      hint: "Check the options that forbid tokens, and the model's weights",
    });
  return choice;
}
