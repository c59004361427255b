// Stochastic gradient descent with momentum. Polyak 1964; Nesterov 1983 in Sutskever's form.
import { ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { fused } from "../kernel/fused.ts";
import { launch, offers } from "../ops/launch.ts";
import { Optimizer, type Params, type ParameterState, type ParamGroup } from "./optimizer.ts";

/** Options of SGD. */
export interface SgdOptions {
  /** Learning rate (default 1e-3). */
  lr?: number;
  /** Share of the last step's buffer that is kept (default 0). */
  momentum?: number;
  /** Share of the gradient that the buffer leaves out (default 0). */
  dampening?: number;
  /** Times the parameter, added to the gradient (default 0). */
  weightDecay?: number;
  /** Nesterov's form of momentum? Default false. */
  nesterov?: boolean;
  /** Climb instead of descend? Default false. */
  maximize?: boolean;
  /** Accepted as in PyTorch; there is nothing to choose here. */
  foreach?: boolean | null;
  /** Accepted as in PyTorch; the fused kernel runs wherever it can. */
  fused?: boolean | null;
  /** Accepted as in PyTorch; there is nothing to choose here. */
  differentiable?: boolean;
}

/**
 * `p -= lr · (g + momentum · buffer)`. Polyak 1964; Nesterov's form as in Sutskever et al. 2013.
 * @throws ValueError for `nesterov` without momentum
 * @example
 * const p = tensor([1.5], { requiresGrad: true });
 * const optimizer = new optim.SGD([p], { lr: 0.1, momentum: 0.9 });
 * p.square().sum().backward();
 * optimizer.step();
 * optimizer.step();
 * p // => [0.63]
 */
export class SGD extends Optimizer<SgdOptions> {
  constructor(params: Params<SgdOptions>, options: SgdOptions = {}) {
    const defaults: Required<SgdOptions> = {
      lr: 1e-3,
      momentum: 0,
      dampening: 0,
      weightDecay: 0,
      nesterov: false,
      maximize: false,
      foreach: null,
      fused: null,
      differentiable: false,
    };
    super(params, defaults, options);
  }
  protected override check(g: ParamGroup<SgdOptions>): void {
    super.check(g);
    if (g.nesterov && (g.momentum <= 0 || g.dampening !== 0))
      throw new ValueError({
        op: "SGD",
        message: `nesterov with momentum ${g.momentum} and dampening ${g.dampening}`,
        hint: "It needs momentum > 0 and dampening 0",
      });
  }
  protected update(p: Tensor, grad: Tensor, o: ParamGroup<SgdOptions>, s: ParameterState): void {
    const first = o.momentum !== 0 && !s["momentum_buffer"];
    if (first) s["momentum_buffer"] = p.detach().newEmpty(p.shape);
    const buffer = s["momentum_buffer"] as Tensor | undefined;
    if (offers(p, fused("sgd")) && p.layout.contiguous && [grad, buffer ?? grad].every((t) => t.dtype === p.dtype)) {
      launch(
        "SGD",
        fused("sgd"),
        o.momentum !== 0 ? [p, buffer!] : [p],
        [grad.contiguous()],
        [o.lr, o.momentum, o.dampening, o.weightDecay, o.nesterov ? 1 : 0, o.maximize ? 1 : 0, first ? 1 : 0],
      );
      p.storage.version.value++;
      return;
    }
    let g = o.maximize ? grad.neg() : grad;
    if (o.weightDecay !== 0) g = g.add(p, { alpha: o.weightDecay });
    if (o.momentum !== 0) {
      if (first) buffer!.copy_(g);
      else buffer!.mul_(o.momentum).add_(g, { alpha: 1 - o.dampening });
      g = o.nesterov ? g.add(buffer!, { alpha: o.momentum }) : buffer!;
    }
    p.add_(g, { alpha: -o.lr });
  }
}
