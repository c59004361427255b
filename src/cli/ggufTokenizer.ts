// A tokenizer as metadata of a GGUF file, from a model's files: byte-level BPE of a tokenizer.json, or a SentencePiece model.
// Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#tokenizer
import type { GgufField, GgufValue } from "../io/gguf/metadata.ts";
import type { Tokenizer } from "../tokenizers/index.ts";
import { PIECE, readSpm } from "../tokenizers/spmModel.ts";

type Metadata = Record<string, GgufValue | GgufField>;
type Read = (file: string) => Promise<Uint8Array | null>;

// How llama.cpp calls the ways of cutting text into words; told by what their patterns alone have.
const CUTS: readonly (readonly [RegExp, string])[] = [
  [/\\p\{Lu\}/, "gpt-4o"],
  [/\\p\{N\}\{1,3\}/, "llama-bpe"],
  [/\(\?i:.*\\p\{N\}\|/, "qwen2"],
  [/"type":"Digits"/, "smollm"],
];

/** The metadata; null where the files hold no tokenizer that a GGUF file can. `size`: tokens of the model. */
export async function ggufTokenizer(tokenizer: Tokenizer, read: Read, size: number): Promise<Metadata | null> {
  const spm = await read("tokenizer.model");
  const json = await read("tokenizer.json");
  const body =
    (spm && sentencePiece(spm, tokenizer, size)) ?? (json && bytePairs(JSON.parse(new TextDecoder().decode(json)), tokenizer, size));
  if (!body) return null;
  const begins = tokenizer.bosTokenId !== null && tokenizer.encode("a")[0] === tokenizer.bosTokenId;
  const ends = tokenizer.eosTokenId !== null && tokenizer.encode("a").at(-1) === tokenizer.eosTokenId;
  const ids = { bos: tokenizer.bosTokenId, eos: tokenizer.eosTokenId, unknown: tokenizer.unkTokenId, padding: tokenizer.padTokenId };
  const template = tokenizer.chatTemplates["default"];
  return {
    ...body,
    ...Object.fromEntries(Object.entries(ids).flatMap(([role, id]) => (id === null ? [] : [[`tokenizer.ggml.${role}_token_id`, id]]))),
    "tokenizer.ggml.add_bos_token": begins,
    "tokenizer.ggml.add_eos_token": ends,
    ...(template !== undefined && { "tokenizer.chat_template": template }),
  };
}

/** The tokens of all ids: what the vocabulary has, and names for rows that only the model has. */
function tokens(tokenizer: Tokenizer, size: number, typeOf: (id: number) => number): Metadata {
  const special = new Set(tokenizer.allSpecialIds);
  const [names, types]: [string[], number[]] = [[], []];
  for (let id = 0; id < size; id++) {
    const name = nameOf(tokenizer, id);
    names.push(name ?? `[PAD${id}]`);
    types.push(name === null ? PIECE.unused : special.has(id) ? PIECE.control : typeOf(id));
  }
  return {
    "tokenizer.ggml.tokens": { type: "string[]", value: names },
    "tokenizer.ggml.token_type": { type: "int32[]", value: types },
  };
}
function nameOf(tokenizer: Tokenizer, id: number): string | null {
  try {
    return tokenizer.convertIdsToTokens([id])[0]!;
  } catch {
    return null;
  }
}

function sentencePiece(bytes: Uint8Array, tokenizer: Tokenizer, size: number): Metadata | null {
  const spm = readSpm(bytes, "tokenizer.model");
  // Rules of normalisation are kept by SentencePiece in a form of its own.
  if (spm.charsmap && spm.kind === "unigram") return null;
  // The same ids as here? Some models put tokens between.
  if (spm.pieces.some((p, id) => id < size && p.type === PIECE.normal && nameOf(tokenizer, id) !== p.piece)) return null;
  const piece = (id: number): number => spm.pieces[id]?.type ?? PIECE.userDefined;
  return {
    "tokenizer.ggml.model": spm.kind === "bpe" ? "llama" : "t5",
    "tokenizer.ggml.pre": "default",
    ...tokens(tokenizer, size, piece),
    "tokenizer.ggml.scores": { type: "float32[]", value: Array.from({ length: size }, (_, id) => spm.pieces[id]?.score ?? 0) },
    "tokenizer.ggml.add_space_prefix": spm.addDummyPrefix,
    "tokenizer.ggml.remove_extra_whitespaces": spm.removeExtraWhitespaces,
  };
}

interface Json {
  readonly model?: { readonly type?: string; readonly merges?: readonly (string | readonly string[])[]; readonly vocab?: object };
  readonly pre_tokenizer?: unknown;
  readonly decoder?: unknown;
  readonly added_tokens?: readonly { readonly id: number }[];
}
function bytePairs(json: Json, tokenizer: Tokenizer, size: number): Metadata | null {
  const { model, pre_tokenizer: cut, decoder } = json;
  if (model?.type !== "BPE" || !Array.isArray(model.merges) || !JSON.stringify(decoder ?? null).includes("ByteLevel")) return null;
  const added = new Set((json.added_tokens ?? []).map((t) => t.id));
  const text = JSON.stringify(cut ?? null);
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": CUTS.find(([mark]) => mark.test(text.replaceAll("\\\\", "\\")))?.[1] ?? "gpt-2",
    ...tokens(tokenizer, size, (id) => (added.has(id) ? PIECE.userDefined : PIECE.normal)),
    "tokenizer.ggml.merges": { type: "string[]", value: model.merges.map((m) => (typeof m === "string" ? m : m.join(" "))) },
  };
}
