// SentencePiece (Kudo and Richardson 2018, https://arxiv.org/abs/1808.06226): text is normalised, spaces become U+2581, and the
// whole is cut by a unigram model or merged by BPE. LLaMA 1 and 2, Mistral, Gemma, T5 and their kin, also from GGUF files.
import { ByteRun } from "./bytes.ts";
import { normalizeSpm } from "./charsmap.ts";
import { Merges } from "./merges.ts";
import { type PieceDecoder, type Scheme, WordCache } from "./scheme.ts";
import { PIECE, type SpmModel } from "./spmModel.ts";
import { ByteTrie, type UnigramParts, viterbi } from "./unigram.ts";

const SPACE = "\u2581";
const encoder = new TextEncoder();

/** The scheme of such a model. */
export class SentencePiece implements Scheme {
  readonly name: string;
  readonly size: number;
  readonly unk: number;
  readonly #model: SpmModel;
  readonly #ids = new Map<string, number>();
  /** Does every part of a text begin with the dummy space, or only the first? */
  readonly #prefixAlways: boolean;
  readonly #own: ((bytes: Uint8Array, at: number) => number) | null;
  readonly #bytes: Int32Array;
  readonly #cut: (normalized: string, out: number[]) => void;

  constructor(model: SpmModel, options: { prefixAlways?: boolean } = {}) {
    this.#model = model;
    this.name = `SentencePiece ${model.kind}`;
    this.size = model.pieces.length;
    this.#prefixAlways = options.prefixAlways ?? false;
    model.pieces.forEach((p, id) => this.#ids.set(p.piece, id));
    this.unk = model.pieces.findIndex((p) => p.type === PIECE.unknown);
    this.#bytes = Int32Array.from(
      { length: 256 },
      (_, b) => this.#ids.get(`<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`) ?? this.unk,
    );
    const own = model.pieces.filter((p) => p.type === PIECE.userDefined);
    if (own.length > 0) {
      const trie = new ByteTrie();
      for (const p of own) trie.add(encoder.encode(p.piece), 0);
      this.#own = (bytes, at) => trie.longest(bytes, at);
    } else this.#own = null;
    this.#cut = model.kind === "unigram" ? this.#unigram() : this.#bpe();
  }

