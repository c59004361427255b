// Backward: an iterative walk over the graph. A node runs when all gradients that can reach it have arrived; among ready
// nodes the newest runs first, as in PyTorch, so that sums are made in the same order.
import { AutogradError, showShape } from "../core/errors.ts";
import { isAnomalyEnabled, swapGrad } from "../core/mode.ts";
import { register, swapRegister } from "../core/lifetime.ts";
import { storageCount } from "../core/storage.ts";
import type { Tensor } from "../core/tensor.ts";
import { arithmetic } from "./arithmetic.ts";
import { Custody } from "./custody.ts";
import { AccumulateGrad } from "./graph.ts";
import type { Edge, Node } from "./node.ts";

/** How a backward pass is run. */
export interface RunOptions {
  /** Keep saved tensors for another pass. */
  readonly retainGraph: boolean;
  /** Record the pass itself, for higher derivatives. */
  readonly createGraph: boolean;
  /** Where given, gradients are caught at these edges and nothing is accumulated. */
  readonly inputs: readonly (Edge | null)[] | null;
}

/** What has arrived at a node so far. */
interface Pending {
  waiting: number;
  grads: (Tensor | null)[];
  /** Sums made here, which may be added to in place. */
  owned: boolean[] | null;
  /** Must it run? (With `inputs`: only nodes on a path to one of them.) */
  wanted: boolean;
}

/** Runs the graph from `roots` with their gradients; returns the gradients caught at `inputs`. */
export function runBackward(roots: readonly Edge[], seeds: readonly Tensor[], options: RunOptions): (Tensor | null)[] {
  const { createGraph, retainGraph, inputs } = options;
  const pending = countDependencies(roots);
  if (inputs) markWanted(pending, inputs);
  const caught: (Tensor | null)[] = inputs ? inputs.map(() => null) : [];
  const newest = storageCount();
  const adopted = new Set<unknown>();
  const ready = new Heap();
  const custody = createGraph ? null : new Custody();
  const outer = register;
  const device = seeds[0]?.storage.device;
  const oldMode = swapGrad(createGraph);
  try {
    roots.forEach((edge, i) => deliver(pending.get(edge.node)!, edge.index, seeds[i]!, createGraph, custody));
    for (const edge of roots) {
      const p = pending.get(edge.node)!;
      if (p.waiting === 0) {
        p.waiting = -1; // queued; a node may be named by two roots
        ready.push(edge.node);
      }
    }
    for (let node = ready.pop(); node; node = ready.pop()) {
      const p = pending.get(node)!;
      pending.delete(node);
      const grads = p.grads;
      p.grads = []; // records that have grown old must not keep young gradients
      if (node.hooks) runHooks(node, grads, custody);
      if (inputs) {
        inputs.forEach((e, i) => {
          if (e?.node === node) caught[i] = show(grads[e.index] ?? null, custody);
        });
      }
      if (node.retained)
        for (const r of node.retained) {
          r.tensor.grad = show(grads[r.index] ?? null, custody);
          if (r.tensor.grad) outer?.adopt?.(r.tensor.grad, r.tensor);
        }
      if (node instanceof AccumulateGrad) {
        const g = grads[0];
        if (inputs || !g) continue;
        if (custody) swapRegister(custody.made);
        node.accumulate(g, isFresh(g, newest, adopted));
        swapRegister(outer);
        const sum = node.leaf.grad!;
        custody?.sweep(sum);
        custody?.expose(sum);
        custody?.read(g);
        outer?.adopt?.(sum, node.leaf);
        if (node.postHooks) for (const fn of node.postHooks) fn(node.leaf);
        continue;
      }
      const edges = node.edges;
      const any = p.wanted && grads.some((g) => g);
      const mine = node.foreign ? null : custody;
      if (mine) swapRegister(mine.made);
      const out = any ? node.apply(grads) : [];
      if (any && isAnomalyEnabled()) checkAnomaly(node, out);
      if (any && !retainGraph) node.release();
      if (custody) swapRegister(custody.made);
      for (let i = 0; i < edges.length; i++) {
        const edge = edges[i];
        if (!edge) continue;
        const next = pending.get(edge.node)!;
        const g = out[i];
        if (g) deliver(next, edge.index, g, createGraph, custody);
        if (--next.waiting === 0) ready.push(edge.node);
      }
      swapRegister(outer);
      if (custody) {
        custody.sweep();
        for (const g of grads)
          if (g)
            if (node.foreign) custody.expose(g);
            else custody.read(g);
      }
    }
  } finally {
    swapRegister(outer);
    swapGrad(oldMode);
  }
  if (outer) for (const g of caught) if (g) outer.push(g);
  device?.settle?.();
  return caught;
}

