// Which tokens topP and minP leave, without sorting: probabilities are summed by size, then those about where the cut lies by their next digits.
import type { Tensor } from "../core/tensor.ts";
import { hostValues } from "../ops/host.ts";

/** Tokens with a probability above `least` stay, and of those that are equal to it all but the first `dropped`. */
export interface Cut {
  readonly least: number;
  readonly dropped: number;
}

// Positive floats are ordered as their bits are. Digits of 13, 14 and 4 bits, from the exponent down, tell any two apart.
const DIGITS = [
  { shift: 18, width: 13 },
  { shift: 4, width: 14 },
  { shift: 0, width: 4 },
] as const;

// So many of the greatest are looked at first: topP seldom keeps more.
const FEW = 256;

/** The cut of probabilities float32 [n]: what sums to no more than 1 - topP from the least on goes, and what is less than minP times the greatest. */
export function cutOf(probabilities: Tensor, topP: number, minP: number | null): Cut {
  const nucleus = topP < 1 ? (cutAmongFew(probabilities, topP) ?? cutAmongAll(hostValues(probabilities) as Float32Array, 1 - topP)) : ALL;
  if (minP === null) return nucleus;
  const least = Math.fround((hostValues(probabilities.amax(0))[0] as number) * minP);
  return least > nucleus.least ? { least, dropped: 0 } : nucleus;
}
const ALL: Cut = { least: 0, dropped: 0 };

// Null where it lies deeper, or among equals of which there may be more.
function cutAmongFew(probabilities: Tensor, topP: number): Cut | null {
  if (probabilities.shape[0]! <= FEW) return null;
  const p = hostValues(probabilities.topk(FEW).values);
  let at = 0;
  for (let above = p[0]!; above < topP; above += p[at]!) if (++at === FEW - 1) return null;
  return p[at]! > p[at + 1]! ? { least: p[at]!, dropped: 0 } : null;
}

function cutAmongAll(p: Float32Array, budget: number): Cut {
  const bits = new Uint32Array(p.buffer, p.byteOffset, p.length);
  const mass = new Float64Array(1 << 14);
  let prefix = 0;
  let below = 0;
  let here = 0;
  for (const { shift, width } of DIGITS) {
    mass.fill(0);
    const mask = (1 << width) - 1;
    for (let i = 0; i < bits.length; i++) if (bits[i]! >>> (shift + width) === prefix) mass[(bits[i]! >>> shift) & mask]! += p[i]!;
    // The greatest stays, whatever the sums round to.
    let top = mask;
    while (top > 0 && mass[top] === 0) top--;
    let digit = 0;
    while (digit < top && below + mass[digit]! <= budget) below += mass[digit++]!;
    here = mass[digit]!;
    prefix = (prefix << width) | digit;
  }
  const least = new Float32Array(Uint32Array.of(prefix).buffer)[0]!;
  if (!(least > 0)) return ALL;
  return { least, dropped: Math.min(Math.round(here / least) - 1, Math.floor((budget - below) / least)) };
}
