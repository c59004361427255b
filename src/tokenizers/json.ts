// tokenizer.json, Hugging Face's own format. What is byte-level BPE, LLaMA's BPE or BERT's WordPiece runs on the schemes here, which are faster;
// everything else on the @huggingface/tokenizers library. Decoding is always ours, so that it can stream.
import { UnsupportedError } from "../core/errors.ts";
import { shown } from "../io/damage.ts";
import type { AddedToken } from "./added.ts";
import { ByteBpe } from "./byteBpe.ts";
import { CharBpe } from "./charBpe.ts";
import { decoderName, decoderOf, pieceDecoder } from "./decoders.ts";
import { asConfigured } from "./families.ts";
import { isRecord, readJson, readVocab, unfit } from "./files.ts";
import { mergesOf } from "./gpt2.ts";
import type { Scheme } from "./scheme.ts";
import { addedOf, assembleTokenizer, type Settings } from "./settings.ts";
import { clipSplitter, type Splitter, splitter } from "./split.ts";
import { bertTemplate, robertaTemplate, type Template, type TemplateItem } from "./template.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { lowercase, WordPiece } from "./wordpiece.ts";

type Json = Readonly<Record<string, unknown>>;

/** Reads the file. @throws FormatError that names file and key, UnsupportedError for decoders that are not known */
export async function fromJson(file: string, settings: Settings): Promise<Tokenizer> {
  const json = readJson(settings.files[file]!, file);
  const model = json["model"];
  if (!isRecord(model)) throw unfit(file, `model is ${shown(model)}, expected an object`);
  const list = json["added_tokens"] ?? [];
  if (!Array.isArray(list)) throw unfit(file, `added_tokens is ${shown(list)}, expected an array`);
  const added = list.map((t: unknown, i): AddedToken => {
    const id = isRecord(t) ? t["id"] : undefined;
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= 2 ** 24)
      throw unfit(file, `added_tokens[${i}] is ${shown(t)}, expected an object with an id`);
    return addedOf(t, id, file, `added_tokens[${i}]`);
  });
  const scheme =
    bytesOrNull(json, model, file) ??
    charactersOrNull(json, model, file) ??
    wordsOrNull(json, model, file) ??
    (await ofLibrary(json, model, settings, added, file));
  const template = templateOf(json["post_processor"], file);
  return assembleTokenizer(settings, {
    scheme,
    special: {},
    added,
    template: (id) => template ?? asConfigured(settings, false, false)(id),
    trim: model["end_of_word_suffix"] === "</w>",
    types: scheme instanceof WordPiece && !/distil/i.test(settings.family),
  });
}

