// Trains a character-level GPT on a text and writes in its manner. Run with --help for the options.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as torch from "firebrand";
import { io, nn, optim, type Tensor } from "firebrand";
import { GPT, type GptConfig } from "./model.ts";
import { drawCurve, type History, Progress, writeCurve } from "./report.ts";
import { Corpus, readText } from "./text.ts";

const HELP = `Trains a character-level GPT and prints samples of what it learnt.

  npm start -- [options]

  --data FILE        text to learn (default: TypeScript's own type declarations)
  --out DIR          where checkpoints, the loss curve and samples go (default: out/gpt)
  --steps N          training steps (default: 1200)
  --fresh            begin anew, even if --out holds a checkpoint
  --resume           continue from the checkpoint in --out, or stop if there is none
                     (default: continue where there is one that fits)
  --seed N           seed of all random numbers (default: 1337)
  --device NAME      where to compute (default: cpu)
  --batch-size N     sequences a step (default: 16)
  --block-size N     characters the model sees at once (default: 128)
  --layers N         transformer blocks (default: 4)
  --heads N          attention heads (default: 4)
  --embd N           width (default: 128)
  --dropout P        (default: 0)
  --lr X             peak learning rate (default: 0.001)
  --eval-every N     steps between validations and checkpoints (default: 200)
  --sample N         characters to write at the end (default: 600)
  --help             this text

Ctrl-C saves and stops; the same command then goes on where it stopped.`;

const stopWith = (message: string): never => {
  console.error(`error: ${message}`);
  process.exit(2);
};

function options() {
  const str = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  let values: Record<string, string | boolean | undefined> = {};
  try {
    ({ values } = parseArgs({
      options: {
        data: str,
        out: str,
        steps: str,
        fresh: flag,
        resume: flag,
        seed: str,
        device: str,
        "batch-size": str,
        "block-size": str,
        layers: str,
        heads: str,
        embd: str,
        dropout: str,
        lr: str,
        "eval-every": str,
        sample: str,
        help: flag,
      },
    }));
  } catch (e) {
    stopWith(`${(e as Error).message}\nRun with --help for the options.`);
  }
  if (values["help"]) {
    console.log(HELP);
    process.exit(0);
  }
  const number = (name: string, fallback: number, least: number, whole = true): number => {
    const v = values[name] === undefined ? fallback : Number(values[name]);
    if (!Number.isFinite(v) || v < least || (whole && !Number.isInteger(v)))
      stopWith(`--${name} is ${String(values[name])}: ${whole ? "a whole number" : "a number"} of at least ${least} is needed`);
    return v;
  };
  return {
    data: values["data"] as string | undefined,
    out: (values["out"] as string | undefined) ?? join("out", "gpt"),
    fresh: !!values["fresh"],
    resume: !!values["resume"],
    device: (values["device"] as string | undefined) ?? "cpu",
    steps: number("steps", 1200, 1),
    seed: number("seed", 1337, 0),
    batch: number("batch-size", 16, 1),
    block: number("block-size", 128, 2),
    layers: number("layers", 4, 1),
    heads: number("heads", 4, 1),
    embd: number("embd", 128, 1),
    dropout: number("dropout", 0, 0, false),
    lr: number("lr", 1e-3, 0, false),
    evalEvery: number("eval-every", 200, 1),
    sample: number("sample", 600, 0),
  };
}

interface Saved {
  config: GptConfig;
  step: number;
  seed: number;
  model: Record<string, Tensor>;
  optimizer: optim.OptimizerState;
  rng: ReturnType<torch.Generator["getState"]>;
  batches: ReturnType<torch.Generator["getState"]>;
  history: History;
  vocabulary: string[];
}

