import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as torch from "../../../src/index.ts";
import { io, nn, optim } from "../../../src/index.ts";
import { train } from "./run.ts";

const root = mkdtempSync(join(tmpdir(), "firebrand-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const fresh = (): string => join(root, String(made++));

test("100 steps are 50 steps, a kill, and 50 more: losses and weights bit for bit", async () => {
  const whole = await train(100, null, 0);
  const folder = fresh();
  await train(50, folder, 50);
  const resumed = await train(100, folder, 50);
  assert.deepEqual(resumed, whole);
  assert.equal(new Set(whole.losses).size, 100);
  // At the last batch of an epoch, in the middle of one, and after several stops.
  for (const every of [5, 7]) {
    const odd = fresh();
    for (const to of [every, 2 * every, 3 * every]) await train(to, odd, every);
    assert.deepEqual((await train(100, odd, 1000)).losses, whole.losses);
  }
});

test("optimizer state goes by name, not by order", async () => {
  const make = (order: readonly ["a" | "b", "a" | "b"]): { model: nn.ModuleDict; optimizer: optim.Adam } => {
    const layers = { a: new nn.Linear(2, 2), b: new nn.Linear(2, 2) };
    const model = new nn.ModuleDict(layers);
    return { model, optimizer: new optim.Adam(order.map((k) => layers[k].weight)) };
  };
  const first = make(["a", "b"]);
  const [a, b] = first.optimizer.paramGroups[0]!.params as [torch.Tensor, torch.Tensor];
  a.grad = torch.full([2, 2], 1);
  b.grad = torch.full([2, 2], 2);
  first.optimizer.step();
  const folder = fresh();
  await io.saveTrainingState(folder, { ...first, step: 1 });
  const second = make(["b", "a"]);
  await io.loadTrainingState(folder, second);
  const moment = (o: optim.Adam, p: torch.Tensor): number => (o.state.get(p)!["exp_avg"] as torch.Tensor).sum().itemSync();
  const [b2, a2] = second.optimizer.paramGroups[0]!.params as [torch.Tensor, torch.Tensor];
  assert.equal(moment(second.optimizer, a2), moment(first.optimizer, a));
  assert.equal(moment(second.optimizer, b2), moment(first.optimizer, b));
});

test("what does not fit is reported at once, and nothing is changed", async () => {
  const folder = fresh();
  await io.saveTrainingState(folder, { model: new nn.Sequential(new nn.Linear(2, 3), new nn.Linear(3, 1)), step: 7 });
  const other = new nn.Sequential(new nn.Linear(2, 4), new nn.LayerNorm(3));
  const before = other.stateDict()["0.weight"]!.clone();
  await assert.rejects(io.loadTrainingState(folder, { model: other }), (e: torch.FirebrandError) => {
    assert.equal(e.name, "ShapeError");
    for (const part of ["0.weight is [3, 2] in the file, [4, 2]", "0.bias is [3]", "1.weight is [1, 3] in the file, [3]", folder])
      assert.ok(e.message.includes(part), part);
    return true;
  });
  assert.ok(torch.equal(other.stateDict()["0.weight"]!, before));
  await assert.rejects(io.loadTrainingState(folder, { model: new nn.Linear(2, 3) }), /lacks in the file: weight, bias.*0\.weight, 0\.bias/);
  const lone = new optim.SGD([torch.zeros(2).requiresGrad_()], { lr: 1 });
  await assert.rejects(io.saveTrainingState(fresh(), { optimizer: lone, step: 0 }), {
    name: "ArgumentError",
    message: /belongs to no model/,
  });
  await assert.rejects(io.loadTrainingState(fresh(), {}), { name: "ArgumentError", message: /has no checkpoint/ });
  await assert.rejects(io.saveTrainingState(fresh(), { step: -1 }), { name: "ValueError" });
  await assert.rejects(io.saveTrainingState(fresh(), { step: 0, extra: { f: (() => 0) as never } }), {
    name: "FormatError",
    message: /extra\.f is a function/,
  });
});

test("the newest stay; a step saved twice does not replace the first", async () => {
  const folder = fresh();
  for (const step of [1, 2, 2, 3]) await io.saveTrainingState(folder, { step, extra: step }, { keep: 3 });
  assert.deepEqual(readdirSync(folder), ["step-00000002", "step-00000002-1", "step-00000003"]);
  assert.deepEqual(
    (await io.listTrainingStates(folder)).map((s) => s.step),
    [2, 2, 3],
  );
  const two = await io.loadTrainingState(join(folder, "step-00000002"), {});
  assert.deepEqual([two.step, two.extra], [2, 2]);
});

test("damage after saving is found, by file", async () => {
  const folder = fresh();
  const model = new nn.Linear(3, 3);
  const path = await io.saveTrainingState(folder, { model, step: 1 });
  const file = join(path, "rank-0.safetensors");
  const bytes = readFileSync(file);
  bytes[bytes.length - 2]! ^= 1;
  writeFileSync(file, bytes);
  await assert.rejects(io.loadTrainingState(folder, { model }), { name: "FormatError", message: /rank-0\.safetensors: its checksum/ });
  appendFileSync(file, "x");
  await assert.rejects(io.loadTrainingState(folder, { model }), { message: /bytes, expected/ });
  rmSync(file);
  await assert.rejects(io.loadTrainingState(folder, { model }), { message: /it is gone/ });
  const json = join(path, "state.json");
  const state = JSON.parse(readFileSync(json, "utf8")) as Record<string, unknown>;
  for (const [change, message] of [
    [{ version: 99 }, /version 99.*reads up to 1/],
    [{ format: "x" }, /format "x"/],
    [{ files: [{ name: "../../etc/passwd", bytes: 1, sha256: "" }] }, /list of files/],
    [
      { tensors: { w: { dtype: "float32", shape: [4], parts: [{ file: "rank-0.safetensors", key: "w", offset: [2], shape: [4] }] } } },
      /does not fit/,
    ],
  ] as const) {
    writeFileSync(json, JSON.stringify({ ...state, ...change }));
    await assert.rejects(io.loadTrainingState(folder, { model }), { name: "FormatError", message });
  }
  writeFileSync(json, "{");
  await assert.rejects(io.loadTrainingState(folder, { model }), { name: "FormatError", message: /not JSON/ });
});

/** A model whose weight is a process's rows of a larger one. */
class Rows extends nn.Module {
  readonly weight: nn.Parameter;
  readonly from: number;
  readonly of: number;
  constructor(values: torch.Tensor, from: number, of: number) {
    super();
    this.weight = new nn.Parameter(values);
    this.from = from;
    this.of = of;
  }
  forward(): void {}
  override stateDict(): nn.StateDict {
    return { weight: new io.Shard(this.weight.detach(), [this.from, 0], [this.of, this.weight.shape[1]!]) } as never;
  }
}
test("saved by two processes, loaded by one, three or two", async () => {
  const folder = fresh();
  const full = torch.arange(24).view(6, 4).to("float32");
  const part = (rank: number, size: number): Rows => new Rows(full.narrow(0, (rank * 6) / size, 6 / size).clone(), (rank * 6) / size, 6);
  let waiting: (() => void)[] = [];
  const group = (rank: number): io.SaveGroup => ({
    rank,
    size: 2,
    barrier: () =>
      new Promise((done) => {
        waiting.push(done);
        if (waiting.length === 2) {
          for (const w of waiting) w();
          waiting = [];
        }
      }),
  });
  const save = async (rank: number): Promise<string> => {
    const model = part(rank, 2);
    const optimizer = new optim.Adam([model.weight], { lr: 0.1 });
    model.weight.grad = model.weight.detach().clone();
    optimizer.step();
    return io.saveTrainingState(folder, { model, optimizer, step: 3, extra: rank }, { group: group(rank) });
  };
  const paths = await Promise.all([save(0), save(1)]);
  assert.equal(paths[0], paths[1]);
  // One process alone would have come to this.
  const alone = part(0, 1);
  const reference = new optim.Adam([alone.weight], { lr: 0.1 });
  alone.weight.grad = alone.weight.detach().clone();
  reference.step();
  for (const size of [1, 2, 3])
    for (let rank = 0; rank < size; rank++) {
      const model = new Rows(torch.zeros(6 / size, 4), (rank * 6) / size, 6);
      const optimizer = new optim.Adam([model.weight], { lr: 0 });
      const { extra } = await io.loadTrainingState<number>(folder, { model, optimizer }, { rank });
      assert.equal(extra, rank < 2 ? rank : 0);
      const rows = (t: torch.Tensor): torch.Tensor => t.detach().narrow(0, (rank * 6) / size, 6 / size);
      assert.ok(torch.equal(model.weight.detach(), rows(alone.weight)), `weights, ${rank} of ${size}`);
      const moment = (o: optim.Adam, p: torch.Tensor): torch.Tensor => o.state.get(p)!["exp_avg_sq"] as torch.Tensor;
      assert.ok(torch.equal(moment(optimizer, model.weight), rows(moment(reference, alone.weight))), `state, ${rank} of ${size}`);
      assert.equal(optimizer.paramGroups[0]!.lr, 0.1);
    }
});

test("killed at random moments during saves: a complete checkpoint always remains", async () => {
  const kills = Number(process.env["FIREBRAND_KILLS"] ?? 8);
  const folder = fresh();
  mkdirSync(folder);
  let reached = 0;
  for (let i = 0; i < kills; i++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, "run.js"), "100000", folder, "1"], { stdio: "ignore" });
    const gone = new Promise((done) => child.on("close", done));
    // Once it saves, a moment more: each save takes some milliseconds.
    const newest = (): string =>
      readdirSync(folder)
        .filter((n) => n.startsWith("step-"))
        .sort()
        .at(-1) ?? "";
    const before = newest();
    while (newest() === before) await new Promise((r) => setTimeout(r, 2));
    await new Promise((r) => setTimeout(r, (i * 7919) % 23));
    child.kill("SIGKILL");
    await gone;
    const states = await io.listTrainingStates(folder);
    assert.ok(states.length >= 1 && states.length <= 5, String(states.length));
    const { step, extra } = await io.loadTrainingState<number[]>(folder, {});
    assert.equal(extra.length, step);
    assert.ok(step > reached);
    reached = step;
  }
  const { losses } = await train(reached, folder, 1e9);
  assert.deepEqual(losses, (await train(reached, null, 0)).losses);
});

