// Gradients in flight. The engine knows who reads them, so their memory goes back after the last reader, as with reference
// counts, and the collector has nothing to do: what a node made on the way goes at once, its results when they were read.
import type { Tensor } from "../core/tensor.ts";

/** Smaller tensors are not worth the count: the collector frees them. */
const SMALL = 4096;

/** Who reads what in one backward pass that records no graph. */
export class Custody {
  /** The register (see core/lifetime.ts) of a node at work. */
  readonly made: Tensor[] = [];
  #readers: Map<Tensor, number> | null = null;

  /** `g`, made in this pass, goes to one more reader. */
  deliver(g: Tensor): void {
    if (g.storage.nbytes <= SMALL) return;
    const n = this.#readers?.get(g) ?? (this.made.includes(g) ? 0 : null);
    if (n !== null) (this.#readers ??= new Map()).set(g, n + 1);
  }
  /** One reader of `g` is done. */
  read(g: Tensor): void {
    const n = this.#readers?.get(g);
    if (n === undefined) return;
    if (n > 1) this.#readers!.set(g, n - 1);
    else {
      this.#readers!.delete(g);
      g.storage.leave();
    }
  }
  /** `g` is seen from outside: it is the collector's. */
  expose(g: Tensor): void {
    this.#readers?.delete(g);
  }
  /** A node is done: frees what it made, but for what was delivered and `kept`. */
  sweep(kept: Tensor | null = null): void {
    const made = this.made;
    for (let i = 0; i < made.length; i++) {
      const t = made[i]!;
      if (t.storage.nbytes > SMALL && t !== kept && this.#readers?.has(t) !== true) t.storage.leave();
    }
    made.length = 0;
  }
}