// A gradient that the caller sees is no longer the engine's to free.
function show(g: Tensor | null, custody: Custody | null): Tensor | null {
  if (g) custody?.expose(g);
  return g;
}

function countDependencies(roots: readonly Edge[]): Map<Node, Pending> {
  const pending = new Map<Node, Pending>();
  const stack: Node[] = [];
  for (const { node } of roots) {
    if (pending.has(node)) continue;
    pending.set(node, { waiting: 0, grads: [], owned: null, wanted: true });
    stack.push(node);
  }
  for (let node = stack.pop(); node; node = stack.pop()) {
    for (const edge of node.edges) {
      if (!edge) continue;
      const p = pending.get(edge.node);
      if (p) p.waiting++;
      else {
        pending.set(edge.node, { waiting: 1, grads: [], owned: null, wanted: true });
        stack.push(edge.node);
      }
    }
  }
  return pending;
}

// A node is wanted when an input edge lies below it. Nodes point only at older ones (sinks apart), so one pass from old
// to new over the sequence numbers settles everything without recursion. In-place history can point at newer nodes:
// hence the loop until nothing changes, which almost always is one extra look.
function markWanted(pending: Map<Node, Pending>, inputs: readonly (Edge | null)[]): void {
  const targets = new Set(inputs.map((e) => e?.node));
  const nodes = [...pending.keys()].sort((a, b) => a.sequence - b.sequence);
  const reaches = new Set<Node>();
  for (const n of nodes) if (targets.has(n)) reaches.add(n);
  for (let changed = true; changed; ) {
    changed = false;
    for (const n of nodes) {
      if (!reaches.has(n) && n.edges.some((e) => e && reaches.has(e.node))) {
        reaches.add(n);
        changed = true;
      }
    }
  }
  // A target itself need not run unless another target lies below it.
  for (const [n, p] of pending) p.wanted = n.edges.some((e) => e && reaches.has(e.node));
}

function deliver(p: Pending, index: number, g: Tensor, createGraph: boolean, custody: Custody | null): void {
  const old = p.grads[index];
  if (!old) {
    while (p.grads.length < index) p.grads.push(null);
    p.grads[index] = g;
    custody?.deliver(g);
  } else if (!createGraph && p.owned?.[index]) arithmetic().accumulate_(old, g);
  else {
    const sum = (p.grads[index] = arithmetic().add(old, g));
    (p.owned ??= [])[index] = true;
    custody?.deliver(sum);
    custody?.read(old);
  }
}

// May a leaf keep this tensor as its gradient without a copy? Its memory must have been made during this pass, be used in
// full and in order, and not have been given to another leaf.
function isFresh(g: Tensor, newest: number, adopted: Set<unknown>): boolean {
  const s = g.storage;
  if (s.id <= newest || !g.layout.contiguous || g.layout.offset !== 0) return false;
  if (adopted.has(s.block)) return false;
  adopted.add(s.block);
  return true;
}

function runHooks(node: Node, grads: (Tensor | null)[], custody: Custody | null): void {
  for (const { index, fn } of node.hooks!) {
    const g = show(grads[index] ?? null, custody);
    if (!g) continue;
    const replaced = fn(g);
    if (replaced) grads[index] = replaced;
  }
}

function checkAnomaly(node: Node, out: readonly (Tensor | null | undefined)[]): void {
  out.forEach((g, i) => {
    if (g && arithmetic().hasNaN(g)) {
      throw new AutogradError({
        op: "backward",
        message:
          `${node.name} returned NaN for its input ${i} of shape ${showShape(g.shape)}` +
          (node.stack ? `\n${node.name} was called here:\n${node.stack}\n` : ""),
        hint: "Look at the values that this operation was given",
      });
    }
  });
}

/** A binary heap, newest node on top. */
class Heap {
  readonly #items: Node[] = [];
  push(node: Node): void {
    const a = this.#items;
    let i = a.length;
    a.push(node);
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (a[up]!.sequence >= node.sequence) break;
      a[i] = a[up]!;
      i = up;
    }
    a[i] = node;
  }
  pop(): Node | undefined {
    const a = this.#items;
    const top = a[0];
    const last = a.pop();
    if (a.length === 0 || last === undefined) return top;
    let i = 0;
    for (;;) {
      let c = 2 * i + 1;
      if (c >= a.length) break;
      if (c + 1 < a.length && a[c + 1]!.sequence > a[c]!.sequence) c++;
      if (a[c]!.sequence <= last.sequence) break;
      a[i] = a[c]!;
      i = c;
    }
    a[i] = last;
    return top;
  }
}
