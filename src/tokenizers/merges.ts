// Byte-pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909): which pairs of symbols merge, and the merging.

const grown = (old: Int32Array, n: number): Int32Array<ArrayBuffer> => {
  const out = new Int32Array(n);
  out.set(old);
  return out;
};
const SHIFT = 2 ** 32;

/** A table of merges, and what applies them in O(n log n): words of a million bytes must not take their square. */
export class Merges {
  // An open hash table from (left, right) to (rank, into). Ranks are stored plus one: zero marks a free slot.
  #left: Int32Array;
  #right: Int32Array;
  #rank: Int32Array;
  #into: Int32Array;
  #count = 0;
  // Scratch: the linked list of symbols, the slot of the pair that begins at each, and the heap.
  #next = new Int32Array(64);
  #previous = new Int32Array(64);
  #pair = new Int32Array(64);
  #heap = new Float64Array(192);

  constructor(expected: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(8, expected * 2)));
    this.#left = new Int32Array(size);
    this.#right = new Int32Array(size);
    this.#rank = new Int32Array(size);
    this.#into = new Int32Array(size);
  }

  /** `left` and `right` become `into`; of several candidates the one of lowest rank (below 2^21) goes first. A pair told twice keeps the first. */
  add(left: number, right: number, rank: number, into: number): void {
    if (this.#count * 2 >= this.#left.length) this.#grow();
    const slot = this.#slot(left, right);
    if (this.#rank[slot] !== 0) return;
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#rank[slot] = rank + 1;
    this.#into[slot] = into;
    this.#count++;
  }
  #grow(): void {
    const old = [this.#left, this.#right, this.#rank, this.#into] as const;
    const size = this.#left.length * 2;
    this.#left = new Int32Array(size);
    this.#right = new Int32Array(size);
    this.#rank = new Int32Array(size);
    this.#into = new Int32Array(size);
    this.#count = 0;
    for (let i = 0; i < old[0].length; i++) if (old[2][i] !== 0) this.add(old[0][i]!, old[1][i]!, old[2][i]! - 1, old[3][i]!);
  }
  // The slot of a pair, or the free one where it would go.
  #slot(left: number, right: number): number {
    const mask = this.#left.length - 1;
    let h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    h ^= h >>> 15;
    let slot = h & mask;
    while (this.#rank[slot] !== 0 && (this.#left[slot] !== left || this.#right[slot] !== right)) slot = (slot + 1) & mask;
    return slot;
  }

  /** Merges the first `n` symbols in place, lowest rank first, the leftmost among equals; gives how many are left. */
  apply(symbols: Int32Array, n: number): number {
    return n < 2 ? n : n <= 24 ? this.#scan(symbols, n) : this.#withHeap(symbols, n);
  }

  // Words are short: looking through all pairs beats keeping a heap.
  #scan(symbols: Int32Array, n: number): number {
    const pair = this.#pair;
    for (let i = 0; i + 1 < n; i++) pair[i] = this.#slot(symbols[i]!, symbols[i + 1]!);
    while (n > 1) {
      let best = 0;
      let at = -1;
      for (let i = 0; i + 1 < n; i++) {
        const rank = this.#rank[pair[i]!]!;
        if (rank !== 0 && (at < 0 || rank < best)) {
          best = rank;
          at = i;
        }
      }
      if (at < 0) break;
      symbols[at] = this.#into[pair[at]!]!;
      n--;
      for (let i = at + 1; i < n; i++) {
        symbols[i] = symbols[i + 1]!;
        pair[i] = pair[i + 1]!;
      }
      if (at > 0) pair[at - 1] = this.#slot(symbols[at - 1]!, symbols[at]!);
      if (at + 1 < n) pair[at] = this.#slot(symbols[at]!, symbols[at + 1]!);
    }
    return n;
  }

  #withHeap(symbols: Int32Array, n: number): number {
    if (n > this.#next.length) {
      const room = 2 ** Math.ceil(Math.log2(n));
      this.#next = new Int32Array(room);
      this.#previous = new Int32Array(room);
      this.#pair = grown(this.#pair, room);
      this.#heap = new Float64Array(3 * room);
    }
    const [next, previous, pair, heap] = [this.#next, this.#previous, this.#pair, this.#heap];
    // An entry is rank * 2^32 + place: ordered as the merges are, and exact below 2^53.
    let size = 0;
    const push = (entry: number): void => {
      let i = size++;
      for (let up = (i - 1) >> 1; i > 0 && heap[up]! > entry; up = (i - 1) >> 1) {
        heap[i] = heap[up]!;
        i = up;
      }
      heap[i] = entry;
    };
    const pop = (): number => {
      const top = heap[0]!;
      const last = heap[--size]!;
      let i = 0;
      for (let down = 1; down < size; down = 2 * i + 1) {
        if (down + 1 < size && heap[down + 1]! < heap[down]!) down++;
        if (heap[down]! >= last) break;
        heap[i] = heap[down]!;
        i = down;
      }
      heap[i] = last;
      return top;
    };
    const renew = (i: number): void => {
      const slot = next[i]! < n ? this.#slot(symbols[i]!, symbols[next[i]!]!) : -1;
      const rank = slot < 0 ? 0 : this.#rank[slot]!;
      pair[i] = rank === 0 ? -1 : slot;
      if (rank !== 0) push(rank * SHIFT + i);
    };
    for (let i = 0; i < n; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    for (let i = 0; i < n; i++) renew(i);
    while (size > 0) {
      const entry = pop();
      const rank = Math.floor(entry / SHIFT);
      const i = entry - rank * SHIFT;
      const slot = pair[i]!;
      // Entries of pairs that are no more stay in the heap until they come up.
      if (slot < 0 || this.#rank[slot] !== rank) continue;
      const gone = next[i]!;
      symbols[i] = this.#into[slot]!;
      next[i] = next[gone]!;
      pair[gone] = -1;
      if (next[i]! < n) previous[next[i]!] = i;
      renew(i);
      if (previous[i]! >= 0) renew(previous[i]!);
    }
    let left = 0;
    for (let i = 0; i < n; i = next[i]!) symbols[left++] = symbols[i]!;
    return left;
  }
}