async function main(): Promise<void> {
  const o = options();
  if (o.embd % o.heads) stopWith(`--embd ${o.embd} is not divisible by --heads ${o.heads}`);
  if (!torch.deviceNames().includes(o.device)) stopWith(`no device ${o.device}: there are ${torch.deviceNames().join(", ")}`);
  const { text, name } = readText(o.data, 20 * (o.block + 1));
  const corpus = new Corpus(text);
  const config: GptConfig = {
    vocabSize: corpus.vocabulary.length,
    blockSize: o.block,
    nLayer: o.layers,
    nHead: o.heads,
    nEmbd: o.embd,
    dropout: o.dropout,
  };

  torch.manualSeed(o.seed);
  const batches = new torch.Generator().manualSeed(o.seed); // a sequence of its own: the order of data depends on nothing else
  const model = new GPT(config).to({ device: o.device });
  const decay = [...model.parameters()].filter((p) => p.ndim >= 2);
  const rest = [...model.parameters()].filter((p) => p.ndim < 2);
  const optimizer = new optim.AdamW(
    [
      { params: decay, weightDecay: 0.1 },
      { params: rest, weightDecay: 0 },
    ],
    { lr: o.lr, betas: [0.9, 0.99] },
  );
  const history: History = { steps: [], train: [], valSteps: [], val: [] };
  let step = 0;

  mkdirSync(o.out, { recursive: true });
  const file = join(o.out, "checkpoint.safetensors");
  if (o.resume && !existsSync(file)) stopWith(`--resume: there is no ${file}`);
  if (!o.fresh && existsSync(file)) {
    const saved = await io.loadCheckpoint<Saved>(file);
    if (JSON.stringify(saved.config) !== JSON.stringify(config) || saved.vocabulary.join("") !== corpus.vocabulary.join(""))
      stopWith(`${file} is of another model or text (${JSON.stringify(saved.config)}). Use --fresh to begin anew, or another --out`);
    model.loadStateDict(saved.model);
    optimizer.loadStateDict(saved.optimizer);
    torch.defaultGenerator.setState(saved.rng);
    batches.setState(saved.batches);
    Object.assign(history, saved.history);
    step = saved.step;
    console.log(`continuing from step ${step} in ${file}`);
  }
  const save = async (): Promise<void> =>
    io.saveCheckpoint(
      {
        config,
        step,
        seed: o.seed,
        model: model.stateDict(),
        optimizer: optimizer.stateDict(),
        rng: torch.defaultGenerator.getState(),
        batches: batches.getState(),
        history,
        vocabulary: [...corpus.vocabulary],
      },
      file,
    );

  const count = [...model.parameters()].reduce((n, p) => n + p.numel(), 0);
  console.log(
    `${count.toLocaleString("en")} parameters on ${o.device}; ${name}: ${text.length.toLocaleString("en")} characters, ${corpus.vocabulary.length} different`,
  );

  // Warm up over 5 % of the steps, then half a cosine down to a tenth.
  const rate = (s: number): number => {
    const warm = Math.max(1, Math.floor(o.steps * 0.05));
    if (s < warm) return (o.lr * (s + 1)) / warm;
    return o.lr * (0.1 + 0.45 * (1 + Math.cos((Math.PI * (s - warm)) / Math.max(1, o.steps - warm))));
  };
  const validate = (): number =>
    torch.noGrad(() => {
      model.eval();
      const fixed = new torch.Generator().manualSeed(o.seed + 1); // the same windows every time
      let sum = 0;
      for (let i = 0; i < 8; i++)
        sum += model
          .loss(...corpus.batch("validation", o.batch, Math.min(o.block, corpus.validation.length - 2), fixed, o.device))
          .itemSync();
      model.train();
      return sum / 8;
    });

  let stopping = false;
  process.on("SIGINT", () => {
    if (stopping) process.exit(130);
    stopping = true;
  });
  const progress = new Progress(step, o.steps);
  while (step < o.steps && !stopping) {
    for (const g of optimizer.paramGroups) g.lr = rate(step);
    const loss = model.loss(...corpus.batch("train", o.batch, o.block, batches, o.device));
    optimizer.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm_(model.parameters(), 1);
    optimizer.step();
    step++;
    const value = loss.itemSync();
    if (!Number.isFinite(value)) {
      progress.stop();
      stopWith(`the loss is ${value} at step ${step}. Use a smaller --lr; the last checkpoint in ${o.out} is intact`);
    }
    history.steps.push(step);
    history.train.push(value);
    if (step % o.evalEvery === 0 || step === o.steps) {
      history.valSteps.push(step);
      history.val.push(validate());
      progress.validation(history.val.at(-1)!);
      await save();
    }
    progress.step(step, value, o.batch * o.block);
    await new Promise<void>((done) => setImmediate(done)); // lets Ctrl-C in
  }
  progress.stop();
  if (stopping) {
    await save();
    console.log(`\nstopped at step ${step}; saved in ${file}. Run the same command to go on.`);
    return;
  }

  const curve = drawCurve(history);
  if (curve) console.log(`\ntraining loss\n${curve}`);
  writeCurve(history, join(o.out, "loss.svg"));
  console.log(
    `\nfinal loss ${history.train.at(-1)?.toFixed(4) ?? "–"}, validation ${history.val.at(-1)?.toFixed(4) ?? "–"}; curve in ${join(o.out, "loss.svg")}, weights in ${file}`,
  );
  if (o.sample > 0) {
    console.log("\na sample:\n");
    model.eval();
    for (const token of model.generate([...corpus.encode("\ninterface ")], o.sample)) process.stdout.write(corpus.decode(token));
    console.log();
  }
}

main().catch((e: unknown) => {
  const error = e as Error & { code?: string };
  console.error(`error: ${error.message}`);
  process.exit(1);
});
