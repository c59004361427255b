// PyTorch's files of all eras: every tensor equals what PyTorch reads, bit for bit.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { isParameter } from "../../src/nn/module.ts";
import { fixture, parse, type Recorded, recorded, sha, valueBytes } from "./recorded.ts";

const { io } = torch;
type Dict = Record<string, unknown>;

/** Opens and loads, and compares both with the record. */
async function compare(from: string | Uint8Array, want: Recorded): Promise<void> {
  const file = await io.open(from);
  const names = Object.keys(want.tensors!);
  const missing = names.filter((n) => !file.tensors.has(n));
  assert.deepEqual(missing, [], `of ${[...file.tensors.keys()].join(", ")}`);
  for (const [name, digest] of Object.entries(want.tensors!)) {
    const d = parse(digest);
    const stored = file.tensors.get(name)!;
    assert.equal(stored.dtype, d.dtype, name);
    assert.deepEqual([...stored.shape], d.shape, name);
    const t = await file.read(name);
    assert.deepEqual([...t.shape], d.shape, name);
    if (d.meta) assert.equal(t.device, "meta");
    // Dequantised values are products, which another order of operations rounds differently: their sums agree.
    else if (!/^q/.test(d.dtype)) assert.equal(sha(valueBytes(t)), d.sha, name);
    if (d.meta || t.dtype.startsWith("complex")) continue;
    const wide = t.detach().to("float64");
    const finite = torch.where(wide.isfinite(), wide, 0);
    const near = (a: number, b: number): boolean => Math.abs(a - b) <= 2e-6 * d.abs;
    assert.ok(near(finite.sum().itemSync<number>(), d.sum) && near(finite.abs().sum().itemSync<number>(), d.abs), `sums of ${name}`);
  }
  await file.close();
}

for (const [name, want] of Object.entries(recorded.fixtures))
  test(`${name} holds what PyTorch ${recorded.torch} reads`, async () => compare(await fixture(name), want));

const shared = join(import.meta.dirname, "../../../../shared/data");
for (const [name, want] of Object.entries(recorded.shared))
  test(`shared/data/${name}`, async (t) => {
    const path = join(shared, name);
    if (!existsSync(path)) return t.skip("no shared/data folder beside the project");
    if (want.refused)
      return assert.rejects(io.load(path), (e: Error) => e.name === "FormatError" && e.message.includes(`${name}: at byte 0`));
    await compare(path, want);
  });

for (const era of ["stream-1.0.0", "stream-1.4.0", "stream-2.15.0", "zip-1.6.0", "zip-2.15.0"])
  test(`${era}: containers, sharing and parameters`, async () => {
    const v = await io.load<Dict>(await fixture(`${era}.pt`));
    const [base, row, t, strided] = ["base", "row", "t", "strided"].map((k) => v[k] as torch.Tensor) as [
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
    ];
    for (const view of [row, t, strided]) assert.equal(view.storage, base.storage);
    assert.deepEqual([...t.layout.strides], [1, 4]);
    assert.equal(v["same"], base);
    base.detach().fill_(7);
    assert.deepEqual(row.toArraySync(), [7, 7, 7, 7]);
    assert.ok(isParameter(v["parameter"]) && v["parameter"].requiresGrad);
    assert.ok(isParameter(v["frozen"]) && !v["frozen"].requiresGrad);
    assert.deepEqual(v["plain"], {
      int: 3,
      big: 2n ** 70n,
      neg: -5,
      float: 0.1,
      none: null,
      yes: true,
      text: "wörld 🔥",
      list: [1, [2, [3, "x"]]],
    });
    assert.deepEqual(
      v["intkeys"],
      new Map<number, string>([
        [0, "a"],
        [5, "b"],
      ]),
    ); // prettier-ignore
    // Keys that a plain object would put in another order.
    assert.deepEqual(
      [...(v["digits"] as Map<string, number>)],
      [
        ["1", 1],
        ["0", 0],
      ],
    ); // prettier-ignore
    const state = v["state_dict"] as Record<string, torch.Tensor>;
    assert.equal(state["fc.weight"]!.storage, state["tied.weight"]!.storage);
    // The optimizer's state, in a model of the same shape.
    const model = new torch.nn.Sequential(new torch.nn.Linear(3, 2), new torch.nn.BatchNorm1d(2));
    const optimizer = new torch.optim.Adam(model.parameters(), { lr: 1 });
    optimizer.loadStateDict(v["optimizer"] as torch.optim.OptimizerState);
    assert.equal(optimizer.paramGroups[0]!.lr, 0.1);
    const last = optimizer.state.get([...model.parameters()][3]!)!;
    assert.equal(last["step"], 1);
    const saved = v["optimizer"] as { state: Map<number, Record<string, torch.Tensor>>; param_groups: { params: number[] }[] };
    const id = saved.param_groups[0]!.params[3]!;
    assert.ok(torch.equal(last["exp_avg"] as torch.Tensor, saved.state.get(id)!["exp_avg"]!));
  });

