// The tokens of a vocabulary as a trie of their bytes, so that tokens which begin alike are judged together.
import { given } from "../../core/arguments.ts";
import { ArgumentError } from "../../core/errors.ts";
import { type Automaton, DEAD } from "./automaton.ts";
import { type TokenSource, tokenBytes } from "./tokenBytes.ts";

const utf8 = new TextEncoder();

/**
 * What each token id adds to a text. `tokens[id]`: its bytes, or its text where that is whole characters; null for special tokens, which
 * constrained output never takes (but the end of the sequence).
 * @throws ArgumentError for anything else
 * @example new Vocabulary(["a", "ab", null]).size // => 3
 */
export class Vocabulary {
  /** How many ids there are. */
  readonly size: number;
  readonly #tokens: readonly Uint8Array[];
  // The trie in preorder: a node's byte and depth, where its subtree ends, and which of #sorted are its own tokens.
  readonly #byte: Uint8Array;
  readonly #depth: Uint16Array;
  readonly #after: Int32Array;
  readonly #first: Int32Array;
  readonly #sorted: Int32Array;

  constructor(tokens: readonly (Uint8Array | string | null)[]) {
    if (!Array.isArray(tokens))
      throw new ArgumentError({
        op: "Vocabulary",
        message: `tokens are ${given(tokens)}`,
        hint: "Give an array: bytes, text or null for each id",
      });
    this.size = tokens.length;
    this.#tokens = tokens.map((t: unknown, id) => {
      if (t === null) return new Uint8Array(0);
      if (typeof t === "string") return utf8.encode(t);
      if (t instanceof Uint8Array) return t;
      throw new ArgumentError({ op: "Vocabulary", message: `token ${id} is ${given(t)}`, hint: "Give its bytes, its text or null" });
    });
    const keys = this.#tokens.map((t) => String.fromCharCode(...t)); // a character per byte: the order of bytes
    const sorted = Array.from(keys.keys())
      .filter((id) => keys[id] !== "")
      .sort((a, b) => (keys[a]! < keys[b]! ? -1 : keys[a]! > keys[b]! ? 1 : a - b));
    const [byte, depth, first]: [number[], number[], number[]] = [[], [], []];
    sorted.forEach((id, i) => {
      const [key, before] = [keys[id]!, i === 0 ? "" : keys[sorted[i - 1]!]!];
      let shared = 0;
      while (shared < key.length && key[shared] === before[shared]) shared++;
      for (let d = shared; d < key.length; d++) {
        byte.push(key.charCodeAt(d));
        depth.push(d + 1);
        first.push(i);
      }
    });
    this.#byte = Uint8Array.from(byte);
    this.#depth = Uint16Array.from(depth);
    // Only the deepest of the nodes that begin with a token ends with it: the others own none of it.
    this.#first = Int32Array.from([...first, sorted.length]);
    this.#after = new Int32Array(byte.length);
    const open: number[] = [];
    for (let n = 0; n <= byte.length; n++) {
      while (open.length > 0 && (n === byte.length || depth[open.at(-1)!]! >= depth[n]!)) this.#after[open.pop()!] = n;
      open.push(n);
    }
    this.#sorted = Int32Array.from(sorted);
  }

  /**
   * The vocabulary of a tokenizer: byte-level BPE or SentencePiece.
   * @example
   * const tokenizer = { vocabSize: 2, allSpecialIds: [1], convertIdsToTokens: (ids) => ids.map((id) => ["Ġa", "<end>"][id]) };
   * Vocabulary.of(tokenizer).bytes(0) // => [32, 97]
   */
  static of(tokenizer: TokenSource): Vocabulary {
    if (typeof tokenizer?.convertIdsToTokens !== "function")
      throw new ArgumentError({
        op: "Vocabulary.of",
        message: `the tokenizer is ${given(tokenizer)}`,
        hint: "It must have convertIdsToTokens(ids)",
      });
    return new Vocabulary(tokenBytes(tokenizer));
  }

  /** The bytes of a token; none for special ones. */
  bytes(id: number): Uint8Array {
    return this.#tokens[id] ?? new Uint8Array(0);
  }

  /** Writes 0 into `forbidden` at every token that may follow `state`; returns how many there are. */
  allow(automaton: Automaton, state: number, forbidden: Uint8Array): number {
    const states = new Int32Array(1 + this.#depth.reduce((a, b) => Math.max(a, b), 0));
    states[0] = state;
    let count = 0;
    for (let n = 0; n < this.#byte.length; ) {
      const d = this.#depth[n]!;
      const next = automaton.next(states[d - 1]!, this.#byte[n]!);
      if (next === DEAD) {
        n = this.#after[n]!;
        continue;
      }
      states[d] = next;
      for (let i = this.#first[n]!; i < this.#first[n + 1]!; i++, count++) forbidden[this.#sorted[i]!] = 0;
      n++;
    }
    return count;
  }
}
