// A small training run with everything that has state: dropout, shuffling, momentum, schedulers, a generator of its own.
import * as torch from "../../../src/index.ts";
import { io, nn, optim } from "../../../src/index.ts";

class Net extends nn.Module {
  readonly fc = new nn.Linear(4, 16);
  readonly norm = new nn.BatchNorm1d(16);
  readonly drop = new nn.Dropout(0.2);
  readonly out = new nn.Linear(16, 1);
  forward(x: torch.Tensor): torch.Tensor {
    return this.out.forward(this.drop.forward(this.norm.forward(this.fc.forward(x)).relu()));
  }
}

/** Steps `from` … `to` of the run; resumes from `folder` where there is a checkpoint, saves there after every `every` steps. */
export async function train(to: number, folder: string | null, every: number): Promise<{ losses: number[]; weights: number[] }> {
  torch.manualSeed(1);
  const x = torch.randn(40, 4);
  const set = new torch.data.TensorDataset(x, x.sum(1, { keepdim: true }));
  const noise = new torch.Generator().manualSeed(5);
  const model = new Net();
  const optimizer = new optim.AdamW(
    [
      { params: [model.fc.weight, model.out.weight], weightDecay: 0.1 },
      { params: [model.fc.bias!, model.out.bias!, model.norm.weight!, model.norm.bias!] },
    ],
    { lr: 0.01 },
  );
  const scheduler = new optim.lrScheduler.SequentialLR(
    optimizer,
    [
      new optim.lrScheduler.LinearLR(optimizer, { startFactor: 0.1, totalIters: 10 }),
      new optim.lrScheduler.CosineAnnealingLR(optimizer, 100),
    ],
    [10],
  );
  const loader = new torch.data.DataLoader(set, { batchSize: 8, shuffle: true });
  const parts = { model, optimizer, scheduler, loader, generators: { noise } };
  let step = 0;
  let losses: number[] = [];
  if (folder !== null && (await latest(folder))) ({ step, extra: losses } = await io.loadTrainingState<number[]>(folder, parts));
  while (step < to) {
    for (const [input, target] of loader as Iterable<[torch.Tensor, torch.Tensor]>) {
      const noisy = input.add(torch.randn(input.shape, { generator: noise }).mul(0.01));
      const loss = nn.functional.mseLoss(model.forward(noisy), target);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      scheduler.step();
      losses.push(loss.itemSync());
      step++;
      if (folder !== null && step % every === 0) await io.saveTrainingState(folder, { ...parts, step, extra: losses }, { keep: 2 });
      if (step === to) break;
    }
  }
  return { losses, weights: Object.values(model.stateDict()).flatMap((t) => t.flatten().to("float64").toArraySync() as number[]) };
}

async function latest(folder: string): Promise<boolean> {
  return (await io.listTrainingStates(folder).catch(() => [])).length > 0;
}

// As a program: node run.js STEPS FOLDER EVERY
if (process.argv[1] === import.meta.filename) {
  const [steps, folder, every] = [Number(process.argv[2]), process.argv[3]!, Number(process.argv[4])];
  console.log(JSON.stringify(await train(steps, folder, every)));
}
