// A megabyte of hard text, the same as tools/record/tokenizer_ids.py makes: many scripts, emoji, code, control characters, combining marks.

/** Whole numbers below n, by a linear congruential generator. */
function below(seed: number): (n: number) => number {
  let x = seed >>> 0;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x >>> 8) % n;
  };
}

/** What the text is drawn from, as torture.json has it. */
export interface Alphabet {
  readonly words: readonly string[];
  readonly emoji: readonly string[];
  readonly code: readonly string[];
  readonly spaces: readonly string[];
  readonly odd: readonly string[];
  readonly scripts: readonly (readonly [number, number])[];
}

/** At least `size` bytes of it. */
export function torture(a: Alphabet, size: number, seed = 1): string {
  const r = below(seed);
  const parts: string[] = [];
  const pick = (list: readonly string[]): string => list[r(list.length)]!;
  let bytes = 0;
  const put = (s: string): void => {
    parts.push(s);
    bytes += Buffer.byteLength(s);
  };
  while (bytes < size) {
    const kind = r(16);
    if (kind < 4) put((r(8) === 0 ? "" : " ") + pick(a.words));
    else if (kind < 7) {
      const [low, high] = a.scripts[r(a.scripts.length)]!;
      let word = r(3) === 0 ? "" : " ";
      for (let n = 1 + r(9); n > 0; n--) word += String.fromCodePoint(low + r(high - low + 1));
      put(word);
    } else if (kind === 7) put(pick(a.emoji));
    else if (kind === 8) put(pick(a.code));
    else if (kind === 9) put(pick(a.spaces).repeat(1 + r(6)));
    else if (kind === 10) put(String.fromCharCode(r(32)));
    else if (kind === 11) {
      let s = pick(a.words).slice(0, 1);
      for (let n = 1 + r(4); n > 0; n--) s += String.fromCodePoint(0x300 + r(0x70));
      put(s);
    } else if (kind === 12) {
      let s = "";
      for (let n = 1 + r(9); n > 0; n--) s += String.fromCharCode(48 + r(10));
      put(s);
    } else if (kind === 13) {
      let s = "";
      for (let n = 1 + r(5); n > 0; n--) s += "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"[r(32)]!;
      put(s);
    } else if (kind === 14) put(pick(a.odd));
    else
      put(
        pick(a.words)
          .slice(0, 2)
          .repeat(1 + r(12)),
      );
  }
  return parts.join("");
}
