// Puts the ops on Tensor: every op whose first argument is a tensor becomes a method, every pointwise one also `name_`.
import "./engine.ts";
import { backward, type BackwardOptions } from "../autograd/backward.ts";
import { checkInplace, edgeOf, nodeOf } from "../autograd/graph.ts";
import type { GradHook } from "../autograd/node.ts";
import { type DType, isComplex, isDifferentiable, isFloating, itemSize } from "../core/dtype.ts";
import { checkTensor, given, isOptions, located, need } from "../core/arguments.ts";
import { AutogradError, DTypeError, IndexError, showShape } from "../core/errors.ts";
import { normDim } from "../core/layout.ts";
import { isGradEnabled } from "../core/mode.ts";
import { register } from "../core/lifetime.ts";
import { isTensor, Tensor } from "../core/tensor.ts";
import * as copies from "./copy.ts";
import * as creation from "./create.ts";
import type { Op } from "./define.ts";
import * as host from "./host.ts";
import * as algebra from "./linalg/top.ts";
import * as indexing from "./indexing/index.ts";
import * as joins from "./join.ts";
import * as products from "./matmul.ts";
import { overwrite } from "./indexing/overwrite.ts";
import { checkWritable } from "./inplace.ts";
import * as elementwise from "./pointwise/index.ts";
import { whereFormula } from "./pointwise/where.ts";
import * as activations from "./activation.ts";
import * as random from "./random.ts";
import * as reductions from "./reduce/index.ts";
import * as shapes from "./shape/index.ts";
import * as softmaxes from "./softmax.ts";
import * as extra from "./extra.ts";
import * as spectra from "./stft.ts";
import { ALIASES, COMPUTED_ASIDE, VIEWS_IN_PLACE } from "./method-tables.ts";
import type { BackwardMethodOptions, DerivedMethods, Methods, OwnMethods } from "./method-types.ts";

declare module "../core/tensor.ts" {
  interface Tensor extends Methods, DerivedMethods, OwnMethods {}
}

const proto = Tensor.prototype as unknown as Record<string, unknown>;
const method = (name: string, run: (x: Tensor, ...args: never[]) => unknown): void => {
  const call = function (this: Tensor, ...args: never[]): unknown {
    return run(this, ...args);
  };
  Object.defineProperty(call, "name", { value: name });
  Object.defineProperty(proto, name, {
    value: call,
    writable: true,
    configurable: true,
  });
};
// Methods that are no ops: their errors are named here.
const own = (name: string, f: (x: Tensor, ...args: never[]) => unknown): void =>
  method(name, located(name, name.endsWith("_") ? `what ${name.slice(0, -1)} takes` : "nothing", f as never));
const getter = (name: string, f: (x: Tensor) => unknown): void => {
  Object.defineProperty(proto, name, {
    get(this: Tensor) {
      return f(this);
    },
    configurable: true,
  });
};

// ---- ops from the tables
for (const module of [
  elementwise,
  activations,
  shapes,
  copies,
  reductions,
  products,
  indexing,
  joins,
  softmaxes,
  extra,
  spectra,
  algebra,
]) {
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== "function" || !("op" in value)) continue;
    const f = value as unknown as Op<never[]>;
    if (!f.method || f.op.torch.startsWith("nn.functional.")) continue;
    method(name, f as never);
    if (f.op.inplace) method(`${name}_`, f.op.inplace as never);
  }
}
for (const name of ["to", "copy_", "fill_", "zero_"] as const) method(name, copies[name] as never);
for (const name of ["uniform_", "normal_", "exponential_", "bernoulli_", "random_", "bernoulli", "multinomial"] as const)
  method(name, random[name] as never);
for (const name of ["index", "setIndex", "indexPut", "indexPut_"] as const) method(name, indexing[name] as never);
method("where", whereFormula as never);
for (const name of ["relu", "sigmoid"] as const) method(name, elementwise[name] as never);

// In-place forms of ops that are no formulas: computed aside, then taken over with their history.
const inplaceOf = (name: string, f: (x: Tensor, ...args: never[]) => Tensor): void => {
  own(`${name}_`, (x, ...args) => {
    checkInplace(`${name}_`, x);
    // A gradient may want the values as they were before.
    const result = f(x.requiresGrad && isGradEnabled() ? x.clone() : x.alias(), ...args);
    checkWritable(`${name}_`, x, result.shape);
    return overwrite(x, result);
  });
};
const table = proto as unknown as Record<string, (this: Tensor, ...args: unknown[]) => Tensor>;
for (const name of COMPUTED_ASIDE) inplaceOf(name, (x, ...args) => table[name]!.call(x, ...(args as unknown[])));
// In-place views re-point the tensor itself.
for (const name of VIEWS_IN_PLACE)
  own(`${name}_`, (x, ...args) => {
    const v = table[name]!.call(x, ...(args as unknown[]));
    Object.assign(x, { layout: v.layout, node: v.node, outputIndex: v.outputIndex });
    register?.touch?.(x);
    return x;
  });

// PyTorch's second names.
for (const [name, of] of Object.entries(ALIASES)) {
  for (const end of ["", "_"]) Object.defineProperty(proto, name + end, { value: proto[of + end], writable: true, configurable: true });
}

// ---- host
own("item", host.item as never);
own("itemSync", host.itemSync as never);
own("tolist", host.toArray as never);
own("toArraySync", host.toArraySync as never);
own("toArray", host.toArray as never);
own("data", host.data as never);
own("dataSync", host.dataSync as never);
own("numpy", host.data as never);
own("toString", (x) => host.toText(x));
Object.defineProperty(proto, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Tensor) {
    return host.toText(this);
  },
});

