// Texts as tokens: one to learn from, of which every tenth stretch is held back, and where texts are that a clone has at hand.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";
import { readText } from "../gpt/text.ts";

/** Text as tokens and back. */
export interface Vocabulary {
  /** What a token is called. */
  readonly unit: string;
  /** How many there are. */
  readonly size: number;
  encode(text: string): ArrayLike<number>;
  /** The text of tokens that come one by one; a character whose bytes are not all there yet waits. */
  stream(): (token: number) => string;
}
/** Every byte of UTF-8 is a token. */
export const bytes: Vocabulary = {
  unit: "byte",
  size: 256,
  encode: (text) => new TextEncoder().encode(text),
  stream: () => {
    const decoder = new TextDecoder();
    return (token) => (token < 256 ? decoder.decode(Uint8Array.of(token), { stream: true }) : "");
  },
};

/** A text's tokens. */
export class Corpus {
  readonly name: string;
  readonly train: Int32Array;
  readonly held: Int32Array;

  constructor({ text, name }: Text, vocabulary: Vocabulary) {
    this.name = name;
    const all = Int32Array.from(vocabulary.encode(text));
    // The ends of up to ten stretches are held back, so that they are of the same kind as the rest.
    const stretch = Math.ceil(all.length / Math.max(1, Math.min(10, Math.floor(all.length / 20_000))));
    const isHeld = (i: number): boolean => i % stretch >= 0.9 * stretch;
    this.train = all.filter((_, i) => !isHeld(i));
    this.held = all.filter((_, i) => isHeld(i));
  }
  /** Random windows: int64 [batch, length]. */
  batch(batch: number, length: number, generator: torch.Generator, device: string): Tensor {
    const starts = torch.randint(0, this.train.length - length + 1, [batch], { generator }).dataSync();
    const out = new BigInt64Array(batch * length);
    for (let b = 0; b < batch; b++) for (let t = 0; t < length; t++) out[b * length + t] = BigInt(this.train[Number(starts[b]) + t]!);
    return torch.tensor(out, { device }).view([batch, length]);
  }
}
/** A text and where it is from. */
export interface Text {
  readonly text: string;
  readonly name: string;
}

const root = join(import.meta.dirname, "..", "..", "..");
const beside = (name: string): string | null => {
  const file = join(root, "..", "shared", "data", "text", name);
  return existsSync(file) ? file : null;
};

/** What the base model is trained on: Shakespeare where he is at hand, else TypeScript's declarations. */
export const baseText = (least: number): Text => readText(beside("tinyshakespeare.txt"), least);

/** What it is then tuned on: a file, or a novel where one is at hand, else the library's own source. */
export function tuneText(file: string | null, least: number): Text {
  const found = file ?? beside("botchan.txt");
  if (found !== null) return readText(found, least);
  const read = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((e) =>
        e.isDirectory() ? read(join(folder, e.name)) : e.name.endsWith(".ts") ? [readFileSync(join(folder, e.name), "utf8")] : [],
      );
  return { text: read(join(root, "src")).join("\n"), name: "the library's own source" };
}
