// How text is cut into words before byte-pair encoding. The patterns are those of the tokenizers that models were trained with,
// written for JavaScript: \s there is Unicode's White_Space, and (?i:…) is spelled out (s has the long s as a partner).
import { UnsupportedError } from "../core/errors.ts";

/** Cuts text into words, in order. Text between them is dropped. */
export type Splitter = (text: string) => readonly string[];

const S = "\\p{White_Space}";
const NOT_S = "\\P{White_Space}";
const CONTRACTIONS = "'(?:[sS\u017f]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
const GPT2 = `'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^${S}\\p{L}\\p{N}]+|${S}+(?!${NOT_S})|${S}+`;
// One pattern with parameters: how many digits go together.
const cl100k = (digits: string): string =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^${S}\\p{L}\\p{N}]+[\\r\\n]*|${S}*[\\r\\n]+|${S}+(?!${NOT_S})|${S}+`;
const UPPER = "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}";
const LOWER = "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}";
const cased = (contractions: string, digits: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?[${UPPER}]*[${LOWER}]+${contractions}|[^\\r\\n\\p{L}\\p{N}]?[${UPPER}]+[${LOWER}]*${contractions}|` +
  `\\p{N}${digits}| ?[^${S}\\p{L}\\p{N}]+[\\r\\n/]*|${S}*[\\r\\n]+|${S}+(?!${NOT_S})|${S}+`;

// Each is a list of patterns, applied one after the other to what the ones before left in one piece.
const PATTERNS: Readonly<Record<string, readonly string[]>> = {
  "gpt-2": [GPT2],
  cl100k: [cl100k("{1,3}")],
  qwen2: [cl100k("")],
  o200k: [cased(`(?:${CONTRACTIONS})?`, "{1,3}")],
  tekken: [cased("", "")],
  smollm: ["\\p{N}", GPT2],
};
// Names of the same in GGUF files (tokenizer.ggml.pre) and in tiktoken.
const ALIASES: Readonly<Record<string, string>> = {
  default: "gpt-2", gpt2: "gpt-2", "roberta-bpe": "gpt-2", phi: "gpt-2", "phi-2": "gpt-2", jina: "gpt-2", mpt: "gpt-2", olmo: "gpt-2", whisper: "gpt-2",
  r50k_base: "gpt-2", p50k_base: "gpt-2",
  "llama-bpe": "cl100k", "llama-v3": "cl100k", llama3: "cl100k", "smaug-bpe": "cl100k", dbrx: "cl100k", cl100k_base: "cl100k", olmo2: "cl100k",
  stablelm2: "qwen2", "deepseek-r1-qwen": "qwen2", hunyuan: "qwen2", megrez: "qwen2",
  "gpt-4o": "o200k", llama4: "o200k", o200k_base: "o200k",
  starcoder: "smollm", refact: "smollm", "command-r": "smollm", codeshell: "smollm", exaone: "smollm", "minerva-7b": "smollm",
}; // biome-ignore format: a table

/** The splitter of that name. @throws UnsupportedError for unknown ones: `splitter("gpt-2")("It's 42 now")` gives `["It", "'s", " 42", " now"]`. */
export function splitter(name: string): Splitter {
  const own = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
  if (!Object.hasOwn(PATTERNS, own))
    throw new UnsupportedError({
      op: "splitter",
      message: `words are cut as ${JSON.stringify(name)} does, known are ${[...Object.keys(PATTERNS), ...Object.keys(ALIASES)].join(", ")}`,
      hint: "Load the model's tokenizer.json",
    });
  return sequence(PATTERNS[own]!.map((p) => new RegExp(p, "gu")));
}
/** The words of a vocabulary with "</w>" behind them: text between the matches is dropped, case is gone. Source: CLIP's simple_tokenizer.py. */
export const clipSplitter: Splitter = (text) => text.match(CLIP) ?? [];
const CLIP = /<\|startoftext\|>|<\|endoftext\|>|'(?:s|t|re|ve|m|ll|d)|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/** Applies patterns one after the other; both what matches and what lies between are words. */
export function sequence(patterns: readonly RegExp[]): Splitter {
  return (text) =>
    patterns.reduce<readonly string[]>(
      (words, p) => (words.length === 1 ? isolate(words[0]!, p) : words.flatMap((w) => isolate(w, p))),
      [text],
    );
}
function isolate(text: string, pattern: RegExp): readonly string[] {
  const matches = text.match(pattern) ?? [];
  let covered = 0;
  for (const m of matches) covered += m.length;
  if (covered === text.length) return matches;
  const out: string[] = [];
  let end = 0;
  for (const m of text.matchAll(pattern)) {
    if (m.index > end) out.push(text.slice(end, m.index));
    if (m[0] !== "") out.push(m[0]);
    end = m.index + m[0].length;
  }
  if (end < text.length) out.push(text.slice(end));
  return out;
}
