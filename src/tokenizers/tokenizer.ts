// The tokenizer: a scheme with what is around it, under the names that transformers gives it.
import { checkOptions, given, need } from "../core/arguments.ts";
import { ArgumentError, UnsupportedError, ValueError } from "../core/errors.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { fileError, replaceFile } from "../io/sink.ts";
import { type AddedToken, AddedTokens, checkAdded } from "./added.ts";
import {
  assemble,
  BATCH_OPTIONS,
  type BatchEncoding,
  type BatchOptions,
  ENCODE_OPTIONS,
  type EncodeOptions,
  pad,
  type Side,
  type Truncation,
} from "./batch.ts";
import { CHAT_OPTIONS, type ChatMessage, type ChatTemplateOptions, chooseTemplate, render } from "./chat.ts";
import { unfit } from "./files.ts";
import { type Scheme, type Span, wellFormed } from "./scheme.ts";
import { type DecodeOptions, DecodeStream, unknownId } from "./stream.ts";
import type { Encoded, Template, TemplateItem } from "./template.ts";

/** The roles of special tokens. */
export type SpecialRole = "bos" | "eos" | "unk" | "sep" | "pad" | "cls" | "mask";
/** What a tokenizer is made of. */
export interface TokenizerParts {
  /** Where it comes from, for messages. */
  readonly name: string;
  readonly scheme: Scheme;
  readonly added: readonly AddedToken[];
  readonly special: Readonly<Partial<Record<SpecialRole, string | null>>>;
  /** Special tokens around texts; null: none. */
  readonly template: Template | null;
  /** By name; "default" is the usual one. */
  readonly chatTemplates?: Readonly<Record<string, string>>;
  readonly modelMaxLength?: number;
  readonly paddingSide?: Side;
  readonly truncationSide?: Side;
  readonly cleanUp?: boolean;
  /** Is decoded text stripped of white space at its ends? CLIP's is. */
  readonly trim?: boolean;
  /** Do models take token types? */
  readonly types?: boolean;
  /** What it was read from, for `savePretrained`. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

/**
 * Text to ids and back, as `transformers` does it. Made by `AutoTokenizer.fromPretrained`.
 * @example
 * const vocab = new TextEncoder().encode("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##break\n##able\n");
 * const tokenizer = await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.txt": vocab }));
 * tokenizer.tokenize("Unbreakable!") // => ["un", "##break", "##able", "[UNK]"]
 * tokenizer.encode("Unbreakable") // => [2, 5, 6, 7, 3]
 * tokenizer.decode([2, 5, 6, 7, 3], { skipSpecialTokens: true }) // => "unbreakable"
 * tokenizer.call(["un", "unable"], { padding: true }).attentionMask // => [[1, 1, 1, 0], [1, 1, 1, 1]]
 */
export class Tokenizer {
  /** Where it comes from. */
  readonly name: string;
  /** Most tokens that the model takes; Infinity where nothing says. */
  readonly modelMaxLength: number;
  /** Where padding goes unless a call says so. */
  paddingSide: Side;
  /** Which side is cut unless a call says so. */
  truncationSide: Side;
  /** Chat templates by name. */
  readonly chatTemplates: Readonly<Record<string, string>>;
  readonly #parts: TokenizerParts;
  readonly #added: AddedTokens;
  readonly #special: Partial<Record<SpecialRole, string | null>>;

