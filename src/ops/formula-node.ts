// The graph node of pointwise ops: one kernel for each gradient, or the formula on Tensors.
import { edgeOf, nodeOf } from "../autograd/graph.ts";
import { Node, SavedTensor } from "../autograd/node.ts";
import type { DType } from "../core/dtype.ts";
import { denseLayout, sameShape } from "../core/layout.ts";
import { isGradEnabled } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { type PointwiseSpec, specId } from "../kernel/spec.ts";
import { allocateLike, launch, padded, stretched } from "./launch.ts";
import { scalarTensor } from "./scalar.ts";
import type { GradKernel, Plan } from "./formula.ts";
import { detachedCopy } from "./inplace.ts";

// A copy that stands in the graph where the original stands.
function historyOf(copy: Tensor, t: Tensor): Tensor {
  copy.node = nodeOf(t);
  copy.outputIndex = t.outputIndex;
  return copy;
}

/** @internal The node: what the formulas read is saved, one gradient for each operand that wants one. */
export class PointwiseNode extends Node {
  private readonly plan: Plan;
  private readonly params: readonly number[];
  private readonly shapes: (readonly number[])[];
  // By operand, the output last; null when nothing is saved.
  private saved: (SavedTensor | null)[] | null = null;
  private wantsOutput = false;

  constructor(plan: Plan, tensors: readonly Tensor[], params: readonly number[], out: Tensor, inplace = false) {
    super();
    this.plan = plan;
    this.params = params;
    const edges: ReturnType<typeof edgeOf>[] = [];
    const shapes: (readonly number[])[] = [];
    for (let i = 0; i < tensors.length; i++) {
      const t = tensors[i]!;
      const kernel = plan.grads![i];
      const edge = kernel ? edgeOf(t) : null;
      edges.push(edge);
      shapes.push(t.layout.shape);
      if (!edge) continue;
      const reads = kernel!.reads;
      for (let q = 0; q < reads.length; q++) {
        const r = reads[q]!;
        if (r === 0) continue;
        if (r === tensors.length + 1) this.wantsOutput = true;
        // What is about to be overwritten is kept as a copy, where a formula reads it.
        else
          (this.saved ??= new Array<SavedTensor | null>(tensors.length + 1).fill(null))[r - 1] ??= new SavedTensor(
            inplace && r === 1 ? historyOf(detachedCopy(tensors[0]!), tensors[0]!) : tensors[r - 1]!,
          );
      }
    }
    this.edges = edges;
    this.shapes = shapes;
    if (this.wantsOutput && out.storage !== tensors[0]!.storage) this.saveOutput(out);
  }

  get name(): string {
    return `${this.plan.name}Backward`;
  }

  /** In-place ops save their output only once it is written. */
  saveOutput(out: Tensor): void {
    if (this.wantsOutput)
      (this.saved ??= new Array<SavedTensor | null>(this.shapes.length + 1).fill(null))[this.shapes.length] ??= new SavedTensor(
        out,
        out.viewOf === null || out.node === this,
      );
  }

  #unpack(r: number, g: Tensor): Tensor {
    return r === 0 ? g : this.saved![r - 1]!.unpack(this);
  }

  apply(grads: (Tensor | null)[]): (Tensor | null)[] {
    const g = grads[0];
    if (!g) return [];
    if (isGradEnabled()) return this.#applyOnTensors(g);
    const kernels = this.plan.grads;
    return this.edges.map((edge, i) => {
      if (!edge) return null;
      const kernel = kernels![i]!;
      const like = { shape: this.shapes[i]!, dtype: this.plan.dtypes[i]! };
      const ins = kernel.reads.map((r) => this.#unpack(r, g));
      return gradientOf(this.name, kernel, ins, like, g.layout.shape, this.params, this.plan.spec.lane);
    });
  }

  #applyOnTensors(g: Tensor): (Tensor | null)[] {
    const { def, slots, options } = this.plan;
    let p = -1;
    const operands = slots.map((s) => {
      if (s === null) return undefined;
      if (s < 0) return scalarTensor(this.params[-1 - s]!, g);
      return this.saved?.[s] ? this.saved[s]!.unpack(this) : g; // a tensor that no formula reads
    }) as Tensor[];
    p = slots.filter((s) => s !== null && s < 0).length;
    const o: Record<string, unknown> = {};
    for (const [k, v] of Object.entries(options)) o[k] = typeof v === "number" ? scalarTensor(this.params[p++]!, g) : v;
    const y = this.saved?.[this.shapes.length] ? this.saved[this.shapes.length]!.unpack(this) : g;
    const formulas = def.grad!(g as never, operands as never, y as never, o as never) as (Tensor | null)[];
    return this.edges.map((edge, i) => {
      const f = formulas[slots.indexOf(i)];
      return edge && f ? fitTo(f, this.shapes[i]!, this.plan.dtypes[i]!) : null;
    });
  }

  override release(): void {
    if (this.saved) for (const s of this.saved) s?.release();
  }
}

// `g` of some shape as the gradient of something of `shape`: summed over what was broadcast, with `expr` applied on the way.
function gradientOf(
  op: string,
  kernel: GradKernel,
  ins: readonly Tensor[],
  like: { readonly shape: readonly number[]; readonly dtype: DType },
  shape: readonly number[],
  params: readonly number[],
  lane: PointwiseSpec["lane"],
): Tensor {
  const device = ins.length ? ins[0]!.storage.device : undefined;
  if (device === undefined) return fitTo(scalarTensor(0), like.shape, like.dtype);
  const operands = ins.map((t) => stretched(t, shape, op));
  const fits = sameShape(like.shape, shape);
  // A gradient that is g itself needs no kernel.
  if (fits && kernel.expr.op === "input" && ins[0]!.dtype === like.dtype && sameShape(ins[0]!.layout.shape, shape)) return ins[0]!;
  const out = allocateLike(denseLayout(like.shape), like.dtype, device);
  if (fits) launch(op, kernel.spec, [out], operands, params);
  else {
    kernel.reduce ??= { kind: "reduce", id: specId(), op: "sum", pre: kernel.expr, post: null, lane };
    launch(op, kernel.reduce, [padded(out, shape.length)], operands, params);
  }
  return out;
}

let fit: (g: Tensor, shape: readonly number[], dtype: DType) => Tensor;
/** @internal The differentiable form of summing down and casting, provided by the ops that do it. */
export function provideFit(f: (g: Tensor, shape: readonly number[], dtype: DType) => Tensor): void {
  fit = f;
}
const fitTo = (g: Tensor, shape: readonly number[], dtype: DType): Tensor => fit(g, shape, dtype);
