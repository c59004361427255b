// Trains a small convolutional network on MNIST or Fashion-MNIST and tells how many images it has not seen it gets right.
// `npm run vision -- --help` explains the options.
import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import * as torch from "firebrand";
import { data, nn, optim } from "firebrand";
import { checkDevice, fail, flag, readOptions, real, text, whole } from "../terminal/options.ts";
import { Progress } from "../terminal/progress.ts";
import { Stop, turn } from "../terminal/stop.ts";
import { batchOf, readImages, splitImages } from "./idx.ts";

const o = readOptions({
  about: "Trains a CNN on images of clothes (Fashion-MNIST) or digits (MNIST) and tests it after each epoch.",
  call: "npm run vision --",
  options: {
    data: text("DIR", null, "folder of idx files, .gz or not: train-images…, train-labels…, t10k-images…, t10k-labels…"),
    set: text("NAME", "fashion-mnist", "without --data: the folder of that name in ../shared/data/images, or mnist"),
    epochs: whole(16, 1, "times through the images"),
    batchSize: whole(64, 1, "images in a step"),
    lr: real(2e-3, 0, Number.POSITIVE_INFINITY, "highest learning rate"),
    mirror: flag("learn from mirror images too (default: where the folder's name says fashion)"),
    seed: whole(1, 0, "seed of all random numbers"),
    device: text("NAME", "cpu", "where to compute"),
  },
  notes: `Without train images, every tenth of the t10k images is held back for testing. Debian's package
dataset-fashion-mnist holds all of Fashion-MNIST: --data /usr/share/datasets/fashion-mnist`,
});

checkDevice(o.device);

// ---- The images: those to learn from, and others to test with.

const folder = o.data ?? join(import.meta.dirname, "../../../../shared/data/images", o.set);
if (!existsSync(folder)) fail(`there is no folder ${folder}. Give a folder of idx files with --data`);
if (!statSync(folder).isDirectory()) fail(`${folder} is no folder. Give a folder of idx files with --data`);
const [given, t10k] = [readImages(folder, "train"), readImages(folder, "t10k")];
const only = given ?? t10k ?? fail(`${folder} holds no train-images or t10k-images. Give a folder of idx files with --data`);
const { train, test } = given && t10k ? { train: given, test: t10k } : splitImages(only);
if (test.labels.length === 0) fail(`${folder} holds ${only.labels.length} images, needed at least 10`);
const variation = { shift: 1, mirror: o.mirror || /fashion/i.test(basename(folder)) };

// ---- The network: [B, 1, 28, 28] → scores of the classes [B, 10].

torch.manualSeed(o.seed);
const conv = (from: number, to: number) => [new nn.Conv2d(from, to, 3, { padding: 1, bias: false }), new nn.BatchNorm2d(to), new nn.ReLU()];
const model = new nn.Sequential(
  ...conv(1, 32), // [B, 32, 28, 28]
  new nn.MaxPool2d(2), // [B, 32, 14, 14]
  ...conv(32, 64), // [B, 64, 14, 14]
  new nn.MaxPool2d(2), // [B, 64, 7, 7]
  ...conv(64, 128), // [B, 128, 7, 7]
  new nn.Flatten(),
  new nn.Dropout(0.2),
  new nn.Linear(128 * 7 * 7, 128), // [B, 128]
  new nn.ReLU(),
  new nn.Dropout(0.2),
  new nn.Linear(128, 10), // [B, 10]
).to({ device: o.device });
const optimizer = new optim.AdamW(model.parameters(), { lr: o.lr, weightDecay: 0.02 });
const rows = { length: train.labels.length, get: (i: number) => i };
const collateFn = (batch: number[]) => batchOf(train, batch, o.device, variation); // [B, 1, 28, 28] and [B]
const loader = new data.DataLoader(rows, { batchSize: o.batchSize, shuffle: true, collateFn });
const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, o.lr, { totalSteps: o.epochs * loader.length });

// ---- Training.

const stop = new Stop();

/** The share of the test images whose class gets the highest score. */
async function accuracy(): Promise<number> {
  const count = test.labels.length;
  let hits = 0;
  model.eval();
  for (let first = 0; first < count && !stop.requested; first += 250) {
    const rows = Array.from({ length: Math.min(250, count - first) }, (_, i) => first + i);
    const [x, y] = batchOf(test, rows, o.device);
    hits += torch.noGrad(() => model.forward(x).argmax(1).eq(y).sum().itemSync());
    await turn();
  }
  model.train();
  return hits / count;
}

const parameters = [...model.parameters()].reduce((n, p) => n + p.numel(), 0).toLocaleString("en");
const held = given && t10k ? "" : `, every tenth of ${given ? "train" : "t10k"}`;
console.log(
  `${train.labels.length} images to learn from, ${test.labels.length} to test with${held}; ${parameters} parameters on ${o.device}`,
);
const progress = new Progress(0, o.epochs * loader.length, o.batchSize, "images");
let step = 0;
for (let epoch = 1; epoch <= o.epochs && !stop.requested; epoch++) {
  let sum = 0;
  let seen = 0;
  for (const [x, y] of loader) {
    const loss = nn.functional.crossEntropy(model.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    scheduler.step();
    step++;

    const value = loss.itemSync();
    if (!Number.isFinite(value)) fail(`the loss is ${value} at step ${step}. Give a smaller --lr`, 1);
    sum += value;
    seen++;
    await turn(); // lets Ctrl-C and changes of the window in
    if (stop.requested) break;
    progress.update(step, { epoch: `${epoch}/${o.epochs}`, loss: (sum / seen).toFixed(3) });
  }
  const share = await accuracy();
  if (!stop.requested) progress.print(`epoch ${epoch}: loss ${(sum / seen).toFixed(4)}, test accuracy ${(100 * share).toFixed(2)} %`);
}
progress.end();
if (stop.requested) {
  console.log(`stopped at step ${step}`);
  process.exit(130);
}