test("all dtypes and kinds of tensors of the newest PyTorch", async () => {
  const v = await io.load<Dict>(await fixture("newest.pt"));
  const dtypes = Object.entries(v).flatMap(([k, x]) => (torch.isTensor(x) ? [`${k} ${x.dtype}`] : []));
  for (const want of ["uint16 int32", "uint64 int64", "float8_e5m2 float32", "complex32 complex64", "per_tensor float32", "storage uint8"])
    assert.ok(dtypes.includes(want), `${want} in ${dtypes.join(", ")}`);
  assert.deepEqual((v["conj"] as torch.Tensor).toArraySync(), [
    { re: 1, im: -2 },
    { re: 3, im: 4 },
  ]); // prettier-ignore
  assert.deepEqual((v["negative"] as torch.Tensor).toArraySync(), [-2, 4]);
  const q = v["per_channel"] as torch.Tensor;
  assert.ok(
    torch.allclose(
      q,
      torch.tensor([
        [0, 0.5, 2],
        [2, 3, 1],
      ]),
      { atol: 1e-6 },
    ),
  ); // prettier-ignore
  const sparse = v["sparse"] as Dict;
  assert.equal(sparse["$class"], "torch.sparse_coo");
  assert.deepEqual((sparse["indices"] as torch.Tensor).toArraySync(), [
    [0, 1],
    [1, 0],
  ]); // prettier-ignore
  assert.equal((v["csr"] as Dict)["$class"], "torch.sparse_csr");
  assert.ok(isParameter(v["tagged"]));
  assert.deepEqual(v["set"], new Set([1, "a"]));
  assert.deepEqual(v["bytes"], new Uint8Array([0, 255]));
  assert.deepEqual(v["complex"], torch.complexScalar(1, 2));
  assert.deepEqual([v["size"], v["dtype"], v["device"]], [[2, 3], "float16", "cpu"]);
  assert.deepEqual((v["storage"] as torch.Tensor).toArraySync(), [0, 0, 1, 0, 2, 0]);
});

test("the tar archive of PyTorch 0.1", async () => {
  const v = await io.load<Dict>(await fixture("tar-0.1.pt"));
  assert.deepEqual((v["weight"] as torch.Tensor).toArraySync(), [
    [0, 1, 2],
    [3, 4, 5],
  ]); // prettier-ignore
  assert.deepEqual((v["view"] as torch.Tensor).toArraySync(), [3, 5]);
  assert.equal((v["view"] as torch.Tensor).storage, (v["weight"] as torch.Tensor).storage);
  assert.equal(v["lr"], 0.5);
});

test("a pickled module is a tree of names, attributes and tensors", async () => {
  const m = await io.load<Dict>(await fixture("module-1.0.0.pt"));
  assert.equal(m["$class"], "model.Net");
  const modules = m["_modules"] as Record<string, Dict>;
  assert.deepEqual(Object.keys(modules), ["fc", "bn", "tied"]);
  assert.equal(modules["fc"], modules["tied"]);
  assert.equal(modules["fc"]!["$class"], "torch.nn.modules.linear.Linear");
  assert.equal(modules["fc"]!["in_features"], 3);
  assert.deepEqual(m["act"], { $global: "torch.nn.functional.relu" });
  assert.ok(isParameter((modules["fc"]!["_parameters"] as Dict)["weight"]));
  assert.equal((modules["bn"]!["_parameters"] as Dict)["missing"], undefined);
});

for (const era of ["1.2.0", "1.4.0", "2.15.0"])
  test(`TorchScript of PyTorch ${era}: modules, constants, code`, async () => {
    const bytes = await fixture(`script-${era}.pt`);
    const v = await io.load<Dict & { parameters: string[]; buffers: string[]; code: Record<string, string> }>(bytes);
    const want = recorded.fixtures[`script-${era}.pt`]!;
    assert.deepEqual(v.parameters, want.parameters);
    assert.deepEqual(v.buffers, want.buffers);
    const module = v["module"] as Dict;
    assert.match(module["$class"] as string, era === "1.2.0" ? /^torch\.jit\.ScriptModule$/ : /^__torch__\..*Outer$/);
    assert.deepEqual(module["names"], ["a", "b"]);
    assert.ok(isParameter((module["inner"] as Dict)["weight"]));
    assert.ok(Object.values(v.code).some((text) => text.includes("def forward(self")));
    assert.ok(Array.isArray(v["constants"]));
  });
