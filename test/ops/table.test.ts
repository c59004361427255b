// Every op entry against its own samples: finite differences of first and second order, layouts, in-place forms, errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import type { SampleSource } from "../../src/ops/define.ts";
import { gradcheck, gradgradcheck, registry } from "../../src/testing/index.ts";

type Tensor = torch.Tensor;
type AnyOp = ((...args: unknown[]) => unknown) & {
  op: (typeof registry)[number] extends infer _
    ? {
        torch: string;
        kind: string;
        differentiable: boolean;
        samples?: (r: SampleSource) => unknown[][];
        errors?: [(r: SampleSource) => unknown[], string][];
        inplace?: (x: Tensor, ...a: unknown[]) => Tensor;
      }
    : never;
};

function source(seed: number): SampleSource {
  const g = new torch.Generator().manualSeed(seed);
  const options = { dtype: "float64", generator: g } as const;
  return {
    normal: (...shape) => torch.randn(shape, options),
    positive: (...shape) => torch.rand(shape, options).mul(0.9).add(0.1),
    of: (...values) => torch.tensor(values, { dtype: "float64" }),
    ints: (low, high, ...shape) => torch.randint(low, high, shape, { generator: g }),
  };
}
const floats = (args: readonly unknown[]): Tensor[] => args.filter((a): a is Tensor => torch.isTensor(a) && a.dtype === "float64");
const withInputs = (args: readonly unknown[], inputs: readonly Tensor[]): unknown[] => {
  let i = 0;
  return args.map((a) => (torch.isTensor(a) && a.dtype === "float64" ? inputs[i++] : a));
};
const tensors = (out: unknown): Tensor[] => (torch.isTensor(out) ? [out] : Array.isArray(out) ? out : [...(out as Iterable<Tensor>)]);
const finite = (t: Tensor): boolean => t.isfinite().all().itemSync<boolean>();
// Compared where both are numbers; NaN equals NaN.
const same = (a: Tensor, b: Tensor, what: string): void => {
  assert.deepEqual([...a.shape], [...b.shape], what);
  assert.ok(
    torch.isclose(a.to("float64"), b.to("float64"), { rtol: 1e-9, atol: 1e-12, equalNan: true }).all().itemSync<boolean>(),
    `${what}: ${a} is not ${b}`,
  );
};

for (const entry of registry as unknown as AnyOp[]) {
  const { op } = entry;
  if (op.torch.startsWith("_")) continue;
  op.samples?.(source(1)).forEach((args, n) => {
    const inputs = floats(args);
    const smooth = inputs.every((t) => t.abs().max().itemSync() < 20); // extreme samples are for values, not differences
    test(`${op.torch} sample ${n}`, () => {
      const out = tensors(entry(...args));
      for (const o of out) assert.ok(!o.isFloatingPoint() || !smooth || finite(o), "finite inputs, finite outputs");
      // The same through transposed memory.
      if (op.torch === "Tensor.view") return; // refuses what other strides forbid, as it should
      const strided = withInputs(
        args,
        inputs.map((t) => (t.ndim >= 2 ? t.transpose(0, -1).contiguous().transpose(0, -1) : torch.stack([t, t], -1).select(-1, 0))),
      );
      tensors(entry(...strided)).forEach((o, i) => same(o, out[i]!, `${op.torch} of strided inputs`));
      if (
        op.inplace &&
        torch.isTensor(args[0]) &&
        out[0]!.dtype === "float64" &&
        String(out[0]!.shape) === String((args[0] as Tensor).shape)
      ) {
        const x = (args[0] as Tensor).clone();
        assert.equal(op.inplace(x, ...args.slice(1)), x);
        same(x, out[0]!, `${op.torch}_`);
      }
      // Every other device gives the same: the reference and WebAssembly backends values, the meta backend shapes.
      for (const device of ["reference", "wasm", "meta"]) {
        const moved = args.map((a) => (torch.isTensor(a) ? a.to({ device }) : a));
        tensors(entry(...moved)).forEach((o, i) => {
          assert.equal(o.device, device);
          if (device === "meta") assert.deepEqual([[...o.shape], o.dtype], [[...out[i]!.shape], out[i]!.dtype], `${op.torch} on meta`);
          else same(o.to({ device: "cpu" }), out[i]!, `${op.torch} on ${device}`);
        });
      }
      if (!op.differentiable || !smooth || inputs.length === 0) return;
      const leaves = inputs.map((t) => t.detach().clone().requiresGrad_());
      const f = (...xs: Tensor[]): Tensor[] => tensors(entry(...withInputs(args, xs)));
      assert.ok(gradcheck(f, leaves));
      assert.ok(gradgradcheck(f, leaves));
    });
  });
  op.errors?.forEach(([make, name], n) =>
    test(`${op.torch} error ${n}`, () => {
      assert.throws(
        () => entry(...make(source(2))),
        (e: Error) => e.name === name && e.message.length > 20,
      );
    }),
  );
}