test("a full disk and a folder that is none: FileError, and what was there stays", async (t) => {
  const file = join(root, "plain");
  writeFileSync(file, "x");
  await assert.rejects(io.saveTrainingState(join(file, "run"), { step: 1 }), { name: "FileError", message: /ENOTDIR/ });
  const disk = fresh();
  mkdirSync(disk);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]).status !== 0)
    return t.skip("no small disk can be mounted here");
  try {
    const model = new nn.Linear(100, 100);
    await io.saveTrainingState(disk, { model, step: 1 });
    const weight = model.weight.detach().clone();
    for (let step = 2; step < 8; step++) {
      await assert.rejects(io.saveTrainingState(disk, { model: new nn.Linear(300, 300), step }), {
        name: "FileError",
        message: /ENOSPC.*Free some space/,
      });
      await assert.rejects(io.saveCheckpoint({ x: torch.zeros(100_000) }, join(disk, "c")), { name: "FileError", message: /ENOSPC/ });
    }
    assert.deepEqual(readdirSync(disk), ["step-00000001"]);
    torch.noGrad(() => model.weight.zero_());
    await io.loadTrainingState(disk, { model });
    assert.ok(torch.equal(model.weight.detach(), weight));
  } finally {
    spawnSync("umount", [disk]);
  }
});

