// Activations that write into their input, torch.nn.functional's names with a trailing `_`.
import type { Tensor } from "../core/tensor.ts";
import { celu, elu, hardtanh, leakyRelu, selu, threshold } from "./activation.ts";
import { relu } from "./pointwise/index.ts";

type Twin<F extends (input: Tensor, ...args: never[]) => Tensor> = (...args: Parameters<F>) => Tensor;
const twin = <F extends (input: Tensor, ...args: never[]) => Tensor>(
  f: F & { readonly op: { readonly inplace?: (self: Tensor, ...args: unknown[]) => Tensor } },
): Twin<F> => f.op.inplace as Twin<F>;

/** `relu` written into its input. @example nn.functional.relu_(tensor([-1, 2])) // => [0, 2] */
export const relu_: Twin<typeof relu> = /*@__PURE__*/ twin(relu);
/** `leakyRelu` written into its input. @example nn.functional.leakyRelu_(tensor([-1.5, 2]), 0.1) // => [-0.15, 2] */
export const leakyRelu_: Twin<typeof leakyRelu> = /*@__PURE__*/ twin(leakyRelu);
/** `elu` written into its input. @example nn.functional.elu_(tensor([-1, 2.5])) // => [-0.6321, 2.5] */
export const elu_: Twin<typeof elu> = /*@__PURE__*/ twin(elu);
/** `selu` written into its input. @example nn.functional.selu_(tensor([0, 1.5])) // => [0, 1.5761] */
export const selu_: Twin<typeof selu> = /*@__PURE__*/ twin(selu);
/** `celu` written into its input. @example nn.functional.celu_(tensor([-1, 2.5]), 2) // => [-0.7869, 2.5] */
export const celu_: Twin<typeof celu> = /*@__PURE__*/ twin(celu);
/** `hardtanh` written into its input. @example nn.functional.hardtanh_(tensor([-2.5, 0.5])) // => [-1, 0.5] */
export const hardtanh_: Twin<typeof hardtanh> = /*@__PURE__*/ twin(hardtanh);
/** `threshold` written into its input. @example nn.functional.threshold_(tensor([0.5, 2]), 1, 9) // => [9, 2] */
export const threshold_: Twin<typeof threshold> = /*@__PURE__*/ twin(threshold);
