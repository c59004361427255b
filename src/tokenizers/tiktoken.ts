// tiktoken's rank files: a line for each token, base64 of its bytes and its rank, which is both its id and its turn to be merged.
// LLaMA 3's tokenizer.model is one.
import { shown } from "../io/damage.ts";
import { ALPHABET, spell } from "./bytes.ts";
import { readText, unfit } from "./files.ts";
import { Merges } from "./merges.ts";

/** Do the bytes look like a rank file (and not like a SentencePiece model of the same name)? */
export const isTiktoken = (bytes: Uint8Array): boolean =>
  /^[A-Za-z0-9+/]+={0,2} \d+\r?\n/.test(new TextDecoder("latin1").decode(bytes.subarray(0, 512)));

/** Ids by token, tokens spelled in GPT-2's alphabet. @throws FormatError that names the line */
export function readTiktoken(bytes: Uint8Array, file: string): Map<string, number> {
  const vocab = new Map<string, number>();
  const ranks = new Set<number>();
  readText(bytes, file)
    .split("\n")
    .forEach((line, i) => {
      if (line === "" || line === "\r") return;
      const space = line.indexOf(" ");
      const rank = Number(line.slice(space + 1));
      if (space < 1 || line.length === space + 1 || !Number.isInteger(rank) || rank < 0 || rank >= 2 ** 21)
        throw unfit(file, `line ${i + 1} is ${shown(line)}, expected base64, a space and a rank below 2^21`);
      const token = spell(decodeBase64(line.slice(0, space), file, i));
      if (ranks.has(rank)) throw unfit(file, `line ${i + 1} has rank ${rank}, as a line before`);
      if (vocab.has(token)) throw unfit(file, `line ${i + 1} has the bytes ${shown(token)}, as a line before`);
      ranks.add(rank);
      vocab.set(token, rank);
    });
  for (const c of ALPHABET)
    if (!vocab.has(c)) throw unfit(file, `${vocab.size} tokens, none for the byte ${ALPHABET.indexOf(c)}; expected all 256 bytes`);
  return vocab;
}
function decodeBase64(base64: string, file: string, line: number): Uint8Array {
  if (base64 === "=") return new Uint8Array(0); // Whisper's file has it
  try {
    const binary = atob(base64);
    return Uint8Array.from(binary, (c) => c.charCodeAt(0));
  } catch (cause) {
    throw unfit(file, `line ${line + 1} begins with ${shown(base64)}, expected base64`, undefined, cause);
  }
}

/** Any two tokens whose bytes together are a token merge into it, the lowest rank first. */
export function mergesOfRanks(vocab: ReadonlyMap<string, number>): Merges {
  const merges = new Merges(vocab.size * 2);
  for (const [token, rank] of vocab)
    for (let cut = 1; cut < token.length; cut++) {
      const left = vocab.get(token.slice(0, cut));
      if (left === undefined) continue;
      const right = vocab.get(token.slice(cut));
      if (right !== undefined) merges.add(left, right, rank, rank);
    }
  return merges;
}

/** What belongs to a rank file but is not in it. */
export interface TiktokenKind {
  /** How words are cut: a name that `splitter` knows. */
  readonly pattern: string;
  readonly special: Readonly<Record<string, number>>;
  readonly bos: string | null;
  readonly eos: string | null;
  readonly pad: string | null;
}
/** What a file of so many ranks most likely is: Meta's LLaMA 3, OpenAI's cl100k or o200k, else of GPT-2's kind. */
export function kindOfRanks(n: number): TiktokenKind {
  if (n === 128000) return LLAMA3();
  if (n === 100256)
    return {
      ...plain("cl100k", "<|endoftext|>"),
      special: {
        "<|endoftext|>": 100257,
        "<|fim_prefix|>": 100258,
        "<|fim_middle|>": 100259,
        "<|fim_suffix|>": 100260,
        "<|endofprompt|>": 100276,
      },
    };
  if (n === 199998) return { ...plain("o200k", "<|endoftext|>"), special: { "<|endoftext|>": 199999, "<|endofprompt|>": 200018 } };
  return { ...plain("gpt-2", "<|endoftext|>"), special: { "<|endoftext|>": n } };
}
const plain = (pattern: string, end: string): Omit<TiktokenKind, "special"> => ({ pattern, bos: end, eos: end, pad: null });
// Source: Meta's llama_models/llama3/tokenizer.py, with the names of Hugging Face's files for what is reserved.
function LLAMA3(): TiktokenKind {
  const reserved = (i: number): string => `<|reserved_special_token_${i}|>`;
  const named = ["<|begin_of_text|>", "<|end_of_text|>", reserved(0), reserved(1), "<|finetune_right_pad_id|>", reserved(2)];
  named.push("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>");
  for (let i = 3; named.length < 256; i++) named.push(reserved(i));
  return {
    pattern: "cl100k",
    special: Object.fromEntries(named.map((t, i) => [t, 128000 + i])),
    bos: "<|begin_of_text|>",
    eos: "<|end_of_text|>",
    pad: "<|finetune_right_pad_id|>",
  };
}
