// The unigram language model (Kudo 2018, https://arxiv.org/abs/1804.10959): of all ways to cut a text into pieces, the one whose
// scores (log probabilities) add up to most, by Viterbi's algorithm over a trie of bytes.
import { lengthOf } from "./bytes.ts";

/** Pieces by their bytes: an open hash table from (node, byte) to the node below. */
export class ByteTrie {
  /** node * 256 + byte, in the slots that `below` marks as taken. */
  keys: Int32Array = new Int32Array(1024);
  /** The node below; 0 marks a free slot, since the root is below none. */
  below: Int32Array = new Int32Array(1024);
  /** The value at a node, -1 where none is. */
  values: Int32Array = new Int32Array(1024).fill(-1);
  #nodes = 1;

  add(bytes: Uint8Array, value: number): void {
    let node = 0;
    for (let i = 0; i < bytes.length; i++) {
      const key = node * 256 + bytes[i]!;
      let slot = slotOf(this.keys, this.below, key);
      if (this.below[slot] === 0) {
        if (this.#nodes * 2 >= this.keys.length) {
          this.#grow();
          slot = slotOf(this.keys, this.below, key);
        }
        this.keys[slot] = key;
        this.below[slot] = this.#nodes++;
      }
      node = this.below[slot]!;
    }
    this.values[node] = value;
  }
  #grow(): void {
    const [keys, below, values] = [this.keys, this.below, this.values];
    this.keys = new Int32Array(keys.length * 2);
    this.below = new Int32Array(keys.length * 2);
    this.values = new Int32Array(keys.length * 2).fill(-1);
    this.values.set(values);
    for (let i = 0; i < keys.length; i++)
      if (below[i] !== 0) {
        const slot = slotOf(this.keys, this.below, keys[i]!);
        this.keys[slot] = keys[i]!;
        this.below[slot] = below[i]!;
      }
  }
  /** The length of the longest value that begins at `at`, 0 where none does. */
  longest(bytes: Uint8Array, at: number): number {
    let length = 0;
    let node = 0;
    for (let i = at; i < bytes.length; i++) {
      node = this.below[slotOf(this.keys, this.below, node * 256 + bytes[i]!)]!;
      if (node === 0) break;
      if (this.values[node]! >= 0) length = i + 1 - at;
    }
    return length;
  }
}
// The slot of a key, or the free one where it would go.
function slotOf(keys: Int32Array, below: Int32Array, key: number): number {
  const mask = keys.length - 1;
  let slot = (Math.imul(key, 0x9e3779b1) >>> 8) & mask;
  while (below[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) & mask;
  return slot;
}

/** What the search needs to know of the pieces. */
export interface UnigramParts {
  readonly trie: ByteTrie;
  /** By id, in float32; NaN for a user's own piece, which always wins: it scores 0.1 for each byte but one. */
  readonly scores: Float32Array;
  readonly unk: number;
  /** Of a character that no piece has. */
  readonly unkScore: number;
}

/**
 * The best cut of UTF-8 text: end and id of each piece in turn, one behind the other. Sums are SentencePiece's (0.2.3): in float32 from the start of the text,
 * beginning anew from 0 beyond 100,000, so that ties and near ties fall as they do there.
 */
export function viterbi(text: Uint8Array, p: UnigramParts): Int32Array {
  const { trie, scores, unk, unkScore } = p;
  const n = text.length;
  const best = new Float32Array(n + 1);
  const from = new Int32Array(n + 1).fill(-1);
  const ids = new Int32Array(n + 1);
  const { keys, below, values } = trie;
  let frontier = 0;
  const offer = (begin: number, end: number, id: number, sum: number): void => {
    if (from[end] !== -1 && sum <= best[end]!) return;
    best[end] = sum;
    from[end] = begin;
    ids[end] = id;
    if (end > frontier) frontier = end;
  };
  for (let begin = 0; begin < n; ) {
    const length = Math.min(lengthOf(text[begin]!), n - begin);
    const sofar = best[begin]!;
    if (sofar < -RESET || sofar > RESET) {
      for (let i = begin; i <= frontier; i++) if (from[i] !== -1) best[i]! -= sofar;
      continue;
    }
    let single = false;
    for (let end = begin, node = 0; end < n; ) {
      node = below[slotOf(keys, below, node * 256 + text[end++]!)]!;
      if (node === 0) break;
      const id = values[node]!;
      if (id < 0) continue;
      const score = scores[id]!;
      offer(begin, end, id, Math.fround((Number.isNaN(score) ? Math.fround(0.1 * (end - begin - 1)) : score) + sofar));
      if (end - begin === length) single = true;
    }
    if (!single) offer(begin, begin + length, unk, Math.fround(unkScore + sofar));
    begin += length;
  }
  let pieces = 0;
  for (let end = n; end > 0; end = from[end]!) pieces++;
  const out = new Int32Array(2 * pieces);
  for (let end = n, i = out.length; end > 0; end = from[end]!) {
    out[--i] = ids[end]!;
    out[--i] = end;
  }
  return out;
}
const RESET = 100000;
