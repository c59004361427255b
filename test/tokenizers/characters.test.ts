// Every character of Unicode 14 is to BERT here what it is to the reference: dropped, a space, an accent, punctuation, or text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { normalizeBert, wordsOf } from "../../src/tokenizers/wordpiece.ts";
import { recorded } from "./support.ts";

const R =
  recorded<Readonly<Record<"assigned" | "dropped" | "spaces" | "accents" | "punctuation", readonly number[]>>>("bert_characters.json");
function each(differences: readonly number[], f: (c: number) => void): void {
  let at = 0;
  for (let i = 0; i < differences.length; i += 2) {
    const low = at + differences[i]!;
    at = low + differences[i + 1]!;
    for (let c = low; c <= at; c++) f(c);
  }
}
const members = (differences: readonly number[]): Set<number> => {
  const set = new Set<number>();
  each(differences, (c) => set.add(c));
  return set;
};

test("what BERT makes of every character", () => {
  const [dropped, spaces, accents, punctuation] = [R.dropped, R.spaces, R.accents, R.punctuation].map(members) as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  const plain = { lowercase: false, stripAccents: false, chineseChars: false };
  const wrong: string[] = [];
  each(R.assigned, (c) => {
    const character = String.fromCodePoint(c);
    // No table knows more than the planes that have letters; private and ideographic ones are alike.
    if (c >= 0x20100 && c < 0xe0000) return;
    const cleaned = normalizeBert(`a${character}b`, plain);
    const got = [
      cleaned === "ab",
      /^a\sb$/.test(cleaned),
      normalizeBert(`a${character}`, { ...plain, stripAccents: true }) === "a" && !dropped.has(c),
      wordsOf(`a${character}b`).length === 3,
    ];
    const want = [dropped.has(c), spaces.has(c), accents.has(c) && !dropped.has(c), punctuation.has(c)];
    if (got.join() !== want.join()) wrong.push(`${c.toString(16)}: ${got} instead of ${want}`);
  });
  assert.deepEqual(wrong, []);
});
