// Adam (Kingma & Ba 2015), AMSGrad (Reddi et al. 2018) and AdamW, which decouples weight decay (Loshchilov & Hutter 2019).
import { isOptions } from "../core/arguments.ts";
import type { Tensor } from "../core/tensor.ts";
import { fused } from "../kernel/fused.ts";
import { launch, offers } from "../ops/launch.ts";
import { Optimizer, type Params, type ParameterState, type ParamGroup } from "./optimizer.ts";

/** Options of Adam and AdamW. */
export interface AdamOptions {
  /** Learning rate (default 1e-3). */
  lr?: number;
  /** Decay of the mean and of the mean square of gradients (default 0.9, 0.999). */
  betas?: readonly [number, number];
  /** Added to the root of the mean square (default 1e-8). */
  eps?: number;
  /** Pull towards zero: Adam 0, AdamW 0.01 by default. */
  weightDecay?: number;
  /** Use the greatest mean square so far? Default false. */
  amsgrad?: boolean;
  /** Climb instead of descend? Default false. */
  maximize?: boolean;
  /** Accepted as in PyTorch; there is nothing to choose here. */
  foreach?: boolean | null;
  /** Accepted as in PyTorch; there is nothing to choose here. */
  capturable?: boolean;
  /** Accepted as in PyTorch; there is nothing to choose here. */
  differentiable?: boolean;
  /** Accepted as in PyTorch; the fused kernel runs wherever it can. */
  fused?: boolean | null;
  /** Weight decay as in AdamW? Default false. */
  decoupledWeightDecay?: boolean;
}

/**
 * Adaptive moments: `p -= lr · m̂ / (√v̂ + eps)`; weight decay adds to the gradient. Kingma & Ba 2015, AMSGrad Reddi et al. 2018.
 * @example
 * const p = tensor([1.5], { requiresGrad: true });
 * const optimizer = new optim.Adam([p], { lr: 0.1 });
 * p.square().sum().backward();
 * optimizer.step();
 * p // => [1.4]
 */
export class Adam extends Optimizer<AdamOptions> {
  constructor(params: Params<AdamOptions>, options: AdamOptions = {}) {
    const defaults: Required<AdamOptions> = {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: false,
      maximize: false,
      foreach: null,
      capturable: false,
      differentiable: false,
      fused: null,
      decoupledWeightDecay: false,
    };
    super(params, defaults, options);
  }
  protected update(p: Tensor, grad: Tensor, o: ParamGroup<AdamOptions>, s: ParameterState): void {
    const zeros = (): Tensor => p.detach().newZeros(p.shape);
    if (s["step"] === undefined)
      Object.assign(s, { step: 0, exp_avg: zeros(), exp_avg_sq: zeros(), ...(o.amsgrad && { max_exp_avg_sq: zeros() }) });
    const step = (s["step"] = (s["step"] as number) + 1);
    const [m, v, top] = [s["exp_avg"] as Tensor, s["exp_avg_sq"] as Tensor, s["max_exp_avg_sq"] as Tensor | undefined];
    const [b1, b2] = o.betas;
    if (offers(p, fused("adam")) && p.layout.contiguous && [grad, m, v].every((t) => t.dtype === p.dtype)) {
      launch(
        "Adam",
        fused("adam"),
        top ? [p, m, v, top] : [p, m, v],
        [grad.contiguous()],
        [o.lr, b1, b2, o.eps, o.weightDecay, step, o.maximize ? 1 : 0, o.decoupledWeightDecay ? 1 : 0, o.amsgrad ? 1 : 0],
      );
      p.storage.version.value++;
      return;
    }
    let g = o.maximize ? grad.neg() : grad;
    if (o.weightDecay !== 0) {
      if (o.decoupledWeightDecay) p.mul_(1 - o.lr * o.weightDecay);
      else g = g.add(p, { alpha: o.weightDecay });
    }
    m.lerp_(g, 1 - b1);
    v.mul_(b2).addcmul_(g, g.conj(), { value: 1 - b2 });
    if (top) top.copy_(top.maximum(v));
    const denominator = (top ?? v)
      .sqrt()
      .div_(Math.sqrt(1 - b2 ** step))
      .add_(o.eps);
    p.addcdiv_(m, denominator, { value: -o.lr / (1 - b1 ** step) });
  }
}
/**
 * Adam with decoupled weight decay (default 0.01): parameters shrink by `lr · weightDecay` first. Loshchilov & Hutter 2019.
 * @example
 * const p = tensor([1.5], { requiresGrad: true });
 * const optimizer = new optim.AdamW([p], { lr: 0.1 });
 * p.square().sum().backward();
 * optimizer.step();
 * p // => [1.3985]
 */
export class AdamW extends Adam {
  constructor(params: Params<AdamOptions>, options: AdamOptions = {}) {
    super(params, isOptions(options) ? { weightDecay: 1e-2, ...options, decoupledWeightDecay: true } : options);
  }
}