// The patterns of well-known files, as they stand there.
const LATER = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const CLIP = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
const UPPER = "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}";
const LOWER = "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}";
const cased = (contractions: string, digits: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?[${UPPER}]*[${LOWER}]+${contractions}|[^\\r\\n\\p{L}\\p{N}]?[${UPPER}]+[${LOWER}]*${contractions}|\\p{N}${digits}` +
  LATER.replace("[\\r\\n]*", "[\\r\\n/]*");
const KNOWN: ReadonlyMap<string, Splitter | string> = new Map<string, Splitter | string>(
  Object.entries({
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+": "gpt-2",
    [`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}${LATER}`]: "cl100k",
    [`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${LATER}`]: "qwen2",
    [cased(`${CONTRACTIONS}?`, "{1,3}")]: "o200k",
    [cased("", "")]: "tekken",
    [CLIP]: clipSplitter,
    [`<\\|startoftext\\|>|<\\|endoftext\\|>|${CLIP}`]: clipSplitter,
  }),
);

// Byte-level BPE, where every part is one that is known here.
function bytesOrNull(json: Json, model: Json, file: string): Scheme | null {
  if (model["type"] !== "BPE" && !(model["type"] === undefined && model["merges"])) return null;
  if (model["dropout"] || model["continuing_subword_prefix"] || model["byte_fallback"]) return null;
  const suffix = model["end_of_word_suffix"] || undefined;
  const decoder = json["decoder"];
  if (!isRecord(decoder) || decoder["type"] !== "ByteLevel" || (suffix !== undefined && suffix !== "</w>")) return null;
  const normalize = normalizerOrNull(json["normalizer"]);
  const split = splitOrNull(json["pre_tokenizer"]);
  if (!normalize || !split) return null;
  const vocab = readVocab(model["vocab"], file, "model.vocab");
  const merges = mergesOf(pairsOf(model, file), vocab, file);
  const unk = typeof model["unk_token"] === "string" ? (vocab.get(model["unk_token"]) ?? null) : null;
  return new ByteBpe({
    vocab,
    merges,
    split: split.split,
    wholeWords: model["ignore_merges"] === true,
    normalize: (t) => split.prefix(normalize(t)),
    unk,
    ...(suffix === undefined ? {} : { suffix }),
  });
}
function pairsOf(model: Json, file: string): [string, string][] {
  const merges = model["merges"];
  if (!Array.isArray(merges)) throw unfit(file, `model.merges is ${shown(merges)}, expected an array`);
  return merges.map((m: unknown, i) => {
    const parts = typeof m === "string" ? [m.slice(0, m.indexOf(" ")), m.slice(m.indexOf(" ") + 1)] : m;
    if (!Array.isArray(parts) || parts.length !== 2 || !parts.every((p) => typeof p === "string" && p !== ""))
      throw unfit(file, `model.merges[${i}] is ${shown(m)}, expected two tokens`);
    return parts as [string, string];
  });
}
function normalizerOrNull(spec: unknown): ((text: string) => string) | null {
  if (spec === null || spec === undefined) return (t) => t;
  if (!isRecord(spec)) return null;
  const type = String(spec["type"]);
  if (/^NFK?[CD]$/.test(type)) return (t) => t.normalize(type);
  if (type === "Lowercase") return lowercase;
  const pattern = isRecord(spec["pattern"]) ? spec["pattern"] : {};
  if (type === "Replace" && pattern["Regex"] === "\\s+" && spec["content"] === " ") return (t) => t.replace(/\p{White_Space}+/gu, " ");
  if (type !== "Sequence" || !Array.isArray(spec["normalizers"])) return null;
  const steps = spec["normalizers"].map(normalizerOrNull);
  return steps.every((s) => s !== null) ? (t) => steps.reduce((text, step) => step!(text), t) : null;
}
function splitOrNull(spec: unknown): { split: Splitter; prefix: (text: string) => string } | null {
  if (!isRecord(spec)) return null;
  const list: readonly unknown[] = spec["type"] === "Sequence" && Array.isArray(spec["pretokenizers"]) ? spec["pretokenizers"] : [spec];
  const last = list.at(-1);
  if (!isRecord(last) || last["type"] !== "ByteLevel") return null;
  const split: Splitter[] = [];
  for (const step of list.slice(0, -1)) {
    if (!isRecord(step)) return null;
    if (step["type"] === "Digits" && step["individual_digits"] === true) split.push((t) => t.split(/(\p{N})/u).filter((w) => w !== ""));
    else {
      const known = step["type"] === "Split" && isRecord(step["pattern"]) ? KNOWN.get(String(step["pattern"]["Regex"])) : undefined;
      const drops = step["behavior"] === "Removed" && step["invert"] === true;
      if (known === undefined || drops !== (known === clipSplitter) || (!drops && step["behavior"] !== "Isolated")) return null;
      split.push(typeof known === "string" ? splitter(known) : known);
    }
  }
  if (last["use_regex"] !== false && !split.includes(clipSplitter)) split.push(splitter("gpt-2"));
  const prefixed = last["add_prefix_space"] === true;
  // The space would go before each word that an earlier step has cut.
  if (prefixed && split.length !== 1) return null;
  return {
    split: split.length === 1 ? split[0]! : (text) => split.reduce<readonly string[]>((words, s) => words.flatMap((w) => s(w)), [text]),
    prefix: (text) => (prefixed && !text.startsWith(" ") ? ` ${text}` : text),
  };
}

// LLaMA's BPE of characters, where spaces become U+2581 by one of the three ways that files have.
function charactersOrNull(json: Json, model: Json, file: string): Scheme | null {
  if (model["type"] !== "BPE" || model["byte_fallback"] !== true || model["dropout"] || model["ignore_merges"]) return null;
  if (model["continuing_subword_prefix"] || model["end_of_word_suffix"]) return null;
  const normalize = spacesOrNull(json["normalizer"], json["pre_tokenizer"]);
  const decoder = decoderOf(json["decoder"]);
  if (!normalize || !decoder) return null;
  const vocab = readVocab(model["vocab"], file, "model.vocab");
  return new CharBpe({
    vocab,
    merges: mergesOf(pairsOf(model, file), vocab, file),
    unk: typeof model["unk_token"] === "string" ? (vocab.get(model["unk_token"]) ?? null) : null,
    fuseUnk: model["fuse_unk"] === true,
    normalize,
    decoder: (token) => pieceDecoder(decoder, token),
  });
}
const MARK = "\u2581";
const marked = (text: string): string => text.replaceAll(" ", MARK);
function spacesOrNull(normalizer: unknown, pre: unknown): ((text: string, first: boolean) => string) | null {
  const none = (spec: unknown): boolean => spec === null || spec === undefined;
  if (none(normalizer) && isRecord(pre) && pre["type"] === "Metaspace" && pre["split"] === false && pre["replacement"] === MARK) {
    const scheme = pre["prepend_scheme"];
    if (scheme !== "first" && scheme !== "always" && scheme !== "never") return null;
    return (t, first) => {
      const text = marked(t);
      return scheme !== "never" && (first || scheme === "always") && !text.startsWith(MARK) ? MARK + text : text;
    };
  }
  const steps: readonly unknown[] =
    isRecord(normalizer) && normalizer["type"] === "Sequence" && Array.isArray(normalizer["normalizers"])
      ? normalizer["normalizers"]
      : [normalizer];
  const replaces = (s: unknown): boolean =>
    isRecord(s) && s["type"] === "Replace" && isRecord(s["pattern"]) && s["pattern"]["String"] === " " && s["content"] === MARK;
  const prepends = (s: unknown): boolean => isRecord(s) && s["type"] === "Prepend" && s["prepend"] === MARK;
  // Gemma cuts at spaces after there are none left.
  const idle = none(pre) || (isRecord(pre) && pre["type"] === "Split" && isRecord(pre["pattern"]) && pre["pattern"]["String"] === " ");
  if (!idle || !replaces(steps.at(-1)) || steps.length > 2) return null;
  if (steps.length === 1) return marked;
  return prepends(steps[0]) ? (t) => MARK + marked(t) : null;
}

// BERT's WordPiece, where every part is one that is known here.
function wordsOrNull(json: Json, model: Json, file: string): Scheme | null {
  const [normalizer, pre, decoder] = [json["normalizer"], json["pre_tokenizer"], json["decoder"]];
  if (model["type"] !== "WordPiece" || !isRecord(normalizer) || !isRecord(pre) || !isRecord(decoder)) return null;
  if (normalizer["type"] !== "BertNormalizer" || normalizer["clean_text"] !== true || pre["type"] !== "BertPreTokenizer") return null;
  if (decoder["type"] !== "WordPiece" || decoder["prefix"] !== "##" || decoder["cleanup"] !== true) return null;
  if (model["continuing_subword_prefix"] !== "##" || model["max_input_chars_per_word"] !== 100) return null;
  const vocab = readVocab(model["vocab"], file, "model.vocab");
  const unk = vocab.get(String(model["unk_token"]));
  if (unk === undefined)
    throw unfit(file, `model.unk_token is ${shown(model["unk_token"])}, which model.vocab of ${vocab.size} tokens lacks`);
  const strip = normalizer["strip_accents"];
  return new WordPiece(
    vocab,
    {
      lowercase: normalizer["lowercase"] === true,
      stripAccents: typeof strip === "boolean" ? strip : null,
      chineseChars: normalizer["handle_chinese_chars"] === true,
    },
    unk,
  );
}

// The library encodes; it finds added tokens by itself.
async function ofLibrary(json: Json, model: Json, settings: Settings, added: readonly AddedToken[], file: string): Promise<Scheme> {
  const op = "tokenizer";
  const decoder = decoderOf(json["decoder"]);
  if (!decoder)
    throw new UnsupportedError({
      op,
      message: `${file}: the decoder ${decoderName(json["decoder"])} is not known`,
      hint: "Load the vocabulary's own files instead",
    });
  const { Tokenizer: Library } = await import("@huggingface/tokenizers").catch((cause: unknown) => {
    throw new UnsupportedError({
      op,
      message: `${file} needs @huggingface/tokenizers, which is not installed`,
      hint: "npm install @huggingface/tokenizers",
      cause,
    });
  });
  let library: InstanceType<typeof Library>;
  try {
    library = new Library(
      { decoder: null, post_processor: null, pre_tokenizer: null, normalizer: null, ...json, added_tokens: json["added_tokens"] ?? [] },
      settings.config,
    );
  } catch (cause) {
    throw unfit(file, `@huggingface/tokenizers refuses it: ${(cause as Error).message}`, undefined, cause);
  }
  const ids = new Map<string, number>();
  const tokens: (string | undefined)[] = [];
  const put = (token: string, id: number): void => {
    ids.set(token, id);
    tokens[id] = token;
  };
  if (model["type"] === "Unigram") {
    const vocab = model["vocab"];
    if (!Array.isArray(vocab)) throw unfit(file, `model.vocab is ${shown(vocab)}, expected an array`);
    vocab.forEach((entry: unknown, id) => {
      if (!Array.isArray(entry) || typeof entry[0] !== "string" || typeof entry[1] !== "number")
        throw unfit(file, `model.vocab[${id}] is ${shown(entry)}, expected [piece, score]`);
      put(entry[0], id);
    });
    const unk = model["unk_id"] ?? null;
    if (unk !== null && tokens[Number(unk)] === undefined)
      throw unfit(file, `model.unk_id is ${shown(unk)}, expected one of the ${vocab.length} pieces`);
  } else for (const [token, id] of readVocab(model["vocab"], file, "model.vocab")) put(token, id);
  for (const t of added) put(t.content, t.id);
  return {
    name: `tokenizer.json (${String(model["type"])})`,
    size: tokens.length,
    unk: typeof model["unk_token"] === "string" ? (ids.get(model["unk_token"]) ?? null) : null,
    findsAdded: true,
    encode: (text, out) => {
      let ids: readonly unknown[];
      try {
        ids = library.encode(text, { add_special_tokens: false }).ids;
      } catch (cause) {
        throw unfit(file, `@huggingface/tokenizers cannot encode with it: ${(cause as Error).message}`, undefined, cause);
      }
      for (const id of ids) {
        if (typeof id !== "number")
          throw unfit(file, "a word has no id, and there is none for what is unknown", "Give unk_id or unk_token");
        out.push(id);
      }
    },
    token: (id) => tokens[id],
    id: (token) => ids.get(token),
    decoder: () => pieceDecoder(decoder, (id) => tokens[id]!),
  };
}

// Special tokens around texts; steps that only concern offsets do not count.
function templateOf(spec: unknown, file: string): Template | null {
  if (!isRecord(spec)) return null;
  const ids = (key: string): number => {
    const pair = spec[key];
    if (!Array.isArray(pair) || typeof pair[1] !== "number")
      throw unfit(file, `post_processor.${key} is ${shown(pair)}, expected [token, id]`);
    return pair[1];
  };
  switch (spec["type"]) {
    case "BertProcessing":
      return bertTemplate(ids("cls"), ids("sep"));
    case "RobertaProcessing":
      return robertaTemplate(ids("cls"), ids("sep"));
    case "Sequence":
      return Array.isArray(spec["processors"])
        ? (spec["processors"].map((p) => templateOf(p, file)).find((t) => t !== null) ?? null)
        : null;
    case "TemplateProcessing":
      return { single: itemsOf(spec["single"], spec, file), pair: itemsOf(spec["pair"], spec, file) };
    default:
      return null;
  }
}
function itemsOf(list: unknown, spec: Json, file: string): TemplateItem[] {
  if (!Array.isArray(list)) throw unfit(file, `post_processor has ${shown(list)}, expected an array`);
  const table = isRecord(spec["special_tokens"]) ? spec["special_tokens"] : {};
  return list.flatMap((item: unknown): TemplateItem[] => {
    const [kind, value] = Object.entries(isRecord(item) ? item : {})[0] ?? [];
    if (!isRecord(value)) throw unfit(file, `post_processor has ${shown(item)}, expected a Sequence or a SpecialToken`);
    const type = Number(value["type_id"] ?? 0);
    if (kind === "Sequence") return [{ text: value["id"] === "B" ? 1 : 0, type }];
    const token = table[String(value["id"])];
    const ids: unknown = isRecord(token) ? token["ids"] : undefined;
    if (!Array.isArray(ids) || !ids.every((id) => typeof id === "number"))
      throw unfit(file, `post_processor names ${shown(value["id"])}, which its special_tokens lack`);
    return ids.map((id) => ({ id: id as number, type }));
  });
}
