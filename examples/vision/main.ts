// Trains a small convolutional network on MNIST or Fashion-MNIST idx files and reports its accuracy on images it has not seen.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SingleBar } from "cli-progress";
import * as torch from "firebrand";
import { nn, optim, type Tensor } from "firebrand";
import { type Images, readFolder } from "./idx.ts";

const HELP = `Trains a CNN on MNIST or Fashion-MNIST.

  npm run vision -- [options]

  --data DIR     folder with idx files (train-images…, train-labels…, t10k-…; .gz or not)
                 (default: fashion-mnist or mnist in ../shared/data/images)
  --set NAME     mnist or fashion-mnist, when --data is not given (default: mnist)
  --epochs N     (default: 12)
  --batch-size N (default: 64)
  --lr X         peak learning rate (default: 0.003)
  --seed N       (default: 1)

Where only the t10k files are there, every tenth image is held back for testing.`;

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    set: { type: "string", default: "mnist" },
    epochs: { type: "string", default: "12" },
    "batch-size": { type: "string", default: "64" },
    lr: { type: "string", default: "0.003" },
    seed: { type: "string", default: "1" },
    help: { type: "boolean" },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const fail = (message: string): never => {
  console.error(`error: ${message}`);
  process.exit(2);
};
const whole = (name: "epochs" | "batch-size" | "seed", least: number): number => {
  const v = Number(values[name]);
  return Number.isInteger(v) && v >= least ? v : fail(`--${name} is ${values[name]}: a whole number of at least ${least} is needed`);
};
const [epochs, batchSize, seed, lr] = [whole("epochs", 1), whole("batch-size", 2), whole("seed", 0), Number(values.lr)];
const folder = values.data ?? join(import.meta.dirname, "../../../../shared/data/images", values.set);
if (!values.data && !existsSync(folder)) fail(`no images found in ${folder}. Give a folder of idx files with --data`);

class Net extends nn.Module {
  readonly features: InstanceType<typeof nn.Sequential>;
  readonly classify: InstanceType<typeof nn.Sequential>;
  constructor() {
    super();
    const block = (from: number, to: number): InstanceType<typeof nn.Module>[] => [
      new nn.Conv2d(from, to, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(to),
      new nn.ReLU(),
    ];
    this.features = new nn.Sequential(
      ...([...block(1, 32), ...block(32, 32), new nn.MaxPool2d(2), ...block(32, 64), ...block(64, 64), new nn.MaxPool2d(2)] as never[]),
    ); // [N, 64, 7, 7]
    this.classify = new nn.Sequential(
      new nn.Flatten(),
      new nn.Dropout(0.4),
      new nn.Linear(64 * 49, 128),
      new nn.ReLU(),
      new nn.Dropout(0.4),
      new nn.Linear(128, 10),
    );
  }
  forward(x: Tensor): Tensor {
    return this.classify.forward(this.features.forward(x));
  }
}

const split = (all: Images): { train: Images; test: Images } => {
  const rows = Array.from({ length: all.count }, (_, i) => i);
  const part = (keep: number[]): Images => ({
    count: keep.length,
    labels: Uint8Array.from(keep, (i) => all.labels[i]!),
    pixels: Uint8Array.from(keep.flatMap((i) => [...all.pixels.subarray(i * 784, (i + 1) * 784)])),
  });
  return { train: part(rows.filter((i) => i % 10 !== 9)), test: part(rows.filter((i) => i % 10 === 9)) };
};
const load = (x: Images): { images: Tensor; labels: Tensor } => ({
  images: torch.tensor(x.pixels).view([x.count, 1, 28, 28]).to("float32").div(255),
  labels: torch.tensor(x.labels).to("int64"),
});

function main(): void {
  const found = readFolder(folder);
  const parts = found.train && found.test ? { train: found.train, test: found.test } : split((found.train ?? found.test)!);
  const fashion = /fashion/.test(folder);
  torch.manualSeed(seed);
  const [train, test] = [load(parts.train), load(parts.test)];
  const model = new Net();
  const optimizer = new optim.AdamW(model.parameters(), { lr, weightDecay: 0.02 });
  const steps = Math.floor(parts.train.count / batchSize);
  const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, lr, { totalSteps: steps * epochs });
  console.log(
    `${parts.train.count} images to learn from, ${parts.test.count} to test, ${[...model.parameters()].reduce((n, p) => n + p.numel(), 0).toLocaleString("en")} parameters`,
  );

  // Small shifts (and for clothes, mirror images) make more of few images.
  const varied = (x: Tensor): Tensor => {
    const padded = nn.functional.pad(x, [2, 2, 2, 2]);
    const [dy, dx, mirror] = [...torch.randint(0, 5, [3]).dataSync()].map(Number) as [number, number, number];
    const y = padded.narrow(2, dy, 28).narrow(3, dx, 28);
    return fashion && mirror % 2 ? y.flip([3]) : y;
  };
  const accuracy = (): number =>
    torch.noGrad(() => {
      model.eval();
      let hits = 0;
      for (let i = 0; i < parts.test.count; i += 250) {
        const n = Math.min(250, parts.test.count - i);
        hits += model
          .forward(test.images.narrow(0, i, n))
          .argmax(1)
          .eq(test.labels.narrow(0, i, n))
          .sum()
          .itemSync();
      }
      model.train();
      return hits / parts.test.count;
    });

  const loader = new torch.data.DataLoader(
    { length: parts.train.count, get: (i: number) => i },
    { batchSize, shuffle: true, dropLast: true },
  );
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const bar = process.stdout.isTTY
      ? new SingleBar({ format: `epoch ${epoch}/${epochs} {bar} {value}/{total} | loss {loss} | {eta}s left` })
      : null;
    bar?.start(loader.length, 0, { loss: "–" });
    let sum = 0;
    let count = 0;
    for (const index of loader) {
      const rows = index as Tensor;
      const loss = nn.functional.crossEntropy(model.forward(varied(train.images.indexSelect(0, rows))), train.labels.indexSelect(0, rows), {
        labelSmoothing: 0.05,
      });
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      scheduler.step();
      sum += loss.itemSync();
      count++;
      bar?.update(count, { loss: (sum / count).toFixed(3) });
    }
    bar?.stop();
    console.log(`epoch ${epoch}: loss ${(sum / loader.length).toFixed(4)}, test accuracy ${(100 * accuracy()).toFixed(2)} %`);
  }
}
try {
  main();
} catch (e) {
  fail((e as Error).message);
}
