// Gradients against finite differences, torch.autograd.gradcheck and gradgradcheck.
import { grad } from "../autograd/backward.ts";
import { isDifferentiable } from "../core/dtype.ts";
import { checkOptions, need } from "../core/arguments.ts";
import { AutogradError, showShape } from "../core/errors.ts";
import { enableGrad as enable, noGrad } from "../core/mode.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { dataSync } from "../ops/host.ts";
import { tensor } from "../ops/create.ts";

/** Options of gradcheck. */
export interface GradcheckOptions {
  /** Step of the differences (default 1e-6). */
  eps?: number;
  /** Absolute tolerance (default 1e-5). */
  atol?: number;
  /** Relative tolerance (default 1e-3). */
  rtol?: number;
  /** Throw at a difference? Default true. */
  raise?: boolean;
}
const OPTIONS = ["eps?", "atol?", "rtol?", "raise?: flag"];
function checkInputs(op: string, f: unknown, inputs: readonly unknown[]): void {
  need(op, "f: function", f);
  need(op, "inputs: tensors", inputs);
}
type Fn = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

const outputs = (f: Fn, inputs: readonly Tensor[]): Tensor[] =>
  [f(...inputs)].flat().filter((t): t is Tensor => isTensor(t) && isDifferentiable((t as Tensor).dtype)) as Tensor[];

/**
 * Compares the gradients of `f` at float64 `inputs` with central differences. Inputs that do not require grad are fixed.
 * @throws AutogradError at the first difference (unless `raise` is false), else returns whether all agree.
 * @example gradcheck((x) => x.mul(x), [tensor([1.5, -2], { dtype: "float64", requiresGrad: true })]) // => true
 */
export function gradcheck(f: Fn, inputs: readonly Tensor[], options: GradcheckOptions = {}): boolean {
  checkInputs("gradcheck", f, inputs);
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, raise = true } = checkOptions("gradcheck", OPTIONS, options);
  const outs = outputs(f, inputs);
  const wanted = inputs.filter((t) => t.requiresGrad);
  for (const [k, out] of outs.entries()) {
    if (!out.requiresGrad) continue;
    for (let j = 0; j < out.layout.numel; j++) {
      const seed = new Float64Array(out.layout.numel);
      seed[j] = 1;
      const analytic = grad(out, wanted, {
        gradOutputs: tensor(seed, { device: out.device }).reshape(out.shape).to(out.dtype),
        retainGraph: true,
        allowUnused: true,
      });
      for (const [i, x] of wanted.entries()) {
        const g = analytic[i] ? dataSync(analytic[i]!) : new Float64Array(x.layout.numel);
        const values = Float64Array.from(dataSync(x.detach()) as Float64Array);
        const at = (v: Float64Array): number =>
          noGrad(() => {
            const moved = inputs.map((t) => (t === x ? tensor(v, { device: x.device }).reshape(x.shape) : t.detach()));
            return Number(dataSync(outputs(f, moved)[k]!)[j]);
          });
        for (let e = 0; e < values.length; e++) {
          const [up, down] = [values.slice(), values.slice()];
          up[e]! += eps;
          down[e]! -= eps;
          const numeric = (at(up) - at(down)) / (2 * eps);
          if (!(Math.abs(numeric - Number(g[e])) <= atol + rtol * Math.abs(numeric))) {
            if (!raise) return false;
            throw new AutogradError({
              op: "gradcheck",
              message: `d output ${k}[${j}] / d input ${i}[${e}] (shape ${showShape(x.shape)}): ${g[e]} by backward, ${numeric} by differences`,
              hint: "Check backward, and that f is smooth at the inputs",
            });
          }
        }
      }
    }
  }
  return true;
}

/**
 * `gradcheck` of the gradient itself: second derivatives.
 * @example gradgradcheck((x) => x.pow(3), [tensor([0.5, 1.5], { dtype: "float64", requiresGrad: true })]) // => true
 */
export function gradgradcheck(f: Fn, inputs: readonly Tensor[], options: GradcheckOptions = {}): boolean {
  checkInputs("gradgradcheck", f, inputs);
  checkOptions("gradgradcheck", OPTIONS, options);
  const fixed = outputs(f, inputs).map((o, k) =>
    tensor(
      Float64Array.from({ length: o.layout.numel }, (_, i) => Math.sin(3 * i + k + 1)),
      { device: o.device },
    )
      .reshape(o.shape)
      .to(o.dtype),
  );
  const wanted = inputs.map((t) => t.requiresGrad);
  return gradcheck(
    (...xs: Tensor[]) => {
      const live = xs.map((x, i) => (wanted[i] && !x.requiresGrad ? x.detach().requiresGrad_() : x));
      return enable(() => {
        const pairs = outputs(f, live)
          .map((o, k) => [o, fixed[k]!] as const)
          .filter(([o]) => o.requiresGrad);
        return grad(
          pairs.map(([o]) => o),
          live.filter((_, i) => wanted[i]),
          { gradOutputs: pairs.map(([, g]) => g), createGraph: true, allowUnused: true },
        ).map((g, i) => g ?? live.filter((_, q) => wanted[q])[i]!.mul(0));
      });
    },
    inputs,
    options,
  );
}
