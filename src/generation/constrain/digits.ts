// Numbers in a range as patterns of digits.
import { type CodePoints, pointsOf } from "./codePoints.ts";
import type { Pattern } from "./pattern.ts";

/** Digits of one number: a range for each. */
type Digits = readonly (readonly [low: number, high: number])[];
/** `units` / 10 ** `places`. */
export interface Decimal {
  readonly units: bigint;
  readonly places: number;
}

/** A bound: itself in the range, unless `exclusive`. */
export interface Bound extends Decimal {
  readonly exclusive: boolean;
}

/** Digits that JSON numbers get at most: doubles tell integers of so many apart. */
export const MOST_DIGITS = 15;
const LARGEST = 10n ** BigInt(MOST_DIGITS) - 1n;

const set = (points: CodePoints): Pattern => ({ kind: "set", set: points });
const sequence = (...parts: readonly Pattern[]): Pattern => ({ kind: "sequence", parts });
const either = (...options: readonly Pattern[]): Pattern => ({ kind: "either", options });
const ten = (n: number): bigint => 10n ** BigInt(n);

/** A finite number as a decimal, exactly as it prints. */
export function decimal(x: number): Decimal {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(x))!;
  const places = fraction.length - Number(exponent);
  const units = BigInt(`${sign}${whole}${fraction}`);
  return places < 0 ? { units: units * ten(-places), places: 0 } : { units, places };
}

/** Numbers of `length` digits, leading zeros included, in [low, high]: alternatives that do not overlap. */
function fixed(low: string, high: string): Digits[] {
  if (low === "") return [[]];
  const [a, b] = [Number(low[0]), Number(high[0])];
  const [restLow, restHigh] = [low.slice(1), high.slice(1)];
  const any: Digits = Array.from(restLow, () => [0, 9] as const);
  if (a === b) return fixed(restLow, restHigh).map((d) => [[a, a], ...d]);
  const wholeLow = /^0*$/.test(restLow);
  const wholeHigh = /^9*$/.test(restHigh);
  const [from, to] = [wholeLow ? a : a + 1, wholeHigh ? b : b - 1];
  return [
    ...(wholeLow ? [] : fixed(restLow, "9".repeat(restLow.length)).map((d): Digits => [[a, a], ...d])),
    ...(from <= to ? [[[from, to] as const, ...any]] : []),
    ...(wholeHigh ? [] : fixed("0".repeat(restHigh.length), restHigh).map((d): Digits => [[b, b], ...d])),
  ];
}

/** Numbers with `places` decimals from `low` to `high` units, both >= 0. */
function unsigned(low: bigint, high: bigint, places: number): Pattern[] {
  const out: Pattern[] = [];
  for (let length = places + 1; length <= MOST_DIGITS; length++) {
    // More digits than needed for 0.… have no leading zero.
    const least = length === places + 1 ? 0n : ten(length - 1);
    const [from, to] = [low > least ? low : least, high < ten(length) - 1n ? high : ten(length) - 1n];
    if (from > to) continue;
    for (const digits of fixed(String(from).padStart(length, "0"), String(to).padStart(length, "0"))) {
      const parts = digits.map(([a, b]) => set([[48 + a, 48 + b]]));
      if (places > 0) parts.splice(length - places, 0, set(pointsOf(".")));
      out.push(sequence(...parts));
    }
  }
  return out;
}

/** The least number of units with `places` decimals that is at least (above, if exclusive) the bound. */
function least({ units, places: has, exclusive }: Bound, places: number): bigint {
  if (places >= has) return units * ten(places - has) + (exclusive ? 1n : 0n);
  const by = ten(has - places);
  const floor = units / by - (units % by < 0n ? 1n : 0n);
  return floor * by === units && !exclusive ? floor : floor + 1n;
}
const most = (b: Bound, places: number): bigint => -least({ ...b, units: -b.units }, places);

/** Numbers above all of `low` and below all of `high` with exactly `places` decimals; null where there are none. */
export function inBounds({ low, high }: { low: readonly Bound[]; high: readonly Bound[] }, places: number): Pattern | null {
  const from = low.map((b) => least(b, places)).reduce((a, b) => (a > b ? a : b), -LARGEST);
  const to = high.map((b) => most(b, places)).reduce((a, b) => (a < b ? a : b), LARGEST);
  if (from > to) return null;
  const options = to >= 0n ? unsigned(from > 0n ? from : 0n, to, places) : [];
  if (from < 0n) options.push(sequence(set(pointsOf("-")), either(...unsigned(to < 0n ? -to : 1n, -from, places))));
  return either(...options);
}
