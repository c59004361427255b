// Activations by the names that configurations use.
import { given } from "../../core/arguments.ts";
import { ValueError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { gelu, relu6, silu } from "../../ops/activation.ts";

type Activation = (x: Tensor) => Tensor;
const tanhGelu: Activation = (x) => gelu(x, { approximate: "tanh" });
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: (x) => gelu(x),
  gelu_python: (x) => gelu(x),
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  quick_gelu: (x) => x.mul(x.mul(1.702).sigmoid()),
  relu: (x) => x.relu(),
  relu6: (x) => relu6(x),
  silu: (x) => silu(x),
  swish: (x) => silu(x),
  tanh: (x) => x.tanh(),
  sigmoid: (x) => x.sigmoid(),
};

/** The activation that a configuration names. @throws ValueError for a name that is not known */
export function activation(name: string): Activation {
  if (!Object.hasOwn(ACTIVATIONS, name))
    throw new ValueError({
      op: "activation",
      message: `no activation ${given(name)}`,
      hint: `Known: ${Object.keys(ACTIVATIONS).join(", ")}`,
    });
  return ACTIVATIONS[name]!;
}
