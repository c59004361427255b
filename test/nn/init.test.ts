// Initialisers draw what PyTorch draws (tools/record/init.py), and refuse what has no meaning.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

interface Case {
  readonly name: keyof typeof torch.nn.init;
  readonly shape: number[];
  readonly args: unknown[];
  readonly values: number[];
}
const cases = JSON.parse(readFileSync(new URL("../../../test/nn/init.json", import.meta.url), "utf8")) as Case[];

for (const { name, shape, args, values } of cases)
  test(`${name}(${shape.join(" x ")}${args.map((a) => `, ${String(a)}`).join("")}) draws as PyTorch`, () => {
    torch.manualSeed(3);
    const f = torch.nn.init[name] as (t: torch.Tensor, ...a: unknown[]) => torch.Tensor;
    const t = torch.ones(shape, { requiresGrad: true });
    const got = f(t, ...args);
    assert.equal(got, t);
    const flat = Array.from(got.detach().dataSync(), Number);
    assert.equal(flat.length, values.length);
    flat.forEach((v, i) => assert.ok(Math.abs(v - values[i]!) < 2e-6, `element ${i}: ${v}, PyTorch ${values[i]}`));
  });

test("initialisers name the shapes that they cannot fill", () => {
  const { dirac_, eye_, orthogonal_, sparse_, xavierUniform_ } = torch.nn.init;
  assert.throws(() => eye_(torch.ones(2)), { name: "ShapeError", message: /eye_.*\[2\]/ });
  assert.throws(() => dirac_(torch.ones(2, 2)), { name: "ShapeError", message: /dirac_.*\[2, 2\]/ });
  assert.throws(() => dirac_(torch.ones(3, 2, 1), 2), { name: "ValueError", message: /3 channels in 2 groups/ });
  assert.throws(() => sparse_(torch.ones(2, 2, 2), 0.5), { name: "ShapeError", message: /sparse_.*\[2, 2, 2\]/ });
  assert.throws(() => orthogonal_(torch.ones(2)), { name: "ShapeError", message: /orthogonal_.*\[2\]/ });
  assert.throws(() => xavierUniform_(torch.ones(2)), { name: "ShapeError", message: /\[2\] has no fan/ });
});
