// The tokenizer inside a GGUF file. Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#tokenizer
import { UnsupportedError } from "../core/errors.ts";
import { failing, shown } from "../io/damage.ts";
import type { AddedToken } from "./added.ts";
import { ByteBpe } from "./byteBpe.ts";
import { Charsmap } from "./charsmap.ts";
import { asConfigured, ofSpm, ofWordPiece } from "./families.ts";
import { unfit } from "./files.ts";
import { mergesOf } from "./gpt2.ts";
import { assembleTokenizer, ROLES, type Settings } from "./settings.ts";
import { splitter } from "./split.ts";
import { checkPieces, PIECE, type Piece, type SpmModel } from "./spmModel.ts";
import type { SpecialRole, Tokenizer } from "./tokenizer.ts";

/** The part of an open GGUF file that a tokenizer is read from. */
export interface GgufMetadata {
  readonly metadata: Readonly<Record<string, unknown>>;
}
const KEY: Readonly<Record<SpecialRole, string>> = {
  bos: "bos_token_id", eos: "eos_token_id", unk: "unknown_token_id", sep: "seperator_token_id", pad: "padding_token_id", cls: "cls_token_id", mask: "mask_token_id",
}; // biome-ignore format: a table. The misspelling is the format's.

/** Reads it. @throws FormatError that names the key, UnsupportedError for kinds that are not known */
export function fromGguf({ metadata }: GgufMetadata, name: string): Tokenizer {
  const get = <T>(key: string, is: (x: unknown) => x is T, what: string): T | undefined => {
    const full = `tokenizer.ggml.${key}`;
    const value = metadata[full];
    if (value === undefined) return undefined;
    if (!is(value)) throw unfit(name, `${full} is ${shown(value)}, expected ${what}`);
    return value;
  };
  const strings = (x: unknown): x is readonly string[] => Array.isArray(x) && x.every((v) => typeof v === "string");
  const numbers = (x: unknown): x is readonly number[] => Array.isArray(x) && x.every((v) => typeof v === "number");
  const text = (x: unknown): x is string => typeof x === "string";
  const flag = (x: unknown): x is boolean => typeof x === "boolean";
  const whole = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

  const model = get("model", text, "a string");
  const tokens = get("tokens", strings, "an array of strings");
  if (model === undefined || tokens === undefined)
    throw unfit(
      name,
      `no tokenizer.ggml.${model === undefined ? "model" : "tokens"}`,
      "The file has no tokenizer: give its folder in Hugging Face's layout",
    );
  const types = get("token_type", numbers, "an array of numbers") ?? tokens.map(() => PIECE.normal);
  if (types.length !== tokens.length)
    throw unfit(name, `tokenizer.ggml.token_type has ${types.length} values, expected ${tokens.length} as tokens has`);
  const special: Partial<Record<SpecialRole, string>> = {};
  for (const role of ROLES) {
    const id = get(KEY[role], whole, "an id") ?? (role === "sep" ? get("separator_token_id", whole, "an id") : undefined);
    // Converters write 2^32 - 1 and the like for none.
    if (id === undefined || id >= 2 ** 31) continue;
    if (id >= tokens.length) throw unfit(name, `tokenizer.ggml.${KEY[role]} is ${id}, expected one of the ${tokens.length} tokens`);
    special[role] = tokens[id]!;
  }
  const template = metadata["tokenizer.chat_template"];
  const config: Record<string, unknown> = {};
  for (const key of ["add_bos_token", "add_eos_token"]) config[key] = get(key, flag, "true or false");
  const settings: Settings = {
    name,
    family: "",
    special,
    added: [],
    additional: [],
    chatTemplates: typeof template === "string" ? { default: template } : {},
    flag: (key) => config[key] as boolean | undefined,
    modelMaxLength: undefined,
    paddingSide: undefined,
    truncationSide: undefined,
    config,
    files: {},
  };
  const own = (): AddedToken[] =>
    tokens.flatMap((content, id) =>
      types[id] === PIECE.control || types[id] === PIECE.userDefined ? [{ id, content, special: types[id] === PIECE.control }] : [],
    );

  if (model === "gpt2") {
    const merges = get("merges", strings, "an array of strings");
    if (!merges) throw unfit(name, "no tokenizer.ggml.merges");
    const vocab = new Map(tokens.map((t, id) => [t, id]));
    const pairs = merges.map((m): [string, string] => {
      const space = m.indexOf(" ", 1);
      if (space < 0) throw unfit(name, `tokenizer.ggml.merges has ${shown(m)}, expected two tokens with a space between`);
      return [m.slice(0, space), m.slice(space + 1)];
    });
    const pre = get("pre", text, "a string") ?? "default";
    const llama = /^(llama-bpe|llama-v3|llama3|smaug-bpe)$/.test(pre);
    const scheme = new ByteBpe({ vocab, merges: mergesOf(pairs, vocab, name), split: splitter(pre), wholeWords: llama });
    return assembleTokenizer(settings, { scheme, special: {}, added: own(), template: asConfigured(settings, llama, false) });
  }
  if (model === "llama" || model === "t5") {
    const scores = get("scores", numbers, "an array of numbers");
    if (!scores || scores.length !== tokens.length)
      throw unfit(name, `tokenizer.ggml.scores has ${scores?.length ?? 0} values, expected ${tokens.length} as tokens has`);
    const fail = failing("gguf", name, "a GGUF file");
    const pieces = tokens.map((piece, id): Piece => ({ piece, score: scores[id]!, type: types[id]! }));
    const rules = get("precompiled_charsmap", numbers, "an array of bytes");
    const spm: SpmModel = {
      kind: model === "llama" ? "bpe" : "unigram",
      pieces,
      byteFallback: pieces.filter((p) => p.type === PIECE.byte).length === 256,
      charsmap: rules && rules.length > 0 ? new Charsmap(Uint8Array.from(rules), 0, fail) : null,
      addDummyPrefix: get("add_space_prefix", flag, "true or false") ?? true,
      removeExtraWhitespaces: get("remove_extra_whitespaces", flag, "true or false") ?? model === "t5",
      escapeWhitespaces: true,
      whitespaceAsSuffix: false,
      unkSurface: " \u2047 ",
      names: { bos: special.bos ?? "<s>", eos: special.eos ?? "</s>", pad: special.pad ?? "<pad>" },
    };
    checkPieces(spm, fail);
    return ofSpm(spm, settings, { prefixAlways: true });
  }
  if (model === "bert") {
    // Pieces that begin a word are marked there, those that go on are not; BERT's own files have it the other way round.
    const vocab = new Map(
      tokens.map((t, id) => [t.startsWith("\u2581") ? t.slice(1) : types[id] === PIECE.control || /^\[.*\]$/.test(t) ? t : `##${t}`, id]),
    );
    return ofWordPiece(vocab, name, settings);
  }
  throw new UnsupportedError({
    op: "tokenizer",
    message: `${name}: tokenizer.ggml.model is ${shown(model)}, known are "gpt2", "llama", "t5" and "bert"`,
    hint: "Give the model's folder with tokenizer.json",
  });
}