  /** @throws FormatError for parts that do not fit each other */
  constructor(parts: TokenizerParts) {
    this.name = parts.name;
    this.modelMaxLength = parts.modelMaxLength ?? Number.POSITIVE_INFINITY;
    this.paddingSide = parts.paddingSide ?? "right";
    this.truncationSide = parts.truncationSide ?? "right";
    this.chatTemplates = parts.chatTemplates ?? {};
    this.#parts = parts;
    checkAdded(parts.added, (id) => parts.scheme.token(id), parts.name);
    this.#added = new AddedTokens(parts.added);
    for (const [role, token] of Object.entries(parts.special))
      if (token !== null && token !== undefined && this.#id(token) === undefined)
        throw unfit(
          parts.name,
          `${role}_token is ${JSON.stringify(token)}, which is none of the ${this.vocabSize} tokens`,
          "The files are of two tokenizers",
        );
    this.#special = { ...parts.special };
    for (const item of [...(parts.template?.single ?? []), ...(parts.template?.pair ?? [])])
      if ("id" in item && !this.#added.get(item.id) && parts.scheme.token(item.id) === undefined)
        throw unfit(parts.name, `id ${item.id} goes around texts, but the vocabulary has ids 0 to ${this.vocabSize - 1}`);
  }

  #id(token: string): number | undefined {
    return this.#added.named(token)?.id ?? this.#parts.scheme.id(token);
  }
  #role(role: SpecialRole): string | null {
    return this.#special[role] ?? null;
  }
  #roleId(role: SpecialRole): number | null {
    const token = this.#role(role);
    return token === null ? null : (this.#id(token) ?? null);
  }
  /** One past the largest id, with added tokens: the rows that a model's embedding needs. */
  get vocabSize(): number {
    return Math.max(this.#parts.scheme.size, this.#added.end);
  }
  /** The token that begins a sequence; null where there is none. So are the others. */
  get bosToken(): string | null {
    return this.#role("bos");
  }
  /** Its id. */
  get bosTokenId(): number | null {
    return this.#roleId("bos");
  }
  /** The token that ends a sequence. */
  get eosToken(): string | null {
    return this.#role("eos");
  }
  /** Its id. */
  get eosTokenId(): number | null {
    return this.#roleId("eos");
  }
  /** The token for what the vocabulary cannot say. */
  get unkToken(): string | null {
    return this.#role("unk");
  }
  /** Its id. */
  get unkTokenId(): number | null {
    return this.#roleId("unk");
  }
  /** The token between two texts. */
  get sepToken(): string | null {
    return this.#role("sep");
  }
  /** Its id. */
  get sepTokenId(): number | null {
    return this.#roleId("sep");
  }
  /** The token that fills a batch up. Set it where a model has none. */
  get padToken(): string | null {
    return this.#role("pad");
  }
  set padToken(token: string | null) {
    if (token !== null && (typeof token !== "string" || this.#id(token) === undefined))
      throw new ArgumentError({
        op: "padToken",
        message: `${given(token)} is no token of ${this.name}`,
        hint: "Take one of its tokens, eosToken for instance",
      });
    this.#special.pad = token;
  }
  /** Its id. */
  get padTokenId(): number | null {
    return this.#roleId("pad");
  }
  /** The token whose state stands for the whole text. */
  get clsToken(): string | null {
    return this.#role("cls");
  }
  /** Its id. */
  get clsTokenId(): number | null {
    return this.#roleId("cls");
  }
  /** The token that hides a word. */
  get maskToken(): string | null {
    return this.#role("mask");
  }
  /** Its id. */
  get maskTokenId(): number | null {
    return this.#roleId("mask");
  }
  /** All special tokens' ids, ascending. */
  get allSpecialIds(): number[] {
    const ids = new Set(this.#added.list.filter((t) => t.special).map((t) => t.id));
    for (const role of Object.keys(this.#special) as SpecialRole[]) {
      const id = this.#roleId(role);
      if (id !== null) ids.add(id);
    }
    return [...ids].sort((a, b) => a - b);
  }

  // The ids of a text without special tokens around it.
  #ids(op: string, text: unknown, splitSpecial: boolean): number[] {
    if (typeof text !== "string")
      throw new ArgumentError({ op, message: `the text is ${given(text)}, needed a string`, hint: "Give a string" });
    const { scheme } = this.#parts;
    const out: number[] = [];
    const whole = wellFormed(text);
    if (scheme.findsAdded) {
      scheme.encode(whole, out, true);
      return out;
    }
    let first = true;
    for (const part of this.#added.split(whole, !splitSpecial)) {
      if (typeof part === "number") out.push(part);
      else scheme.encode(part, out, first);
      first = false;
    }
    return out;
  }
  #assemble(op: string, texts: readonly unknown[], o: EncodeOptions): Encoded {
    return this.#around(
      op,
      texts.map((t) => this.#ids(op, t, o.splitSpecialTokens ?? false)),
      o,
    );
  }
  // Special tokens around, within the length; `special` stands for each of them where it is given.
  #around(op: string, texts: readonly number[][], o: EncodeOptions, special?: number): Encoded {
    const truncation: Truncation = typeof o.truncation === "string" ? o.truncation : o.truncation ? "longest_first" : "do_not_truncate";
    const { template } = this.#parts;
    const masked = (items: readonly TemplateItem[]): readonly TemplateItem[] =>
      special === undefined ? items : items.map((i) => ("id" in i ? { ...i, id: special } : i));
    return assemble(
      op,
      texts,
      template && (o.addSpecialTokens ?? true) ? { single: masked(template.single), pair: masked(template.pair) } : null,
      {
        truncation,
        maxLength: o.maxLength ?? this.modelMaxLength,
        side: o.truncationSide ?? this.truncationSide,
      },
    );
  }
  #spans(op: string, text: string, splitSpecial: boolean): Span[] {
    const { scheme } = this.#parts;
    if (!scheme.spans)
      throw new UnsupportedError({
        op,
        message: `${scheme.name} does not tell where its tokens are in the text`,
        hint: "Leave returnOffsetsMapping out",
      });
    const out: Span[] = [];
    let at = 0;
    const whole = wellFormed(text);
    for (const part of this.#added.split(whole, !splitSpecial)) {
      // Parts come in order; what added tokens swallow lies between them.
      const content = typeof part === "number" ? this.#added.get(part)!.content : part;
      const begin = whole.indexOf(content, at);
      at = begin + content.length;
      if (typeof part === "number") out.push([part, begin, at]);
      else for (const [id, start, end] of scheme.spans(part)) out.push([id, begin + start, begin + end]);
    }
    return out;
  }
  // The same assembly with numbers of spans for ids and -1 for special tokens.
  #places(op: string, texts: readonly string[], o: EncodeOptions, length: number, side: Side): Place[] {
    const none: Place = { offset: [0, 0], sequence: null };
    const places = texts.map((t, sequence) =>
      this.#spans(op, t, o.splitSpecialTokens ?? false).map(
        ([, start, end]): Place => ({ offset: [start, end], sequence: sequence as 0 | 1 }),
      ),
    );
    const all = places.flat();
    const numbers = places.map((p, i) => p.map((_, j) => (i === 0 ? j : places[0]!.length + j)));
    const row = this.#around(op, numbers, o, -1).ids.map((i) => (i < 0 ? none : all[i]!));
    const rest = new Array<Place>(length - row.length).fill(none);
    return side === "right" ? [...row, ...rest] : [...rest, ...row];
  }

