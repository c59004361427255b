// SentencePiece's model files: a protocol buffer of pieces with scores, and how text is normalised.
// Source: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
import { UnsupportedError } from "../core/errors.ts";
import { failing, type Fail } from "../io/damage.ts";
import { type Field, fields } from "../io/tensorflow/proto.ts";
import { Charsmap } from "./charsmap.ts";

/** What a piece is; the numbers are those of the files, and of GGUF's token types. */
export const PIECE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
/** A token. */
export interface Piece {
  readonly piece: string;
  readonly score: number;
  readonly type: number;
}
/** What a file says. */
export interface SpmModel {
  readonly kind: "unigram" | "bpe";
  readonly pieces: readonly Piece[];
  readonly byteFallback: boolean;
  readonly charsmap: Charsmap | null;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
  /** Is the dummy prefix a suffix? */
  readonly whitespaceAsSuffix: boolean;
  /** What <unk> decodes to. */
  readonly unkSurface: string;
  /** Names of special tokens; they count where they are pieces. */
  readonly names: Readonly<Record<"bos" | "eos" | "pad", string>>;
}

const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const bits = new DataView(new ArrayBuffer(4));

/** Reads a .model file. @throws FormatError that names file, offset and what was expected; UnsupportedError for models of words or characters */
export function readSpm(bytes: Uint8Array, file: string): SpmModel {
  const fail = failing("sentencepiece", file, "a SentencePiece model");
  const at = (part: Uint8Array): number => part.byteOffset - bytes.byteOffset;
  const message = (f: Field): Uint8Array => {
    if (typeof f.value === "number") throw fail(0, `field ${f.number} is a number, expected a message`);
    return f.value;
  };
  const string = (f: Field): string => {
    const part = message(f);
    try {
      return text.decode(part);
    } catch (cause) {
      throw fail(at(part), `field ${f.number} is not UTF-8`, { cause });
    }
  };
  const flag = (f: Field): boolean => f.value !== 0;
  const pieces: Piece[] = [];
  let kind: number | undefined;
  let byteFallback = false;
  let whitespaceAsSuffix = false;
  let unkSurface = " \u2047 ";
  const names = { bos: "<s>", eos: "</s>", pad: "<pad>" };
  let charsmap: Charsmap | null = null;
  let addDummyPrefix = true;
  let removeExtraWhitespaces = true;
  let escapeWhitespaces = true;
  for (const f of fields(bytes, 0, fail)) {
    if (f.number === 1) pieces.push(readPiece(message(f), at, fail, string));
    else if (f.number === 2) {
      kind ??= 1;
      for (const t of fields(message(f), at(message(f)), fail)) {
        if (t.number === 3) kind = Number(t.value);
        else if (t.number === 24) whitespaceAsSuffix = flag(t);
        else if (t.number === 35) byteFallback = flag(t);
        else if (t.number === 44) unkSurface = string(t);
        else if (t.number === 46) names.bos = string(t);
        else if (t.number === 47) names.eos = string(t);
        else if (t.number === 48) names.pad = string(t);
      }
    } else if (f.number === 3)
      for (const n of fields(message(f), at(message(f)), fail)) {
        if (n.number === 2 && message(n).length > 0) charsmap = new Charsmap(message(n), at(message(n)), fail);
        else if (n.number === 3) addDummyPrefix = flag(n);
        else if (n.number === 4) removeExtraWhitespaces = flag(n);
        else if (n.number === 5) escapeWhitespaces = flag(n);
      }
    else if (f.number === 5)
      for (const n of fields(message(f), at(message(f)), fail))
        if (n.number === 2 && message(n).length > 0)
          throw new UnsupportedError({
            op: "sentencepiece",
            message: `${file} rewrites decoded text (denormalizer_spec)`,
            hint: "Load the model's tokenizer.json",
          });
  }
  // It stands behind the pieces: a file that is cut between two of them would pass for one of the default kind.
  if (kind === undefined)
    throw fail(bytes.length, `${pieces.length} pieces and no trainer_spec, expected one behind them`, { hint: "The file is truncated" });
  if (kind !== 1 && kind !== 2)
    throw new UnsupportedError({
      op: "sentencepiece",
      message: `${file} has model_type ${kind}, known are 1 (unigram) and 2 (BPE)`,
      hint: "Load the model's tokenizer.json",
    });
  const model: SpmModel = {
    kind: kind === 1 ? "unigram" : "bpe",
    pieces,
    byteFallback,
    charsmap,
    addDummyPrefix,
    removeExtraWhitespaces,
    escapeWhitespaces,
    whitespaceAsSuffix,
    unkSurface,
    names,
  };
  checkPieces(model, fail);
  return model;
}

function readPiece(part: Uint8Array, at: (part: Uint8Array) => number, fail: Fail, string: (f: Field) => string): Piece {
  let piece: string | undefined;
  let score = 0;
  let type: number = PIECE.normal;
  for (const f of fields(part, at(part), fail)) {
    if (f.number === 1) piece = string(f);
    else if (f.number === 2 && typeof f.value === "number") {
      bits.setUint32(0, f.value);
      score = bits.getFloat32(0);
    } else if (f.number === 3) type = Number(f.value);
  }
  if (!piece) throw fail(at(part), "a piece without text, expected some");
  if (!(type >= 1 && type <= 6)) throw fail(at(part), `piece ${JSON.stringify(piece)} has type ${type}, expected 1 to 6`);
  if (Number.isNaN(score)) throw fail(at(part), `piece ${JSON.stringify(piece)} has no number for a score`);
  return { piece, score, type };
}

/** Throws unless the pieces are what the algorithm needs. @throws FormatError @internal */
export function checkPieces(model: Pick<SpmModel, "pieces" | "byteFallback">, fail: Fail): void {
  const { pieces, byteFallback } = model;
  if (pieces.length === 0) throw fail(0, "no pieces, expected a vocabulary");
  const unknown = pieces.filter((p) => p.type === PIECE.unknown).length;
  if (unknown !== 1) throw fail(0, `${unknown} pieces of type 2 (unknown), expected one`);
  const seen = new Set<string>();
  for (const { piece, type } of pieces) {
    if (seen.has(piece)) throw fail(0, `piece ${JSON.stringify(piece)} is there twice`);
    seen.add(piece);
    if (type === PIECE.byte && !/^<0x[0-9A-F]{2}>$/.test(piece))
      throw fail(0, `byte piece ${JSON.stringify(piece)}, expected <0x00> to <0xFF>`);
  }
  const bytes = pieces.filter((p) => p.type === PIECE.byte).length;
  if (byteFallback && bytes !== 256) throw fail(0, `${bytes} byte pieces, expected 256 where byte_fallback is on`);
}
