// Text as numbers: a character vocabulary, a training and a validation part, random batches.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";

/** A text to learn. */
export class Corpus {
  /** The characters, in order of their numbers. */
  readonly vocabulary: readonly string[];
  readonly train: Uint8Array;
  readonly validation: Uint8Array;
  readonly #numbers: Map<string, number>;

  constructor(text: string) {
    const counts = new Map<string, number>();
    for (const c of text) counts.set(c, (counts.get(c) ?? 0) + 1);
    // The 255 commonest characters; the rest become one.
    const common = [...counts]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 255)
      .map(([c]) => c);
    this.vocabulary = [...new Set(["\uFFFD", ...common])].sort();
    this.#numbers = new Map(this.vocabulary.map((c, i) => [c, i]));
    const data = this.encode(text);
    // A tenth is held back for validation: the ends of up to ten stretches, so that it is of the same kind as the rest.
    const stretch = Math.ceil(data.length / Math.max(1, Math.min(10, Math.floor(data.length / 100_000))));
    const held = (i: number): boolean => i % stretch >= 0.9 * stretch;
    this.train = data.filter((_, i) => !held(i));
    this.validation = data.filter((_, i) => held(i));
  }
  encode(text: string): Uint8Array {
    const unknown = this.#numbers.get("\uFFFD")!;
    const out = new Uint8Array(text.length);
    let n = 0;
    for (const c of text) out[n++] = this.#numbers.get(c) ?? unknown;
    return out.slice(0, n);
  }
  decode(token: number): string {
    return this.vocabulary[token]!;
  }
  /** Random windows of `length` and the same one character on: two int64 tensors [batch, length]. */
  batch(part: "train" | "validation", batch: number, length: number, generator: torch.Generator, device = "cpu"): [Tensor, Tensor] {
    const data = this[part];
    const starts = torch.randint(0, data.length - length, [batch], { generator }).dataSync();
    const x = new BigInt64Array(batch * length);
    const y = new BigInt64Array(batch * length);
    for (let b = 0; b < batch; b++) {
      const start = Number(starts[b]);
      for (let t = 0; t < length; t++) {
        x[b * length + t] = BigInt(data[start + t]!);
        y[b * length + t] = BigInt(data[start + t + 1]!);
      }
    }
    const tensorOf = (a: BigInt64Array): Tensor => torch.tensor(a, { device }).view([batch, length]);
    return [tensorOf(x), tensorOf(y)];
  }
}

/** Reads a file, or TypeScript's own declarations where none is given. @throws Error that says what is wrong with the file. */
export function readText(file: string | null, least: number): { text: string; name: string } {
  const name = file ?? declarations();
  let text: string;
  try {
    if (!file) text = declarationText(name);
    else {
      if (statSync(file).isDirectory()) throw new Error("it is a folder");
      text = decodeText(readFileSync(file));
    }
  } catch (e) {
    throw new Error(`${name} cannot be read: ${(e as Error).message}. Give a readable text file with --data FILE`);
  }
  if (text.length < least)
    throw new Error(`${name} has ${text.length} characters, needed at least ${least}. Give a longer text, or a smaller --block-size`);
  return { text, name: file ?? "TypeScript's type declarations" };
}

function decodeText(bytes: Uint8Array): string {
  try {
    if (!bytes.includes(0)) return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // said below
  }
  throw new Error("it is not UTF-8 text");
}
function declarations(): string {
  const require = createRequire(import.meta.url);
  const typescript = dirname(require.resolve("typescript/package.json"));
  const here = join(typescript, "lib");
  if (existsSync(join(here, "lib.dom.d.ts"))) return here;
  const platform = createRequire(join(typescript, "package.json")).resolve(
    `@typescript/typescript-${process.platform}-${process.arch}/package.json`,
  );
  return join(dirname(platform), "lib");
}
function declarationText(folder: string): string {
  const files = readdirSync(folder)
    .filter((f) => /^lib\..*\.d\.ts$/.test(f) && !/webworker|\.full\./.test(f))
    .sort();
  // The licence at the head of each file would be learnt by heart.
  return files
    .map((f) =>
      readFileSync(join(folder, f), "utf8")
        .replace(/\r/g, "")
        .replace(/\/\*![\s\S]*?\*\//, "")
        .trim(),
    )
    .join("\n\n");
}
