// Modules: registration, state, hooks, conversion, and the whole on a small training problem.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

import { nn, optim, type Tensor } from "../../src/index.ts";

class Net extends nn.Module {
  readonly body: InstanceType<typeof nn.Sequential>;
  readonly norm: InstanceType<typeof nn.BatchNorm1d>;
  readonly scale: InstanceType<typeof nn.Parameter>;
  constructor() {
    super();
    this.body = new nn.Sequential(new nn.Linear(2, 16), new nn.ReLU(), new nn.Linear(16, 1));
    this.norm = new nn.BatchNorm1d(2);
    this.scale = new nn.Parameter(torch.ones(1));
  }
  forward(x: torch.Tensor): torch.Tensor {
    return this.body.forward(this.norm.forward(x)).mul(this.scale);
  }
}

test("assignment registers, names and order are PyTorch's", () => {
  const net = new Net();
  assert.deepEqual(
    [...net.namedParameters()].map(([n]) => n),
    ["scale", "body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias", "norm.weight", "norm.bias"],
  );
  assert.deepEqual(Object.keys(net.stateDict()).slice(-5), [
    "norm.weight",
    "norm.bias",
    "norm.running_mean",
    "norm.running_var",
    "norm.num_batches_tracked",
  ]);
  assert.equal(net.eval().norm.training, false);
});
test("loadStateDict reports everything at once and copies nothing on failure", () => {
  const net = new Net();
  const state = net.stateDict();
  const before = net.scale.detach().clone();
  const wrong: Record<string, torch.Tensor> = { ...state, extra: torch.ones(1), scale: torch.zeros(1) };
  delete wrong["norm.bias"];
  assert.throws(() => net.loadStateDict(wrong), /missing keys: norm.bias; unexpected keys: extra/);
  assert.throws(
    () => net.loadStateDict({ ...state, scale: torch.zeros(3), "body.0.bias": torch.zeros(2) }),
    /body.0.bias \(given \[2\], needed \[16\]\).*|scale \(given \[3\], needed \[1\]\)/,
  );
  assert.ok(torch.equal(net.scale, before));
  assert.deepEqual(net.loadStateDict(wrong, { strict: false }), { missingKeys: ["norm.bias"], unexpectedKeys: ["extra"] });
  assert.equal(net.scale.itemSync(), 0);
});
test("hooks, conversion, copies", () => {
  const net = new Net();
  const remove = net.registerForwardHook((_m, _a, out) => (out as torch.Tensor).mul(0));
  assert.equal(net.forward(torch.randn(4, 2)).abs().sum().itemSync(), 0);
  remove();
  assert.notEqual(net.forward(torch.randn(4, 2)).abs().sum().itemSync(), 0);
  assert.equal(net.double().scale.dtype, "float64");
  assert.equal(net.norm.num_batches_tracked!.dtype, "int64");
});
for (const make of [
  (p: Iterable<torch.Tensor>) => new optim.AdamW(p, { lr: 0.02 }),
  (p: Iterable<torch.Tensor>) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true }),
]) {
  test(`learns xor with ${make([torch.ones(1).requiresGrad_()]).constructor.name}, resumes exactly`, () => {
    torch.manualSeed(1);
    const net = new Net();
    const optimizer = make(net.parameters());
    const x = torch.tensor(
      [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ],
      { dtype: "float32" },
    );
    const y = torch.tensor([[0], [1], [1], [0]], { dtype: "float32" });
    const step = (n: typeof net, o: typeof optimizer): number => {
      o.zeroGrad();
      const loss = nn.functional.mseLoss(n.forward(x), y);
      loss.backward();
      nn.utils.clipGradNorm_(n.parameters(), 1);
      o.step();
      return loss.itemSync();
    };
    for (let i = 0; i < 100; i++) step(net, optimizer);
    const twin = new Net();
    twin.loadStateDict(net.stateDict());
    const other = make(twin.parameters());
    other.loadStateDict(optimizer.stateDict());
    let last = 1;
    for (let i = 0; i < 200; i++) assert.equal(step(twin, other), (last = step(net, optimizer)));
    assert.ok(last < 0.01, `loss ${last}`);
  });
}
test("bad hyper-parameters and inputs", () => {
  assert.throws(() => new optim.AdamW([torch.ones(1).requiresGrad_()], { lr: -1 }), { name: "ValueError" });
  assert.throws(() => new optim.SGD([], { lr: 1 }), { name: "ArgumentError" });
  assert.throws(() => new nn.Linear(3, 2).forward(torch.ones(2, 4)), /input \[2, 4\] has 4 features, weight \[2, 3\] takes 3/);
  assert.throws(() => nn.functional.crossEntropy(torch.randn(2, 3), torch.tensor([0, 3])), { name: "IndexError" });
  assert.throws(() => nn.functional.embedding(torch.tensor([5]), torch.randn(3, 2)), { name: "IndexError" });
});
test("options that nobody knows are named, those of PyTorch accepted", () => {
  const p = torch.ones(2, { requiresGrad: true });
  const untyped = <T>(o: T): never => o as never;
  const unknown = { name: "ArgumentError", message: /unknown option momentun.*momentum/ };
  assert.throws(() => new optim.SGD([p], untyped({ momentun: 0.9 })), unknown);
  assert.throws(() => new optim.AdamW([p], untyped({ learningRate: 1 })), { name: "ArgumentError" });
  assert.throws(() => new torch.data.DataLoader(new torch.data.TensorDataset(p), untyped({ batch: 2 })), { name: "ArgumentError" });
  assert.throws(() => p.sum().backward(untyped({ retain: true })), { name: "ArgumentError" });
  assert.throws(() => torch.autograd.grad(p.sum(), p, untyped({ allowunused: true })), { name: "ArgumentError" });
  assert.equal(new optim.SGD([p], { foreach: false, fused: true, differentiable: false }).paramGroups[0]!.fused, true);
  p.mul(2).backward({ gradient: torch.tensor([3.5, 4]) });
  assert.deepEqual(p.grad!.toArraySync(), [7, 8]);
  assert.equal(torch.nn.utils.clipGradNorm_([p], 1, Number.POSITIVE_INFINITY).itemSync(), 8);
});