// ---- autograd
own("backward", ((x: Tensor, gradient?: Tensor | null | BackwardMethodOptions, options?: BackwardOptions) => {
  if (gradient === undefined && options === undefined) return backward(x); // the usual call, which small graphs feel
  const named: BackwardMethodOptions = (isTensor(gradient) ? options : (options ?? gradient)) ?? {};
  const { gradient: seed, ...rest } = named;
  backward(x, isTensor(gradient) ? gradient : (seed ?? null), rest);
}) as never);
own("registerHook", ((x: Tensor, fn: GradHook) => {
  need("registerHook", "fn: function", fn);
  const edge = edgeOf(x);
  if (!edge)
    throw new AutogradError({
      op: "registerHook",
      message: `a tensor of shape ${showShape(x.shape)} that does not require grad has no gradient to watch`,
      hint: "Set requiresGrad first",
    });
  const hook = { index: edge.index, fn };
  (edge.node.hooks ??= []).push(hook);
  return () => {
    edge.node.hooks = edge.node.hooks?.filter((h) => h !== hook) ?? null;
  };
}) as never);
own("retainGrad", (x) => {
  const node = nodeOf(x);
  if (!x.requiresGrad)
    throw new AutogradError({
      op: "retainGrad",
      message: "the tensor does not require grad",
      hint: "Set requiresGrad on a leaf that it depends on",
    });
  if (node) (node.retained ??= []).push({ index: x.outputIndex, tensor: x });
  return x;
});
own("requiresGrad_", ((x: Tensor, on = true) => {
  need("requiresGrad_", "on: flag", on);
  if (on && !isDifferentiable(x.dtype))
    throw new DTypeError({
      op: "requiresGrad_",
      message: `a ${x.dtype} tensor cannot require grad`,
      hint: "Only floating and complex tensors can",
    });
  if (!on && x.node) throw new AutogradError({ op: "requiresGrad_", message: "only leaves can be switched off", hint: "Use detach()" });
  if (!x.node) x.leafRequiresGrad = on;
  return x;
}) as never);
own("detach_", (x) => {
  x.node = null;
  x.leafRequiresGrad = false;
  x.viewOf = null;
  return x;
});
own("alias", (x) => shapes.view(x, x.shape as number[]));
getter("gradFn", nodeOf);

// ---- facts
const dimOf = (op: string, x: Tensor, dim: number): number => {
  if (x.ndim === 0) throw new IndexError({ op, message: `dim ${given(dim)} of shape []`, hint: "A scalar has no dimensions" });
  return normDim(dim, x.ndim, op);
};
own("size", ((x: Tensor, dim?: number) => (dim === undefined ? x.shape : x.shape[dimOf("size", x, dim)])) as never);
own("dim", (x) => x.ndim);
own("numel", (x) => x.layout.numel);
own("stride", ((x: Tensor, dim?: number) => (dim === undefined ? x.layout.strides : x.layout.strides[dimOf("stride", x, dim)])) as never);
own("storageOffset", (x) => x.layout.offset);
own("elementSize", (x) => itemSize(x.dtype));
own("isContiguous", (x) => x.layout.contiguous);
own("isFloatingPoint", (x) => isFloating(x.dtype));
own("isComplex", (x) => isComplex(x.dtype));
own("typeAs", ((x: Tensor, other: Tensor) => {
  checkTensor("typeAs", "other", other);
  return copies.to(x, other.dtype);
}) as never);
const casts: Record<string, DType> = {
  float: "float32",
  double: "float64",
  half: "float16",
  bfloat16: "bfloat16",
  long: "int64",
  int: "int32",
  short: "int16",
  char: "int8",
  byte: "uint8",
  bool: "bool",
  cfloat: "complex64",
  cdouble: "complex128",
};
for (const [name, dtype] of Object.entries(casts)) own(name, (x) => copies.to(x, dtype));
own("cpu", (x) => copies.to(x, "cpu"));
const withOptions = (x: Tensor, args: unknown[]): unknown[] => {
  const last = args.at(-1);
  const options = isOptions(last) ? last : {};
  return [...(options === last ? args.slice(0, -1) : args), { dtype: x.dtype, device: x.device, ...options }];
};
for (const name of ["zeros", "ones", "empty", "full", "tensor"] as const) {
  const full = `new${name[0]!.toUpperCase()}${name.slice(1)}`;
  const make = creation[name] as (...a: unknown[]) => Tensor;
  method(
    full,
    located(full, `as ${name}`, (x: Tensor, ...args: unknown[]) => make(...withOptions(x, args))),
  );
}
getter("T", (x) =>
  x.ndim < 2
    ? x
    : shapes.permute(
        x,
        x.shape.map((_, d) => x.ndim - 1 - d),
      ),
);
getter("mT", (x) => shapes.transpose(x, -2, -1));
getter("H", (x) => (x.ndim < 2 ? x : shapes.transpose(x, 0, 1).conj()));
getter("mH", (x) => shapes.transpose(x, -2, -1).conj());
getter("real", (x) => (isComplex(x.dtype) ? shapes.select(shapes.viewAsReal(x), -1, 0) : x));
getter("imag", (x) => {
  if (!isComplex(x.dtype))
    throw new DTypeError({ op: "imag", message: `${x.dtype} has no imaginary part`, hint: "Only complex tensors do" });
  return shapes.select(shapes.viewAsReal(x), -1, 1);
});