  /** The ids of a text, or of a pair. @throws ArgumentError for what is no text, ValueError where `maxLength` leaves no room */
  encode(text: string, options?: EncodeOptions & { readonly textPair?: string }): number[] {
    const o = checkOptions("encode", ENCODE_OPTIONS, options);
    return this.#assemble("encode", o.textPair === undefined ? [text] : [text, o.textPair], o).ids;
  }
  /** The tokens of a text as the vocabulary writes them, without special ones unless asked for. */
  tokenize(text: string, options?: EncodeOptions & { readonly textPair?: string }): string[] {
    return this.convertIdsToTokens(this.encode(text, { addSpecialTokens: false, ...options }));
  }
  /**
   * A batch: what `tokenizer(texts, …)` gives in transformers.
   * @throws ValueError for texts of several lengths without `padding`, and for padding without a padding token
   */
  call(texts: string | readonly string[], options?: BatchOptions): BatchEncoding {
    const op = "tokenizer.call";
    const o = checkOptions(op, BATCH_OPTIONS, options);
    need(op, "texts: text|texts", texts);
    const firsts = typeof texts === "string" ? [texts] : texts;
    const seconds = o.textPair === undefined ? null : typeof o.textPair === "string" ? [o.textPair] : o.textPair;
    if (seconds && seconds.length !== firsts.length)
      throw new ValueError({
        op,
        message: `${firsts.length} texts and ${seconds.length} in textPair`,
        hint: "Give one second text for each",
      });
    const toLength = o.padding === "max_length";
    const maxLength = o.maxLength ?? this.modelMaxLength;
    if (toLength && maxLength === Number.POSITIVE_INFINITY)
      throw new ValueError({ op, message: 'padding is "max_length" and no length is known', hint: "Give { maxLength }" });
    const pairs = firsts.map((t, i) => (seconds ? [t, seconds[i]!] : [t]));
    const rows = pairs.map((t) => this.#assemble(op, t, o));
    const side = o.paddingSide ?? this.paddingSide;
    const batch = pad(op, rows, {
      to: toLength ? maxLength : o.padding === true || o.padding === "longest" ? "longest" : null,
      multiple: o.padToMultipleOf ?? 1,
      side,
      id: this.padTokenId,
      types: o.returnTokenTypeIds ?? this.#parts.types ?? false,
    });
    if (!o.returnOffsetsMapping) return batch;
    const places = pairs.map((t) => this.#places(op, t, o, batch.inputIds.shape[1]!, side));
    return { ...batch, offsetMapping: places.map((p) => p.map((x) => x.offset)), sequenceIds: places.map((p) => p.map((x) => x.sequence)) };
  }

  /** The text of ids, or of an int64 tensor of one dimension. @throws IndexError for ids that name no token */
  decode(ids: readonly number[] | Tensor, options?: DecodeOptions): string {
    const stream = this.decodeStream(options);
    let text = "";
    for (const id of listOf("decode", ids)) text += stream.push(id);
    return text + stream.end();
  }
  /** The texts of several rows of ids. */
  batchDecode(rows: readonly (readonly number[])[] | Tensor, options?: DecodeOptions): string[] {
    const list = isTensor(rows) ? (rows.toArraySync() as number[][]) : rows;
    need("batchDecode", "rows: array", list);
    return list.map((ids) => this.decode(ids, options));
  }
  /**
   * Text from ids that come one by one.
   * @example
   * const tokenizer = await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.txt": new TextEncoder().encode("[UNK]\nun\n##able\n") }));
   * const stream = tokenizer.decodeStream();
   * [stream.push(1), stream.push(2), stream.push(0), stream.end()] // => ["un", "able", " [UNK]", ""]
   */
  decodeStream(options?: DecodeOptions): DecodeStream {
    const o = checkOptions("decode", ["skipSpecialTokens: flag", "cleanUpTokenizationSpaces: flag"], options);
    const { scheme, cleanUp, trim } = this.#parts;
    return new DecodeStream(scheme, this.#added, {
      skip: o.skipSpecialTokens ?? false,
      cleanUp: o.cleanUpTokenizationSpaces ?? cleanUp ?? false,
      trim: trim ?? false,
    });
  }
  /** Tokens as the vocabulary writes them. @throws IndexError for ids that name no token */
  convertIdsToTokens(ids: readonly number[]): string[] {
    return listOf("convertIdsToTokens", ids).map((id) => {
      const token = this.#added.get(id)?.content ?? (typeof id === "number" ? this.#parts.scheme.token(id) : undefined);
      if (token === undefined) throw unknownId("convertIdsToTokens", id, this.vocabSize);
      return token;
    });
  }
  /** Ids of tokens. @throws ArgumentError for a token that is not in the vocabulary, where there is no unknown one */
  convertTokensToIds(tokens: readonly string[]): number[] {
    const op = "convertTokensToIds";
    need(op, "tokens: texts", tokens);
    return tokens.map((token) => {
      const id = this.#id(token) ?? this.unkTokenId;
      if (id === null)
        throw new ArgumentError({
          op,
          message: `${JSON.stringify(token)} is none of the ${this.vocabSize} tokens`,
          hint: "Write tokens as tokenize() gives them",
        });
      return id;
    });
  }

  /** A conversation as text. @throws ArgumentError where there is no template or it refuses */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions & { readonly tokenize: false }): Promise<string>;
  /** A conversation as ids; special tokens come from the template alone. */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatTemplateOptions): Promise<number[]>;
  async applyChatTemplate(messages: readonly ChatMessage[], options?: ChatTemplateOptions): Promise<string | number[]> {
    const op = "applyChatTemplate";
    const o = checkOptions(op, CHAT_OPTIONS, options);
    need(op, "messages: objects", messages);
    if (messages.length === 0) throw new ValueError({ op, message: "no messages", hint: 'Give [{ role: "user", content: "…" }]' });
    const tokens = Object.fromEntries(Object.entries(this.#special).flatMap(([role, token]) => (token ? [[`${role}_token`, token]] : [])));
    const text = await render(chooseTemplate(this.chatTemplates, o), messages, o, tokens);
    return o.tokenize === false ? text : this.encode(text, { addSpecialTokens: false });
  }

  /** Writes the files that the tokenizer was read from. @throws UnsupportedError for one from a GGUF file, FileError when the file system refuses */
  async savePretrained(folder: string): Promise<void> {
    need("savePretrained", "folder: text", folder);
    const { files } = this.#parts;
    if (!files || Object.keys(files).length === 0)
      throw new UnsupportedError({
        op: "savePretrained",
        message: `${this.name} has no tokenizer files of its own`,
        hint: "Copy the GGUF file",
      });
    const { mkdirSync } = await import("node:fs");
    const { join } = await import("node:path");
    try {
      mkdirSync(folder, { recursive: true });
    } catch (e) {
      throw fileError("savePretrained", folder, e);
    }
    for (const [file, bytes] of Object.entries(files)) await replaceFile(join(folder, file), (sink) => sink.write(bytes));
  }
}
interface Place {
  readonly offset: readonly [number, number];
  readonly sequence: 0 | 1 | null;
}
function listOf(op: string, ids: unknown): readonly number[] {
  if (isTensor(ids)) return (ids.layout.shape.length === 0 ? [ids.toArraySync()] : ids.toArraySync()) as number[];
  need(op, "ids: array", ids);
  return ids as number[];
}
