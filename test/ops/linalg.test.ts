// torch.linalg on real and complex matrices: values and gradients that tools/record/linalg.py recorded.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

type Tensor = torch.Tensor;
interface Case {
  name: string;
  dtype: "complex128" | "float64";
  shape: number[];
  a: number[];
  grad: number[];
  out: number[][];
  cotangents: number[][];
}
const cases = JSON.parse(readFileSync(join(import.meta.dirname, "../../../test/ops/linalg.json"), "utf8")) as Case[];

const L = torch.linalg;
const H = (a: Tensor): Tensor => a.mH;
const sizes = (t: Tensor): Tensor => t.abs().square();
const functions: Record<string, (a: Tensor) => Iterable<Tensor>> = {
  inv: (a) => [L.inv(a)],
  solve: (a) => [L.solve(a, a.flip([-1]))],
  solveRight: (a) => [L.solve(a, a.flip([-2]), { left: false })],
  det: (a) => [L.det(a)],
  slogdet: (a) => L.slogdet(a),
  cholesky: (a) => [L.cholesky(a.matmul(H(a)))],
  choleskyUpper: (a) => [L.cholesky(a.matmul(H(a)), { upper: true })],
  qr: (a) => L.qr(a),
  qrComplete: (a) => L.qr(a, "complete"),
  svd: (a) => {
    const { U, S, Vh } = L.svd(a, { fullMatrices: false });
    return [sizes(U), S, sizes(Vh), U.matmul(Vh)];
  },
  svdvals: (a) => [L.svdvals(a)],
  eigh: (a) => {
    const { eigenvalues, eigenvectors } = L.eigh(a.add(H(a)));
    return [eigenvalues, sizes(eigenvectors)];
  },
  eighUpper: (a) => {
    const { eigenvalues, eigenvectors } = L.eigh(a, "U");
    return [eigenvalues, sizes(eigenvectors)];
  },
  eigvalsh: (a) => [L.eigvalsh(a.add(H(a)))],
  norm: (a) => [L.norm(a)],
  normHalf: (a) => [L.vectorNorm(a, 0.5)],
  norm3: (a) => [L.vectorNorm(a, 3)],
  nuc: (a) => [torch.norm(a, { p: "nuc", dim: [-2, -1] })],
  spectral: (a) => [L.matrixNorm(a, 2)],
};
const values = (t: Tensor): number[] => [...((t.isComplex() ? torch.viewAsReal(t) : t).contiguous().dataSync() as Float64Array)];
const close = (got: readonly number[], want: readonly number[], what: string): void => {
  assert.equal(got.length, want.length, what);
  got.forEach((v, i) => {
    assert.ok(Math.abs(v - want[i]!) <= 1e-9 * (1 + Math.abs(want[i]!)), `${what}[${i}]: ${v}, recorded ${want[i]}`);
  });
};

for (const c of cases)
  test(`${c.name} of ${c.dtype} [${c.shape.join(", ")}]`, () => {
    const a = torch.tensor(Float64Array.from(c.a), { dtype: c.dtype }).reshape(c.shape).requiresGrad_();
    const outs = [...functions[c.name]!(a)];
    outs.forEach((o, i) => {
      close(values(o), c.out[i]!, `output ${i}`);
    });
    const seeds = outs.map((o, i) => torch.tensor(Float64Array.from(c.cotangents[i]!), { dtype: o.dtype }).reshape(o.shape));
    const wanted = outs.map((o) => o.requiresGrad);
    const [g] = torch.autograd.grad(
      outs.filter((_, i) => wanted[i]),
      a,
      { gradOutputs: seeds.filter((_, i) => wanted[i]) },
    );
    close(values(g!), c.grad, "gradient");
  });

test("full factors rebuild the matrix, whatever its shape and rank", () => {
  for (const dtype of ["complex128", "float64"] as const)
    for (const [m, n, rank] of [
      [4, 3, 3],
      [3, 5, 3],
      [4, 4, 2],
      [3, 3, 0],
    ] as const) {
      const random = (r: number, c: number): Tensor => torch.randn(r, c, { dtype: "float64" }).to(dtype);
      const turn = dtype === "complex128" ? torch.complexScalar(0.6, 0.8) : 1;
      const a = random(m, rank).matmul(random(rank, n)).mul(turn);
      const { U, S, Vh } = L.svd(a);
      const k = Math.min(m, n);
      close(
        values(
          U.narrow(1, 0, k)
            .mul(S)
            .matmul(Vh.narrow(0, 0, k)),
        ),
        values(a),
        "U S Vh",
      );
      close(values(U.matmul(H(U))), values(torch.eye(m, { dtype })), "U Uh");
      close(values(Vh.matmul(H(Vh))), values(torch.eye(n, { dtype })), "Vh V");
      const { Q, R } = L.qr(a, "complete");
      close(values(Q.matmul(R)), values(a), "Q R");
      close(values(Q.matmul(H(Q))), values(torch.eye(m, { dtype })), "Q Qh");
    }
});
test("a result that depends on the phase of complex vectors has no gradient", () => {
  const a = torch.randn(3, 3, { dtype: "complex64" }).requiresGrad_();
  for (const f of [() => L.svd(a).U, () => L.eigh(a).eigenvectors])
    assert.throws(() => f().mul(torch.complexScalar(0.3, 2)).real.sum().backward(), { name: "AutogradError", message: /phase/ });
});
test("infinities and NaN, singular and indefinite matrices, other dtypes are refused", () => {
  const bad = torch.tensor([
    [1, Number.NaN],
    [0.5, 1],
  ]);
  assert.throws(() => L.svd(bad), { name: "LinAlgError" });
  assert.throws(() => L.eigh(bad.to("complex64")), { name: "LinAlgError" });
  assert.throws(() => L.inv(torch.zeros(2, 2, { dtype: "complex64" })), { name: "LinAlgError" });
  assert.throws(() => L.cholesky(torch.eye(2, { dtype: "complex64" }).neg()), { name: "LinAlgError" });
  assert.throws(() => L.inv(torch.eye(2, { dtype: "int64" })), { name: "DTypeError" });
  assert.throws(() => L.inv(torch.eye(2, { dtype: "float16" })), { name: "DTypeError" });
  assert.throws(() => L.solve(torch.eye(2), torch.eye(2, { dtype: "float64" })), { name: "DTypeError" });
});