  encode(text: string, out: number[], first: boolean): void {
    const prefix = this.#model.addDummyPrefix && (first || this.#prefixAlways);
    const begin = out.length;
    this.#cut(normalizeSpm(text, this.#model, prefix, this.#own), out);
    if (this.#model.byteFallback) return;
    // Unknown pieces that come together are one.
    let n = begin;
    for (let i = begin; i < out.length; i++) if (out[i] !== this.unk || i === begin || out[i - 1] !== this.unk) out[n++] = out[i]!;
    out.length = n;
  }
  #unknown(bytes: Uint8Array, out: number[]): void {
    if (!this.#model.byteFallback) out.push(this.unk);
    else for (const b of bytes) out.push(this.#bytes[b]!);
  }

  #unigram(): (normalized: string, out: number[]) => void {
    const { pieces } = this.#model;
    const low = pieces.reduce((least, p) => (p.type === PIECE.normal ? Math.min(least, p.score) : least), Infinity);
    const parts: UnigramParts = {
      trie: new ByteTrie(),
      scores: Float32Array.from(pieces, (p) => (p.type === PIECE.userDefined ? Number.NaN : p.score)),
      unk: this.unk,
      unkScore: Math.fround(low - 10),
    };
    pieces.forEach((p, id) => {
      if (p.type === PIECE.normal || p.type === PIECE.userDefined) parts.trie.add(encoder.encode(p.piece), id);
    });
    return (normalized, out) => {
      const bytes = encoder.encode(normalized);
      const cut = viterbi(bytes, parts);
      for (let i = 0; i < cut.length; i += 2) {
        const id = cut[i + 1]!;
        if (id === this.unk) this.#unknown(bytes.subarray(cut[i - 2] ?? 0, cut[i]!), out);
        else out.push(id);
      }
    };
  }

  #bpe(): (normalized: string, out: number[]) => void {
    const { pieces } = this.#model;
    // What symbols can become: pieces that are text. Characters that are no piece get numbers behind the pieces', since they may be part of one.
    const symbols = new Map<string, number>();
    pieces.forEach((p, id) => {
      if (p.type === PIECE.normal || p.type === PIECE.userDefined || p.type === PIECE.unused) symbols.set(p.piece, id);
    });
    const text = [...symbols];
    const strange: string[] = [];
    const symbol = (s: string): number | undefined =>
      symbols.get(s) ?? (s.length === 1 || (s.length === 2 && s.codePointAt(0)! > 0xffff) ? add(s) : undefined);
    const add = (character: string): number => {
      const id = this.size + strange.length;
      strange.push(character);
      symbols.set(character, id);
      return id;
    };
    // The better score goes first.
    const order = new Map([...new Set(pieces.map((p) => p.score))].sort((a, b) => b - a).map((score, rank) => [score, rank]));
    const merges = new Merges(text.length * 2);
    const splits = new Map<number, readonly [number, number]>();
    for (const [piece, id] of text)
      for (let cut = 1; cut < piece.length; cut++) {
        if ((piece.charCodeAt(cut) & 0xfc00) === 0xdc00) continue;
        const left = symbol(piece.slice(0, cut));
        const right = left === undefined ? undefined : symbol(piece.slice(cut));
        if (right === undefined) continue;
        merges.add(left!, right, order.get(pieces[id]!.score)!, id);
        if (pieces[id]!.type === PIECE.unused && !splits.has(id)) splits.set(id, [left!, right]);
      }
    const put = (id: number, out: number[]): void => {
      const parts = splits.get(id);
      if (parts) for (const part of parts) put(part, out);
      else if (id >= this.size) this.#unknown(encoder.encode(strange[id - this.size]!), out);
      else out.push(id < 0 ? ~id : id);
    };
    let room = new Int32Array(1024);
    const word = (w: string): number[] => {
      if (w.length > room.length) room = new Int32Array(w.length);
      const n = this.#own ? this.#withOwn(w, symbol, room) : 0;
      let count = n;
      if (!this.#own) for (const character of w) room[count++] = symbol(character)!;
      const out: number[] = [];
      const left = merges.apply(room, count);
      for (let i = 0; i < left; i++) put(room[i]!, out);
      return out;
    };
    // Where no piece has a space behind something else, nothing merges across the beginning of a word.
    const apart = this.#model.escapeWhitespaces && pieces.every((p) => !/[^\u2581]\u2581/.test(p.piece));
    const cache = new WordCache();
    return (normalized, out) => {
      if (apart) for (const w of normalized.match(WORDS) ?? []) cache.add(w, out, word);
      else for (const id of word(normalized)) out.push(id);
    };
  }
  // The user's own pieces are frozen: the complement of their ids, which no merge knows.
  #withOwn(word: string, symbol: (s: string) => number | undefined, room: Int32Array): number {
    const bytes = encoder.encode(word);
    let n = 0;
    for (let at = 0, unit = 0; at < bytes.length; ) {
      const length = this.#own!(bytes, at);
      if (length > 0) {
        const piece = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(at, at + length));
        room[n++] = ~this.#ids.get(piece)!;
        at += length;
        unit += piece.length;
      } else {
        const character = String.fromCodePoint(word.codePointAt(unit)!);
        room[n++] = symbol(character)!;
        at += encoder.encode(character).length;
        unit += character.length;
      }
    }
    return n;
  }

  token(id: number): string | undefined {
    return this.#model.pieces[id]?.piece;
  }
  id(token: string): number | undefined {
    return this.#ids.get(token);
  }

  decoder(): PieceDecoder {
    const { pieces, addDummyPrefix, removeExtraWhitespaces, unkSurface } = this.#model;
    const run = new ByteRun();
    let begun = false; // has text come out, or the dummy space been dropped?
    const put = (text: string): string => {
      if (text !== "") begun = true;
      return text;
    };
    return {
      id: (id) => {
        const { piece, type } = pieces[id]!;
        if (type === PIECE.byte) return put(run.push(Number.parseInt(piece.slice(3, 5), 16)));
        const before = put(run.end());
        if (type === PIECE.control) return before;
        if (type === PIECE.unknown) return before + put(unkSurface);
        let text = piece;
        if (!begun && (addDummyPrefix || removeExtraWhitespaces) && text.startsWith(SPACE)) {
          text = text.slice(1);
          begun = !removeExtraWhitespaces;
        }
        return before + put(text.replaceAll(SPACE, " "));
      },
      text: (content) => put(run.end()) + put(content),
      end: () => run.end(),
    };
  }
}
const WORDS = /\u2581+[^\u2581]*|[^\u2581]+/g;
