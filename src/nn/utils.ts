// torch.nn.utils.
import { bindArgs, checkOptions, checkTensor, located, need } from "../core/arguments.ts";
import { FirebrandError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { cat, stack } from "../ops/join.ts";
import { zeros } from "../ops/create.ts";

const list = (op: string, p: Iterable<Tensor> | Tensor): Tensor[] => {
  if (!isTensor(p)) need(op, "parameters: iterable", p);
  const all = isTensor(p) ? [p] : [...p];
  all.forEach((t, i) => checkTensor(op, `parameter ${i}`, t));
  return all;
};

/** Options of `clipGradNorm_`. */
export interface ClipNormOptions {
  /** Which norm: a number, Infinity too (default 2). */
  normType?: number;
  /** Throw when the norm is infinite or NaN? Default false. */
  errorIfNonfinite?: boolean;
  /** Accepted as in PyTorch; there is nothing to choose here. */
  foreach?: boolean | null;
}
/**
 * Scales all gradients together so that their common norm (`normType`, default 2) is at most `maxNorm`; returns the norm before.
 * @throws FirebrandError when the norm is not finite and `errorIfNonfinite` is set
 * @example
 * const p = ones(2, { requiresGrad: true });
 * p.mul(tensor([3, 4.5])).sum().backward();
 * nn.utils.clipGradNorm_([p], 1) // => 5.4083
 * p.grad // => [0.5547, 0.8321]
 */
export function clipGradNorm_(
  parameters: Iterable<Tensor> | Tensor,
  maxNorm: number,
  ...args: [normType?: number | ClipNormOptions, errorIfNonfinite?: boolean | ClipNormOptions, options?: ClipNormOptions]
): Tensor {
  const [p = 2, strict = false] = bindArgs("clipGradNorm_", ["normType?", "errorIfNonfinite?: flag", "foreach?: flag"], args) as [
    number?,
    boolean?,
  ];
  need("clipGradNorm_", "maxNorm", maxNorm);
  const grads = list("clipGradNorm_", parameters)
    .map((p) => p.grad)
    .filter((g): g is Tensor => g !== null);
  return noGrad(() => {
    if (grads.length === 0) return zeros([]);
    const total = stack(grads.map((g) => g.detach().norm(p))).norm(p);
    if (strict && !total.isfinite().itemSync<boolean>())
      throw new FirebrandError({
        op: "clipGradNorm_",
        message: "the norm of the gradients is not finite",
        hint: "Look for NaN with detectAnomaly",
      });
    const scale = total.add(1e-6).reciprocal().mul(maxNorm).clamp(null, 1);
    for (const g of grads) g.detach().mul_(scale);
    return total;
  });
}
/**
 * Limits every element of the gradients to ±clipValue.
 * @throws ValueError for a negative clipValue
 * @example
 * const p = ones(2, { requiresGrad: true });
 * p.mul(tensor([3, 0.5])).sum().backward();
 * nn.utils.clipGradValue_([p], 1);
 * p.grad // => [1, 0.5]
 */
export function clipGradValue_(parameters: Iterable<Tensor> | Tensor, clipValue: number, options: { foreach?: boolean | null } = {}): void {
  checkOptions("clipGradValue_", ["foreach?: flag"], options);
  need("clipGradValue_", "clipValue: number", clipValue);
  const all = list("clipGradValue_", parameters);
  if (!(clipValue >= 0)) throw new ValueError({ op: "clipGradValue_", message: `clipValue is ${clipValue}`, hint: "It must be >= 0" });
  noGrad(() => {
    for (const p of all) p.grad?.detach().clamp_(-clipValue, clipValue);
  });
}
/** All parameters in one vector. @example nn.utils.parametersToVector([ones(2), zeros(1, 1)]) // => [1, 1, 0] */
export const parametersToVector: (parameters: Iterable<Tensor>) => Tensor = /*@__PURE__*/ located(
  "parametersToVector",
  "parameters",
  (parameters: Iterable<Tensor>) => cat(list("parametersToVector", parameters).map((p) => p.reshape([-1]))),
);
/**
 * Writes a vector back into parameters, in order and in place.
 * @example
 * const p = zeros(2);
 * nn.utils.vectorToParameters(tensor([1.5, 2.5]), [p]);
 * p // => [1.5, 2.5]
 */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Tensor>): void {
  checkTensor("vectorToParameters", "vector", vector);
  const all = list("vectorToParameters", parameters);
  const size = all.reduce((n, p) => n + p.layout.numel, 0);
  if (vector.ndim !== 1 || vector.shape[0] !== size)
    throw new ShapeError({
      op: "vectorToParameters",
      message: `the vector has shape ${showShape(vector.shape)}, the parameters ${size} elements`,
      hint: "Pass what parametersToVector gave",
    });
  let at = 0;
  noGrad(() => {
    for (const p of all) {
      p.detach().copy_(vector.narrow(0, at, p.layout.numel).reshape(p.shape));
      at += p.layout.numel;
    }
  });
}
