// Trains a character-level GPT on a text and writes in its manner. `npm start -- --help` explains the options.
import { createHash } from "node:crypto";
import { accessSync, constants, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "firebrand";
import { io, nn, optim } from "firebrand";
import { checkDevice, dashed, fail, flag, readOptions, real, text, whole } from "../terminal/options.ts";
import { Progress } from "../terminal/progress.ts";
import { Stop, turn } from "../terminal/stop.ts";
import { drawCurve, type History, svgCurve } from "./curve.ts";
import { GPT } from "./model.ts";
import { Corpus, readText } from "./text.ts";

const o = readOptions({
  about: "Trains a character-level GPT and prints a sample of what it learnt.",
  call: "npm start --",
  options: {
    data: text("FILE", null, "text to learn (default: TypeScript's own type declarations)"),
    out: text("DIR", join("out", "gpt"), "where checkpoints, loss curve and sample go"),
    steps: whole(3000, 1, "training steps in all"),
    resume: flag("go on from the newest checkpoint in --out, which must be there (default: go on if it is)"),
    fresh: flag("begin anew and remove the checkpoints in --out"),
    seed: whole(1337, 0, "seed of all random numbers"),
    device: text("NAME", "cpu", "where to compute"),
    layers: whole(4, 1, "transformer blocks"),
    heads: whole(4, 1, "attention heads of each"),
    embd: whole(128, 1, "width"),
    blockSize: whole(128, 1, "characters the model sees at once"),
    batchSize: whole(8, 1, "sequences in a step"),
    dropout: real(0, 0, 1, "share of activations dropped in training"),
    lr: real(3e-3, 0, Number.POSITIVE_INFINITY, "highest learning rate"),
    evalEvery: whole(250, 1, "steps from one validation and checkpoint to the next"),
    prompt: text("TEXT", null, "how the sample begins (default: as a declaration does, or a new line)"),
    sample: whole(600, 0, "characters to write at the end"),
  },
  notes: "Ctrl-C saves and stops; the same command then goes on where it stopped.",
});
if (o.embd % o.heads !== 0) fail(`--embd ${o.embd} is not divisible by --heads ${o.heads}`);
if (o.fresh && o.resume) fail("--fresh begins anew and --resume goes on: give one of them");
checkDevice(o.device);

// ---- The text, as numbers.

const source = readText(o.data, 20 * (o.blockSize + 1));
const corpus = new Corpus(source.text);
const line = corpus.vocabulary.includes("\n") ? "\n" : corpus.vocabulary[0]!;
const prompt = o.prompt ?? (o.data === null ? "\ninterface " : line);
const unknown = [...prompt].filter((c) => !corpus.vocabulary.includes(c)).join("");
if (unknown && o.sample > 0) fail(`--prompt holds ${JSON.stringify(unknown)}, which is not in the text: the model has no idea of it`);
const vocabSize = corpus.vocabulary.length;

// ---- The model and its optimizer. Only matrices decay: biases and the scales of norms are to be free.

torch.manualSeed(o.seed);
const model = new GPT({
  vocabSize,
  blockSize: o.blockSize,
  nLayer: o.layers,
  nHead: o.heads,
  nEmbd: o.embd,
  dropout: o.dropout,
}).to({ device: o.device });
const parameters = [...model.parameters()];
const optimizer = new optim.AdamW(
  [
    { params: parameters.filter((p) => p.ndim >= 2), weightDecay: 0.1 },
    { params: parameters.filter((p) => p.ndim < 2), weightDecay: 0 },
  ],
  { lr: o.lr, betas: [0.9, 0.99] },
);

let step = 0;
const history: History = { train: [], valSteps: [], val: [] };
const batches = new torch.Generator().manualSeed(o.seed); // of its own: the order of the data depends on nothing else

// ---- The checkpoints. They hold all that the steps to come depend on: a run in parts is the same as one in a piece.

const parts = { model, optimizer, generators: { batches } };
const data = createHash("sha256").update(source.text).digest("hex");
const fixed = { data, seed: o.seed, layers: o.layers, heads: o.heads, embd: o.embd, blockSize: o.blockSize };
const free = { steps: o.steps, batchSize: o.batchSize, dropout: o.dropout, lr: o.lr };
const extra = { fixed, free, history, vocabulary: [...corpus.vocabulary] };

async function save(): Promise<string> {
  const path = await io.saveTrainingState(o.out, { ...parts, step, extra }, { keep: 2 });
  writeFileSync(join(o.out, "loss.svg"), svgCurve(history));
  return path;
}
function differences(now: object, then: object): string {
  const old = then as Readonly<Record<string, unknown>>;
  const changed = Object.entries(now).filter(([name, value]) => value !== old[name]);
  return changed.map(([name, value]) => (name === "data" ? "another text" : `${dashed(name)} ${value} (was ${old[name]})`)).join(", ");
}

try {
  mkdirSync(o.out, { recursive: true });
  accessSync(o.out, constants.W_OK);
} catch (e) {
  fail(`nothing can be written in --out ${o.out}: ${(e as Error).message}`);
}
const found = await io.listTrainingStates(o.out);
if (o.resume && found.length === 0) fail(`--resume: there is no checkpoint in ${o.out}`);
if (o.fresh) {
  for (const { path } of found) rmSync(path, { recursive: true });
} else if (found.length > 0) {
  const choice = "--fresh begins anew and removes it, another --out leaves it";
  const load = (into: io.TrainingParts) =>
    io.loadTrainingState<typeof extra>(o.out, into).catch((e: Error) => fail(`${e.message}. ${choice}`, 1));
  const { path, extra: then } = await load({});
  if (then?.fixed === undefined) fail(`${path} is not of this program. ${choice}`);
  const misfits = differences(fixed, then.fixed);
  if (misfits) fail(`${path} was made otherwise: ${misfits}. ${choice}`);
  ({ step } = await load(parts));
  Object.assign(history, then.history);
  const changes = differences(free, then.free);
  console.log(`going on from ${path}${changes && `, now with ${changes}`}`);
  if (step >= o.steps) console.log("all steps are done: a greater --steps trains on, --fresh begins anew");
}

// ---- Training.

/** Warms up over a twentieth of the steps, then falls along half a cosine to a tenth. */
function learningRate(step: number): number {
  const warm = Math.ceil(o.steps / 20);
  if (step < warm) return (o.lr * (step + 1)) / warm;
  return o.lr * (0.55 + 0.45 * Math.cos((Math.PI * (step - warm)) / (o.steps - warm)));
}

/** The mean loss of 16 batches of the validation part, the same each time. */
function validate(): number {
  const same = new torch.Generator().manualSeed(o.seed + 1);
  model.eval();
  const losses = torch.noGrad(() =>
    Array.from({ length: 16 }, () => model.loss(...corpus.batch("validation", o.batchSize, o.blockSize, same, o.device)).itemSync()),
  );
  model.train();
  return losses.reduce((a, b) => a + b) / losses.length;
}

const count = parameters.reduce((n, p) => n + p.numel(), 0).toLocaleString("en");
const length = source.text.length.toLocaleString("en");
console.log(`${count} parameters on ${o.device}; ${source.name}: ${length} characters, ${vocabSize} different`);
const stop = new Stop();
const progress = new Progress(step, o.steps, o.batchSize * o.blockSize, "tok");

while (step < o.steps && !stop.requested) {
  for (const group of optimizer.paramGroups) group.lr = learningRate(step);
  const [x, y] = corpus.batch("train", o.batchSize, o.blockSize, batches, o.device); // [B, T], and one character on
  const loss = model.loss(x, y);
  optimizer.zeroGrad();
  loss.backward();
  nn.utils.clipGradNorm_(parameters, 1);
  optimizer.step();
  step++;

  const value = loss.itemSync();
  if (!Number.isFinite(value)) {
    progress.end();
    fail(`the loss is ${value} at step ${step}. Give a smaller --lr; what ${o.out} holds is intact`, 1);
  }
  history.train.push(value);
  const milestone = step % o.evalEvery === 0 || step === o.steps;
  if (milestone) {
    history.valSteps.push(step);
    history.val.push(validate());
    await save();
  }
  await turn(); // lets Ctrl-C and changes of the window in
  progress.update(step, { loss: value.toFixed(3), val: history.val.at(-1)?.toFixed(3) ?? "–" }, milestone);
}
progress.end();

if (step < o.steps) {
  console.log(`stopped at step ${step}, saved in ${await save()}: the same command goes on from there`);
  process.exit(130);
}

// ---- What came of it.

console.log(`\ntraining loss\n${drawCurve(history, process.stdout.columns ?? 80)}\n`);
console.log(
  `loss ${history.train.at(-1)!.toFixed(4)}, validation ${history.val.at(-1)?.toFixed(4) ?? "–"}; curve and checkpoints are in ${o.out}`,
);
if (o.sample > 0) {
  console.log("\na sample:");
  let written = prompt;
  process.stdout.write(prompt);
  model.eval();
  for (const token of model.generate(corpus.encode(prompt), o.sample)) {
    if (stop.requested) break;
    const character = corpus.decode(token);
    written += character;
    process.stdout.write(character);
    await turn();
  }
  console.log();
  writeFileSync(join(o.out, "sample.txt"), written);
}
