// The two files of GPT-2's kind of vocabulary: vocab.json (encoder.json) and merges.txt (vocab.bpe).
import { shown } from "../io/damage.ts";
import { ALPHABET } from "./bytes.ts";
import { readText, unfit } from "./files.ts";
import { Merges } from "./merges.ts";

/** The pairs of a merges file: one a line, the first line may tell the version. @throws FormatError */
export function readMerges(bytes: Uint8Array, file: string): [string, string][] {
  const lines = readText(bytes, file).split("\n");
  const pairs: [string, string][] = [];
  lines.forEach((raw, i) => {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line === "" || (i === 0 && /^(#|"?bpe_simple_vocab)/.test(line))) return;
    const space = line.indexOf(" ");
    if (space <= 0 || space === line.length - 1 || line.includes(" ", space + 1))
      throw unfit(file, `line ${i + 1} is ${shown(line)}, expected two tokens with a space between`);
    pairs.push([line.slice(0, space), line.slice(space + 1)]);
  });
  return pairs;
}

/** The table of merges among ids. @throws FormatError for a merge whose parts or result the vocabulary lacks */
export function mergesOf(
  pairs: readonly (readonly [string, string])[],
  vocab: ReadonlyMap<string, number>,
  file: string,
  prefix = "",
): Merges {
  const merges = new Merges(pairs.length);
  if (pairs.length >= 2 ** 21) throw unfit(file, `${pairs.length} merges, expected less than 2^21`);
  pairs.forEach(([left, right], rank) => {
    const whole = left + (prefix !== "" && right.startsWith(prefix) ? right.slice(prefix.length) : right);
    const ids = [left, right, whole].map((t) => {
      const id = vocab.get(t);
      if (id === undefined)
        throw unfit(
          file,
          `merge ${rank + 1} is ${shown(`${left} ${right}`)}, but the vocabulary of ${vocab.size} tokens has no ${shown(t)}`,
          "Vocabulary and merges are of two tokenizers",
        );
      return id;
    });
    merges.add(ids[0]!, ids[1]!, rank, ids[2]!);
  });
  return merges;
}

/** The vocabulary that merges alone imply, as CLIP's file has it: bytes, bytes at the end of a word, what merges make, two special tokens. */
export function vocabOfMerges(
  pairs: readonly (readonly [string, string])[],
  suffix: string,
  special: readonly string[],
): Map<string, number> {
  // In the order of GPT-2's bytes_to_unicode: printable bytes come first.
  const bytes = [...ALPHABET].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
  const tokens = [...bytes, ...bytes.map((c) => c + suffix), ...pairs.map(([a, b]) => a + b), ...special];
  return new Map(tokens.map((t, i) => [t, i]));
}
