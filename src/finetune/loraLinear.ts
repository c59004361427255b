// A linear layer with adapters beside it: y = W x + Σ s · B A dropout(x). Hu et al. 2021. Fields are named as PEFT's, so that keys are.
import { ArgumentError, UnsupportedError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { ModuleDict } from "../nn/container.ts";
import { kaimingUniform_, normal_, zeros_ } from "../nn/init.ts";
import { Dropout } from "../nn/layers.ts";
import { Identity, Linear } from "../nn/linear.ts";
import { Module, replaceData } from "../nn/module.ts";
import { empty } from "../ops/create.ts";
import { add } from "../ops/pointwise/index.ts";
import { floatWeight, isQuantized, type LinearLike, type LinearSizes, linearSizes } from "./linearLike.ts";
import type { LoraConfig } from "./loraConfig.ts";

type TensorModule = Module & { forward(x: Tensor): Tensor };

/** A base layer and its adapters by name; those in `active` count. */
export class LoraLinear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly fanInFanOut: boolean;
  base_layer: LinearLike;
  lora_dropout: ModuleDict<TensorModule> = new ModuleDict();
  lora_A: ModuleDict<Linear> = new ModuleDict();
  lora_B: ModuleDict<Linear> = new ModuleDict();
  /** The factor of each adapter. */
  readonly scaling: Map<string, number> = new Map();
  active: readonly string[] = [];
  /** false: the base layer alone. */
  enabled = true;
  #merged: { readonly names: readonly string[]; readonly original: Tensor } | null = null;

  constructor(base: LinearLike, sizes: LinearSizes) {
    super();
    this.base_layer = base;
    this.inFeatures = sizes.inFeatures;
    this.outFeatures = sizes.outFeatures;
    this.fanInFanOut = sizes.fanInFanOut;
  }

  /** Makes an adapter. With `draw`, its values are drawn as PEFT draws them, in the same order; else they hold nothing of worth. */
  addAdapter(name: string, path: string, config: LoraConfig, draw: boolean): void {
    const r = config.rank(path);
    const base = floatWeight(this.base_layer);
    const device = (base ?? [...this.base_layer.buffers()][0])?.device ?? null;
    // Adapters of 16-bit layers are float32: small steps would be lost.
    const dtype = base?.dtype === "float64" ? "float64" : "float32";
    const make = (inFeatures: number, outFeatures: number): Linear => {
      const m = new Linear(inFeatures, outFeatures, { bias: false, dtype: "float32", device: draw ? device : "meta" });
      if (!draw) replaceData(m.weight, empty([outFeatures, inFeatures], { dtype, device }));
      return m;
    };
    const [a, b] = [make(this.inFeatures, r), make(r, this.outFeatures)];
    const { initLoraWeights } = config;
    if (draw && initLoraWeights !== false)
      noGrad(() => {
        if (initLoraWeights === "gaussian") normal_(a.weight, 0, 1 / r);
        else kaimingUniform_(a.weight, Math.sqrt(5));
        zeros_(b.weight);
      });
    if (draw) for (const m of [a, b]) m.to(dtype);
    this.lora_dropout.addModule(name, config.loraDropout > 0 ? new Dropout(config.loraDropout) : new Identity());
    this.lora_A.addModule(name, a);
    this.lora_B.addModule(name, b);
    this.scaling.set(name, config.scaling(path));
    this.train(this.training);
  }
  /** Forgets an adapter. */
  deleteAdapter(name: string): void {
    for (const dict of [this.lora_dropout, this.lora_A, this.lora_B]) delete (dict as unknown as Record<string, unknown>)[name];
    this.scaling.delete(name);
    this.active = this.active.filter((n) => n !== name);
  }

  /** [..., in] → [..., out], in the dtype of the base layer's result. */
  forward(x: Tensor): Tensor {
    const base = this.base_layer.forward(x);
    if (!this.enabled || this.#merged) return base;
    let y = base;
    for (const name of this.active) {
      const scaling = this.scaling.get(name);
      if (scaling === undefined) continue;
      const [a, b] = [this.lora_A.get(name), this.lora_B.get(name)];
      const h = this.lora_dropout.get(name).forward(x.to(a.weight.dtype));
      y = add(y, b.forward(a.forward(h)), { alpha: scaling });
    }
    return y.to(base.dtype);
  }

  /** What an adapter adds to the weight, in the weight's own layout. */
  delta(name: string): Tensor {
    const d = this.lora_B.get(name).weight.matmul(this.lora_A.get(name).weight).mul(this.scaling.get(name)!); // [out, in]
    return this.fanInFanOut ? d.t() : d;
  }
  /** Names of the adapters that are in the weight now. */
  get merged(): readonly string[] {
    return this.#merged?.names ?? [];
  }
  /** Adds adapters to the weight. The old one is kept, so that `unmerge` gives exactly that. @throws UnsupportedError for a quantised layer */
  merge(names: readonly string[]): void {
    this.unmerge();
    const own = names.filter((n) => this.scaling.has(n));
    if (own.length === 0) return;
    const weight = floatWeight(this.base_layer);
    if (!weight)
      throw new UnsupportedError({
        op: "mergeAdapter",
        message: `a ${this.base_layer.constructor.name} of ${this.outFeatures} x ${this.inFeatures} is quantised: adding to it would round it again`,
        hint: "mergeAndUnload() makes floating layers; without merging, adapters work as they are",
      });
    const original = weight.detach();
    replaceData(
      weight,
      noGrad(() => this.#sum(original, own)),
    );
    this.#merged = { names: own, original };
  }
  #sum(weight: Tensor, names: readonly string[]): Tensor {
    // Rounded once, however many adapters there are and however narrow the weight is.
    const wide = weight.dtype === "float64" ? weight : weight.to("float32");
    return names
      .reduce((w, n) => w.add(this.delta(n)), wide)
      .to(weight.dtype)
      .contiguous();
  }
  /** Gives the weight back that `merge` found. */
  unmerge(): void {
    if (!this.#merged) return;
    replaceData(floatWeight(this.base_layer)!, this.#merged.original);
    this.#merged = null;
  }
  /** The layer with adapters added for good: the base layer itself, or a floating one in place of a quantised one. */
  mergedLayer(names: readonly string[]): Module {
    const own = names.filter((n) => this.scaling.has(n));
    const base = this.base_layer;
    const weight = floatWeight(base);
    if (weight) {
      this.unmerge();
      if (own.length)
        replaceData(
          weight,
          noGrad(() => this.#sum(weight.detach(), own)),
        );
      return base;
    }
    if (own.length === 0) return base;
    if (!isQuantized(base))
      throw new ArgumentError({
        op: "mergeAndUnload",
        message: `a ${base.constructor.name} gives no weight`,
        hint: "Layers that have neither a weight nor a quantised one cannot be merged",
      });
    const out = new Linear(this.inFeatures, this.outFeatures, { bias: false, device: "meta" });
    replaceData(
      out.weight,
      noGrad(() => this.#sum(base.quantized.dequantize(), own)),
    );
    out.bias = base.bias;
    out.requiresGrad_(false);
    return out.train(base.training);
  }
  override extraRepr(): string {
    return `active=[${this.active.join(", ")}]`;
  }
}

/** Is it a linear layer, with or without adapters? */
export const linearOf = (m: Module): LinearSizes | null => (m instanceof LoraLinear ? m : linearSizes(m));
