// Trains the same GPT and the same CNN here and in PyTorch: same seed, same order of data. Prints both loss curves and their
// largest difference. PYTHON names an interpreter with PyTorch; without one the comparison is skipped with a reason.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as torch from "firebrand";
import { nn, optim } from "firebrand";
import { GPT } from "../../examples/gpt/model.ts";
import { Corpus, readText } from "../../examples/gpt/text.ts";

const python = process.env["PYTHON"] ?? "python3";
const here = join(import.meta.dirname, "../../../tools/parity");
if (spawnSync(python, ["-c", "import torch"]).status !== 0) {
  console.log(`skipped: ${python} has no PyTorch (set PYTHON)`);
  process.exit(0);
}
const other = (script: string, args: number[], input: unknown): number[] => {
  const out = spawnSync(python, [join(here, script), ...args.map(String)], { input: JSON.stringify(input), encoding: "utf8", maxBuffer: 1 << 28 });
  if (out.status !== 0) throw new Error(out.stderr);
  return out.stdout.trim().split("\n").map(Number);
};
let failed = false;
function compare(name: string, ours: number[], theirs: number[]): void {
  const diffs = ours.map((v, i) => Math.abs(v - theirs[i]!));
  console.log(`\n${name}: step, Firebrand, PyTorch, difference`);
  ours.forEach((v, i) => { if (i % 20 === 0 || i === ours.length - 1) console.log(`${String(i).padStart(4)}  ${v.toFixed(6)}  ${theirs[i]!.toFixed(6)}  ${diffs[i]!.toExponential(1)}`); });
  const [first, most] = [diffs[0]!, Math.max(...diffs)];
  const ok = first <= 1e-5 && most <= 1e-3;
  failed ||= !ok;
  console.log(`${name}: first loss differs by ${first.toExponential(1)} (allowed 1e-5), the worst by ${most.toExponential(1)} (allowed 1e-3): ${ok ? "equal" : "NOT EQUAL"}`);
}

const steps = Number(process.argv[2] ?? 200);

// ---- GPT
{
  const [block, layers, heads, embd, batch] = [64, 2, 4, 64, 8] as const;
  const corpus = new Corpus(readText(null, 1000).text.slice(0, 200_000));
  torch.manualSeed(1337);
  const model = new GPT({ vocabSize: corpus.vocabulary.length, blockSize: block, nLayer: layers, nHead: heads, nEmbd: embd, dropout: 0 });
  const params = [...model.parameters()];
  const optimizer = new optim.AdamW([{ params: params.filter((p) => p.ndim >= 2), weightDecay: 0.1 }, { params: params.filter((p) => p.ndim < 2), weightDecay: 0 }], { lr: 1e-3, betas: [0.9, 0.99] });
  const g = new torch.Generator().manualSeed(1337);
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const loss = model.loss(...corpus.batch("train", batch, block, g));
    optimizer.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm_(params, 1);
    optimizer.step();
    losses.push(loss.itemSync());
  }
  compare("GPT", losses, other("gpt.py", [steps, corpus.vocabulary.length, block, layers, heads, embd, batch], [...corpus.train]));
}

// ---- CNN, on real images where they are at hand
{
  const folder = process.env["FIREBRAND_DATA"] ?? join(here, "../../../shared/data");
  const file = (n: string): string => join(folder, "images", "mnist", n);
  const real = existsSync(file("t10k-images-idx3-ubyte.gz"));
  console.log(real ? "" : `\nno MNIST in ${folder}: random images stand in`);
  const count = 512;
  const bytes = real ? [...gunzipSync(readFileSync(file("t10k-images-idx3-ubyte.gz"))).subarray(16, 16 + count * 784)] : [...torch.randint(0, 256, [count * 784]).dataSync()].map(Number);
  const labels = real ? [...gunzipSync(readFileSync(file("t10k-labels-idx1-ubyte.gz"))).subarray(8, 8 + count)] : [...torch.randint(0, 10, [count]).dataSync()].map(Number);
  torch.manualSeed(7);
  const model = new nn.Sequential(new nn.Conv2d(1, 16, 3, { padding: 1 }), new nn.BatchNorm2d(16), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Conv2d(16, 32, 3, { padding: 1 }), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten(), new nn.Dropout(0.25), new nn.Linear(32 * 7 * 7, 10));
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
  const images = torch.tensor(Float32Array.from(bytes)).view([-1, 1, 28, 28]).div(255);
  const targets = torch.tensor(labels, { dtype: "int64" });
  const g = new torch.Generator().manualSeed(7);
  const batch = 32;
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const pick = torch.randint(0, count, [batch], { generator: g });
    const loss = nn.functional.crossEntropy(model.forward(images.index(pick)), targets.index(pick));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.itemSync());
  }
  compare("CNN", losses, other("cnn.py", [steps, batch], { images: bytes, labels }));
}
process.exit(failed ? 1 : 0);
