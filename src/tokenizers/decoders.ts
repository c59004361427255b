// The decoders of tokenizer.json, on tokens that come one by one.
import { shown } from "../io/damage.ts";
import { ByteRun, bytesOf, Utf8Stream } from "./bytes.ts";
import { isRecord } from "./files.ts";
import type { PieceDecoder } from "./scheme.ts";
import { tidy } from "./wordpiece.ts";

/** A decoder of tokens: `push` gets a token, `end` nothing more. */
interface TokenDecoder {
  push(token: string): string;
  end(): string;
}
type Maker = () => TokenDecoder;

/** Makes decoders of that kind, or says null where it is not known. */
export function decoderOf(spec: unknown): Maker | null {
  if (spec === null || spec === undefined) return () => spaced((token, first) => (first ? token : ` ${token}`));
  if (!isRecord(spec)) return null;
  switch (spec["type"]) {
    case "ByteLevel":
      return () => {
        const stream = new Utf8Stream();
        return { push: (token) => stream.push(bytesOf(token)), end: () => stream.end() };
      };
    case "WordPiece": {
      const prefix = String(spec["prefix"] ?? "##");
      const clean = spec["cleanup"] === false ? (t: string): string => t : tidy;
      return () => spaced((token, first) => clean(first ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`));
    }
    case "Metaspace": {
      const mark = String(spec["replacement"] ?? "\u2581");
      const keep = spec["prepend_scheme"] === "never" || spec["add_prefix_space"] === false;
      return () => spaced((token, first) => token.replaceAll(mark, first && !keep ? "" : " "));
    }
    case "BPEDecoder": {
      // The space that ends a word comes with the next one.
      const suffix = String(spec["suffix"] ?? "</w>");
      let space = "";
      return () => ({
        push: (token) => {
          const out = space + token.replaceAll(suffix, "");
          space = token.includes(suffix) ? " " : "";
          return out;
        },
        end: () => "",
      });
    }
    case "Sequence":
      return Array.isArray(spec["decoders"]) ? sequence(spec["decoders"]) : null;
    default:
      return null;
  }
}
function spaced(one: (token: string, first: boolean) => string): TokenDecoder {
  let first = true;
  return {
    push: (token) => {
      const out = one(token, first);
      first = false;
      return out;
    },
    end: () => "",
  };
}

// What LLaMA's files have: replacements, bytes, one text, and a space off its beginning.
function sequence(list: readonly unknown[]): Maker | null {
  const replacements: (readonly [string, string])[] = [];
  let bytes = false;
  let strip = 0;
  let fused = false;
  for (const spec of list) {
    if (!isRecord(spec)) return null;
    const pattern = isRecord(spec["pattern"]) ? spec["pattern"]["String"] : undefined;
    if (spec["type"] === "Replace" && typeof pattern === "string" && !bytes && !fused)
      replacements.push([pattern, String(spec["content"])]);
    else if (spec["type"] === "ByteFallback" && !fused) bytes = true;
    else if (spec["type"] === "Fuse") fused = true;
    else if (spec["type"] === "Strip" && fused && spec["content"] === " " && Number(spec["stop"]) === 0) strip = Number(spec["start"]);
    else return list.length === 1 ? decoderOf(spec) : null;
  }
  return () => {
    const run = new ByteRun();
    let left = strip;
    const stripped = (text: string): string => {
      while (left > 0 && text !== "") {
        if (text[0] !== " ") left = 0;
        else {
          text = text.slice(1);
          left--;
        }
      }
      return text;
    };
    return {
      push: (token) => {
        const byte = bytes ? /^<0x([0-9A-F]{2})>$/i.exec(token) : null;
        if (byte) return stripped(run.push(Number.parseInt(byte[1]!, 16)));
        for (const [from, to] of replacements) token = token.replaceAll(from, to);
        return stripped(run.end() + token);
      },
      end: () => stripped(run.end()),
    };
  };
}

/** As a scheme gives it. @throws Error never: an unknown kind is refused when the file is read */
export function pieceDecoder(make: Maker, token: (id: number) => string): PieceDecoder {
  const d = make();
  return { id: (id) => d.push(token(id)), text: (content) => d.push(content), end: () => d.end() };
}
/** What a decoder calls itself, for messages. */
export const decoderName = (spec: unknown): string =>
  shown(isRecord(spec) ? (spec["type"] === "Sequence" ? spec["decoders"] : spec["type"]) : spec);
