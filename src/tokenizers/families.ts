// Tokenizers by what their vocabulary is: byte-level BPE in two files, tiktoken ranks, SentencePiece models, WordPiece lists.
import { UnsupportedError } from "../core/errors.ts";
import type { AddedToken } from "./added.ts";
import { ByteBpe } from "./byteBpe.ts";
import { readJson, readVocab, unfit } from "./files.ts";
import { mergesOf, readMerges, vocabOfMerges } from "./gpt2.ts";
import { SentencePiece } from "./sentencepiece.ts";
import { assembleTokenizer, type Settings } from "./settings.ts";
import { clipSplitter, splitter } from "./split.ts";
import { PIECE, readSpm, type SpmModel } from "./spmModel.ts";
import { around, bertTemplate, robertaTemplate, type Template } from "./template.ts";
import { kindOfRanks, mergesOfRanks, readTiktoken } from "./tiktoken.ts";
import type { SpecialRole, Tokenizer } from "./tokenizer.ts";
import { lowercase, readWordPiece, WordPiece } from "./wordpiece.ts";

type IdOf = (role: SpecialRole) => number | null;
const CLIP_SUFFIX = "</w>";

/** GPT-2's kind: a vocabulary (none for CLIP's file, whose merges imply it) and merges. @throws FormatError */
export function fromGpt2(vocabFile: string | null, mergesFile: string, settings: Settings): Tokenizer {
  const { files, family } = settings;
  const pairs = readMerges(files[mergesFile]!, mergesFile);
  const vocab = vocabFile
    ? readVocab(readJson(files[vocabFile]!, vocabFile), vocabFile)
    : vocabOfMerges(pairs, CLIP_SUFFIX, ["<|startoftext|>", "<|endoftext|>"]);
  const merges = mergesOf(pairs, vocab, mergesFile);
  const end = "<|endoftext|>";
  if (family === "CLIP" || (family === "" && vocab.has(`a${CLIP_SUFFIX}`)))
    return assembleTokenizer(settings, {
      scheme: new ByteBpe({
        vocab,
        merges,
        split: clipSplitter,
        suffix: CLIP_SUFFIX,
        normalize: (t) => lowercase(t.normalize("NFC")),
        unk: vocab.get(end) ?? null,
      }),
      special: { bos: "<|startoftext|>", eos: end, unk: end, pad: end },
      template: wrap(robertaTemplate, "bos", "eos"),
      trim: true,
    });
  const roberta =
    family === ""
      ? vocab.has("<s>") && vocab.has("</s>") && vocab.has("<mask>")
      : /^(X?Roberta|Bart|Longformer|LED|Blenderbot)$/i.test(family);
  const prefixed = settings.flag("add_prefix_space") ?? false;
  const nfc = /^Qwen2/.test(family);
  const scheme = new ByteBpe({
    vocab,
    merges,
    split: splitter(nfc ? "qwen2" : "gpt-2"),
    normalize: (t) => {
      const text = nfc ? t.normalize("NFC") : t;
      return prefixed && !text.startsWith(" ") ? ` ${text}` : text;
    },
  });
  if (roberta) {
    const mask = vocab.get("<mask>");
    return assembleTokenizer(settings, {
      scheme,
      special: { bos: "<s>", eos: "</s>", unk: "<unk>", sep: "</s>", pad: "<pad>", cls: "<s>", mask: "<mask>" },
      added: mask === undefined ? [] : [{ id: mask, content: "<mask>", special: true, lstrip: true }],
      template: wrap(robertaTemplate, "cls", "sep"),
    });
  }
  return assembleTokenizer(settings, {
    scheme,
    special: nfc ? { eos: end, unk: end, pad: end } : { bos: end, eos: end, unk: end },
    template: asConfigured(settings, false, false),
  });
}
const wrap =
  (template: (before: number, after: number) => Template, before: SpecialRole, after: SpecialRole) =>
  (id: IdOf): Template | null => {
    const [b, a] = [id(before), id(after)];
    return b === null || a === null ? null : template(b, a);
  };
/** `add_bos_token` and `add_eos_token`, with what they are unless told. */
export const asConfigured =
  (settings: Settings, bos: boolean, eos: boolean, second = 0) =>
  (id: IdOf): Template | null => {
    const ids = (add: boolean, role: SpecialRole): number[] => {
      const token = add ? id(role) : null;
      return token === null ? [] : [token];
    };
    const before = ids(settings.flag("add_bos_token") ?? bos, "bos");
    const after = ids(settings.flag("add_eos_token") ?? eos, "eos");
    return before.length + after.length === 0 ? null : around(before, after, second);
  };