test("copies of containers and recurrent layers compute and grow like the originals", () => {
  const nets = [
    new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh()),
    new nn.LSTM(3, 4, { numLayers: 2, bidirectional: true }),
    new nn.GRU(3, 4),
    new nn.MultiheadAttention(4, 2),
  ] as nn.Module[];
  for (const net of nets) {
    const copy = nn.cloneModule(net);
    const x = torch.randn(5, 2, net instanceof nn.MultiheadAttention ? 4 : 3);
    const run = (m: nn.Module): Tensor[] => {
      const out = (m as unknown as { forward(...x: Tensor[]): unknown }).forward(...(m instanceof nn.MultiheadAttention ? [x, x, x] : [x]));
      return (Array.isArray(out) ? out.flat() : [out]).filter((t): t is Tensor => torch.isTensor(t));
    };
    const [a, b] = [run(net), run(copy)];
    assert.ok(a.length > 0);
    a.forEach((t, i) => assert.ok(torch.equal(t, b[i]!), net.constructor.name));
  }
  const list = nn.cloneModule(new nn.ModuleList([new nn.Linear(1, 1)])).append(new nn.Linear(1, 2));
  assert.equal(list.length, 2);
  assert.equal((list.at(-1) as nn.Linear).outFeatures, 2);
});

test("a module built on meta gets its memory later", () => {
  torch.setDefaultDevice("meta");
  let net: nn.Linear;
  try {
    net = new nn.Linear(2000, 1000);
  } finally {
    torch.setDefaultDevice("cpu");
  }
  assert.equal(net.weight.device, "meta");
  net.toEmpty({ device: "cpu" }).loadStateDict(new nn.Linear(2000, 1000).stateDict());
  assert.deepEqual(net.forward(torch.ones(3, 2000)).shape, [3, 1000]);
  assert.throws(() => net.toEmpty({ device: "abacus" }), { name: "DeviceError" });
});