// Files written by every version of the formats. They load for ever: never write them anew, add those of new versions.
const golden = join(import.meta.dirname, "../../../../test/io/golden");
test("a training state of version 1", async () => {
  const { model, optimizer, scheduler } = goldenParts();
  const { step, extra } = await io.loadTrainingState<{ note: string; history: number[] }>(join(golden, "training-1"), {
    model,
    optimizer,
    scheduler,
  });
  assert.deepEqual([step, extra], [3, { note: "golden", history: [0.5, Number.POSITIVE_INFINITY] }]);
  assert.deepEqual(model.weight.toArraySync(), [[0.25, -1.5]]);
  assert.deepEqual((optimizer.state.get(model.weight)!["exp_avg"] as torch.Tensor).toArraySync(), [[0.125, 0.25]]);
  assert.equal(scheduler.lastEpoch, 3);
});
test("a checkpoint of version 1", async () => {
  const back = await io.loadCheckpoint<{ w: torch.Tensor; n: bigint; deep: (number | null)[] }>(join(golden, "checkpoint-1.safetensors"));
  assert.deepEqual(back.w.toArraySync(), [1.5, -2]);
  assert.deepEqual([back.n, back.deep], [12n, [1, null, Number.NEGATIVE_INFINITY]]);
});
function goldenParts(): { model: nn.Linear; optimizer: optim.AdamW; scheduler: optim.lrScheduler.StepLR } {
  const model = new nn.Linear(2, 1, { bias: false });
  const optimizer = new optim.AdamW([model.weight], { lr: 0.1 });
  return { model, optimizer, scheduler: new optim.lrScheduler.StepLR(optimizer, 2) };
}
