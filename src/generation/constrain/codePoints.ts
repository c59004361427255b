// Sets of Unicode code points as sorted ranges, and how UTF-8 writes them as ranges of bytes.

/** Inclusive ranges, sorted, neither touching nor overlapping. */
export type CodePoints = readonly (readonly [low: number, high: number])[];

const LAST = 0x10ffff;
/** All code points that text can hold: surrogates are none. */
export const ALL: CodePoints = [
  [0, 0xd7ff],
  [0xe000, LAST],
];

/** The union of ranges in any order. */
export function union(...sets: readonly CodePoints[]): CodePoints {
  const out: [number, number][] = [];
  for (const [low, high] of sets.flat().sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else out.push([low, high]);
  }
  return out;
}
/** What both hold. */
export const intersect = (a: CodePoints, b: CodePoints): CodePoints =>
  union(
    a.flatMap(([l, h]) =>
      b.flatMap(([m, n]): [number, number][] => (Math.max(l, m) <= Math.min(h, n) ? [[Math.max(l, m), Math.min(h, n)]] : [])),
    ),
  );
/** All text but these. */
export function complement(set: CodePoints): CodePoints {
  const out: [number, number][] = [];
  let at = 0;
  for (const [low, high] of set) {
    if (low > at) out.push([at, low - 1]);
    at = high + 1;
  }
  if (at <= LAST) out.push([at, LAST]);
  return intersect(out, ALL);
}
/** `a` without `b`. */
export const without = (a: CodePoints, b: CodePoints): CodePoints => intersect(a, complement(b));
/** The code points of a text. */
export const pointsOf = (text: string): CodePoints =>
  union(Array.from(text, (c): [number, number] => [c.codePointAt(0)!, c.codePointAt(0)!]));

const HIGHEST = [0x7f, 0x7ff, 0xffff, LAST]; // of 1, 2, 3 and 4 bytes

/** The byte sequences of the code points of a set: each a list of ranges, one per byte. */
export function utf8(set: CodePoints): (readonly [number, number])[][] {
  const out: (readonly [number, number])[][] = [];
  // Ranges whose encodings differ in one byte's range times full ranges of the bytes after it.
  const split = (low: number, high: number, length: number): void => {
    for (let i = 1; i < length; i++) {
      const tail = (1 << (6 * i)) - 1;
      if ((low & ~tail) === (high & ~tail)) continue;
      const cut = (low & tail) !== 0 ? (low | tail) + 1 : (high & tail) !== tail ? high & ~tail : null;
      if (cut === null) continue;
      split(low, cut - 1, length);
      split(cut, high, length);
      return;
    }
    const [a, b] = [encode(low, length), encode(high, length)];
    out.push(a.map((byte, i) => [byte, b[i]!] as const));
  };
  for (const [low, high] of intersect(set, ALL))
    HIGHEST.forEach((highest, i) => {
      const [l, h] = [Math.max(low, i === 0 ? 0 : HIGHEST[i - 1]! + 1), Math.min(high, highest)];
      if (l <= h) split(l, h, i + 1);
    });
  return out;
}
function encode(point: number, length: number): number[] {
  if (length === 1) return [point];
  const lead = [0, 0, 0xc0, 0xe0, 0xf0][length]!;
  return Array.from({ length }, (_, i) => {
    const bits = point >> (6 * (length - 1 - i));
    return i === 0 ? lead | bits : 0x80 | (bits & 0x3f);
  });
}
