// The unigram language model (Kudo 2018, https://arxiv.org/abs/1804.10959): of all ways to cut a text into pieces, the one whose
// scores (log probabilities) add up to most, by Viterbi's algorithm over a trie of bytes.
import { lengthOf } from "./bytes.ts";

/** Pieces by their bytes. */
export class ByteTrie {
  // An open hash table from (node, byte) to the node below. Zero marks a free slot: the root is below none.
  #keys = new Int32Array(1024);
  #below = new Int32Array(1024);
  #nodes = 1;
  /** The value at a node, -1 where none is. */
  values: Int32Array = new Int32Array(1024).fill(-1);

  add(bytes: Uint8Array, value: number): void {
    let node = 0;
    for (let i = 0; i < bytes.length; i++) {
      let below = this.step(node, bytes[i]!);
      if (below === 0) {
        if (this.#nodes * 2 >= this.#keys.length) this.#grow();
        below = this.#nodes++;
        this.#put(node * 256 + bytes[i]!, below);
      }
      node = below;
    }
    this.values[node] = value;
  }
  /** The node below, 0 where none is. */
  step(node: number, byte: number): number {
    const key = node * 256 + byte;
    const mask = this.#keys.length - 1;
    let slot = (Math.imul(key, 0x9e3779b1) >>> 8) & mask;
    while (this.#below[slot] !== 0) {
      if (this.#keys[slot] === key) return this.#below[slot]!;
      slot = (slot + 1) & mask;
    }
    return 0;
  }
  #put(key: number, below: number): void {
    const mask = this.#keys.length - 1;
    let slot = (Math.imul(key, 0x9e3779b1) >>> 8) & mask;
    while (this.#below[slot] !== 0) slot = (slot + 1) & mask;
    this.#keys[slot] = key;
    this.#below[slot] = below;
  }
  #grow(): void {
    const [keys, below, values] = [this.#keys, this.#below, this.values];
    this.#keys = new Int32Array(keys.length * 2);
    this.#below = new Int32Array(keys.length * 2);
    this.values = new Int32Array(keys.length * 2).fill(-1);
    this.values.set(values);
    for (let i = 0; i < keys.length; i++) if (below[i] !== 0) this.#put(keys[i]!, below[i]!);
  }
  /** The length of the longest value that begins at `at`, 0 where none does. */
  longest(bytes: Uint8Array, at: number): number {
    let length = 0;
    let node = 0;
    for (let i = at; i < bytes.length; i++) {
      node = this.step(node, bytes[i]!);
      if (node === 0) break;
      if (this.values[node]! >= 0) length = i + 1 - at;
    }
    return length;
  }
}

/** What the search needs to know of the pieces. */
export interface UnigramParts {
  readonly trie: ByteTrie;
  /** By id, in float32. */
  readonly scores: Float32Array;
  /** By id: 1 where a piece is the user's own, which always wins. */
  readonly own: Uint8Array;
  readonly unk: number;
}

/** The best cut of UTF-8 text: [end, id] of each piece in turn, from the left. Sums are in float32 from the start of the text, as SentencePiece's are. */
export function viterbi(text: Uint8Array, p: UnigramParts, low: number, high: number): readonly (readonly [end: number, id: number])[] {
  const { trie, scores, own, unk } = p;
  const n = text.length;
  const best = new Float32Array(n + 1);
  const from = new Int32Array(n + 1).fill(-1);
  const ids = new Int32Array(n + 1);
  const unkScore = Math.fround(low - 10);
  const values = trie.values;
  for (let begin = 0; begin < n; ) {
    const length = Math.min(lengthOf(text[begin]!), n - begin);
    const sofar = best[begin]!;
    let single = false;
    for (let end = begin, node = 0; end < n; ) {
      node = trie.step(node, text[end++]!);
      if (node === 0) break;
      const id = values[node]!;
      if (id < 0) continue;
      const sum = (own[id] ? (end - begin) * high - 0.1 : scores[id]!) + sofar;
      if (from[end] === -1 || sum > best[end]!) {
        best[end] = sum;
        from[end] = begin;
        ids[end] = id;
      }
      if (end - begin === length) single = true;
    }
    if (!single) {
      const end = begin + length;
      const sum = Math.fround(unkScore + sofar);
      if (from[end] === -1 || sum > best[end]!) {
        best[end] = sum;
        from[end] = begin;
        ids[end] = unk;
      }
    }
    begin += length;
  }
  const out: [number, number][] = [];
  for (let end = n; end > 0; end = from[end]!) out.push([end, ids[end]!]);
  return out.reverse();
}