/** What a rank file leaves open. */
export interface TiktokenOptions {
  /** How words are cut: "gpt-2", "cl100k", "qwen2", "o200k", "tekken". Default by the number of ranks. */
  readonly pattern?: string;
  /** Special tokens and their ids. Default by the number of ranks: LLaMA 3's, cl100k's, o200k's, GPT-2's. */
  readonly specialTokens?: Readonly<Record<string, number>>;
}
/** A file of tiktoken ranks. @throws FormatError */
export function fromTiktoken(file: string, settings: Settings, options: TiktokenOptions = {}): Tokenizer {
  const vocab = readTiktoken(settings.files[file]!, file);
  const kind = kindOfRanks(vocab.size);
  const special = options.specialTokens ?? kind.special;
  const scheme = new ByteBpe({ vocab, merges: mergesOfRanks(vocab), split: splitter(options.pattern ?? kind.pattern), wholeWords: true });
  return assembleTokenizer(settings, {
    scheme,
    special: { ...(kind.bos ? { bos: kind.bos } : {}), ...(kind.eos ? { eos: kind.eos } : {}), ...(kind.pad ? { pad: kind.pad } : {}) },
    added: Object.entries(special).map(([content, id]): AddedToken => ({ id, content, special: true })),
    template: asConfigured(settings, kind.bos === "<|begin_of_text|>", false),
  });
}

/** A SentencePiece model. @throws FormatError, UnsupportedError for models whose ids transformers shifts */
export function fromSpm(file: string, settings: Settings): Tokenizer {
  if (/^(XLMRoberta|XGLM|Camembert|MBart|MBart50|Nllb|Barthez|XLNet|Albert|Pegasus|Reformer|BigBird|DebertaV2)$/i.test(settings.family))
    throw new UnsupportedError({
      op: "tokenizer",
      message: `${file} of a ${settings.family} model, whose ids are not those of the file`,
      hint: "Load its tokenizer.json",
    });
  return ofSpm(readSpm(settings.files[file]!, file), settings);
}
/** The same from a model in memory. */
export function ofSpm(model: SpmModel, settings: Settings, options: { prefixAlways?: boolean } = {}): Tokenizer {
  const t5 = /T5$/i.test(settings.family) || (settings.family === "" && model.kind === "unigram");
  const addPrefix = settings.flag("add_prefix_space") ?? model.addDummyPrefix;
  const scheme = new SentencePiece(
    { ...model, addDummyPrefix: addPrefix },
    { prefixAlways: options.prefixAlways ?? (t5 || settings.flag("legacy") === true) },
  );
  const { bos, eos, pad } = model.names;
  const added: AddedToken[] = [];
  model.pieces.forEach(({ piece, type }, id) => {
    if (type === PIECE.control) added.push({ id, content: piece, special: true });
  });
  // T5 has a hundred sentinels behind its pieces, the last first.
  const extra = /T5$/i.test(settings.family) ? Number(settings.config["extra_ids"] ?? 100) : 0;
  const listed = new Set([...added, ...settings.added].map((t) => t.content));
  for (let i = 0; i < extra; i++) {
    const content = `<extra_id_${extra - 1 - i}>`;
    if (scheme.id(content) === undefined && !listed.has(content)) added.push({ id: scheme.size + i, content, special: true });
  }
  return assembleTokenizer(settings, {
    scheme,
    special: { ...(t5 ? {} : { bos }), eos, pad, unk: model.pieces[scheme.unk]!.piece },
    added,
    template: asConfigured(settings, !t5, t5, t5 ? 0 : 1),
    paddingSide: t5 ? "right" : "left",
  });
}

/** A WordPiece list. @throws FormatError */
export function fromWordPiece(file: string, settings: Settings): Tokenizer {
  return ofWordPiece(readWordPiece(settings.files[file]!, file), file, settings);
}
/** The same from a vocabulary in memory. */
export function ofWordPiece(vocab: ReadonlyMap<string, number>, file: string, settings: Settings): Tokenizer {
  const unkToken = settings.special.unk ?? "[UNK]";
  const unk = vocab.get(unkToken);
  if (unk === undefined)
    throw unfit(file, `${vocab.size} tokens, none of them ${JSON.stringify(unkToken)}`, "Give the unk_token in tokenizer_config.json");
  const scheme = new WordPiece(
    vocab,
    {
      lowercase: settings.flag("do_lower_case") ?? true,
      stripAccents: settings.flag("strip_accents") ?? null,
      chineseChars: settings.flag("tokenize_chinese_chars") ?? true,
    },
    unk,
  );
  return assembleTokenizer(settings, {
    scheme,
    special: { unk: "[UNK]", sep: "[SEP]", pad: "[PAD]", cls: "[CLS]", mask: "[MASK]" },
    template: wrap(bertTemplate, "cls", "sep"),
    types: true,
  });
}
