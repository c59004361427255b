// Tunes a language model on a text with LoRA: one that is given, or a small LLaMA that it trains first. `npm run finetune -- --help` explains the options.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as torch from "firebrand";
import type { io } from "firebrand";
import { accumulateGradients, getPeftModel, type LogitsModel, perplexity, quantizeModel } from "firebrand/finetune";
import { stream } from "firebrand/generation";
import { AutoModelForCausalLM, type CausalModel, LlamaForCausalLM } from "firebrand/models";
import { AutoTokenizer } from "firebrand/tokenizers";
import { drawCurve } from "../gpt/curve.ts";
import { checkDevice, fail, flag, readOptions, real, text, whole } from "../terminal/options.ts";
import { Stop, turn } from "../terminal/stop.ts";
import { baseText, bytes, Corpus, tuneText, type Vocabulary } from "./data.ts";
import { train } from "./train.ts";

const o = readOptions({
  about: "Tunes a language model on a text with LoRA, and shows how well it foretells what was held back, before and after.",
  call: "npm run finetune --",
  options: {
    model: text("PATH", null, "folder, GGUF file or hub id of the model to tune (default: a small LLaMA, trained first)"),
    tokenizer: text("PATH", null, "folder or file of its tokenizer (default: what is with the model, else bytes)"),
    data: text("FILE", null, "text to tune on (default: a novel where one is at hand, else the library's source)"),
    out: text("DIR", join("out", "finetune"), "where checkpoints, curves and the adapter go"),
    baseSteps: whole(600, 1, "training steps of the small LLaMA"),
    steps: whole(400, 1, "training steps of the adapters"),
    loraR: whole(8, 1, "rank of the adapters"),
    loraAlpha: whole(16, 1, "their factor, over the rank"),
    loraDropout: real(0.05, 0, 0.99, "share of their inputs dropped in training"),
    target: text("NAMES", "all-linear", "layers that get adapters, with commas between"),
    quantize: text("TYPE", null, "freeze the model in a quantised type, Q4_0, Q4_K or Q8_0, say: QLoRA"),
    lr: real(2e-3, 0, Number.POSITIVE_INFINITY, "highest learning rate"),
    batchSize: whole(8, 1, "sequences at a time"),
    accumulate: whole(1, 1, "such batches in a step"),
    blockSize: whole(128, 2, "tokens of a sequence"),
    checkpointing: flag("compute layers again in backward: less memory, more time"),
    fresh: flag("begin anew and remove the checkpoints in --out"),
    seed: whole(1337, 0, "seed of all random numbers"),
    device: text("NAME", "cpu", "where to compute"),
    evalEvery: whole(100, 1, "steps from one validation and checkpoint to the next"),
    evalTokens: whole(8192, 2, "tokens held back that are judged"),
    sample: whole(300, 0, "tokens to write at the end"),
  },
  notes: "Ctrl-C saves and stops; the same command then goes on where it stopped. The adapter in --out/adapter is PEFT's format.",
});
checkDevice(o.device);
const [baseFolder, tuneFolder, adapter] = ["base", "lora", "adapter"].map((name) => join(o.out, name)) as [string, string, string];
try {
  for (const folder of [baseFolder, tuneFolder]) mkdirSync(folder, { recursive: true });
} catch (e) {
  fail(`nothing can be written in --out ${o.out}: ${(e as Error).message}`);
}
const stop = new Stop();
const least = 40 * o.blockSize;
const vocabulary = await vocabularyOf(o.tokenizer ?? o.model);
const digest = (tokens: Int32Array): string => createHash("sha256").update(tokens).digest("hex").slice(0, 16);
const judge = (model: LogitsModel, of: Corpus): number =>
  perplexity(model, torch.tensor([...of.held.subarray(0, o.evalTokens)], { device: o.device }), { maxLength: o.blockSize }).loss;
const tokens = o.batchSize * o.blockSize;

/** The tokens of a tokenizer; bytes where a model has none. */
async function vocabularyOf(source: string | null): Promise<Vocabulary> {
  if (source === null) return bytes;
  try {
    const tokenizer = await AutoTokenizer.fromPretrained(source);
    return {
      unit: "token",
      size: tokenizer.vocabSize,
      encode: (text) => tokenizer.encode(text, { addSpecialTokens: false }),
      stream: () => {
        const decoder = tokenizer.decodeStream();
        return (token) => decoder.push(token);
      },
    };
  } catch (e) {
    if (o.tokenizer === null && existsSync(source)) return bytes;
    throw e;
  }
}

// ---- The base model.

async function baseModel(): Promise<CausalModel> {
  if (o.model !== null) return AutoModelForCausalLM.fromPretrained(o.model, { device: o.device });
  const saved = join(baseFolder, "model");
  if (o.fresh) rmSync(saved, { recursive: true, force: true });
  if (existsSync(join(saved, "config.json"))) return LlamaForCausalLM.fromPretrained(saved, { device: o.device });
  const corpus = new Corpus(baseText(least), vocabulary);
  torch.manualSeed(o.seed);
  const model = new LlamaForCausalLM({
    vocabSize: 256,
    hiddenSize: 128,
    intermediateSize: 352,
    numHiddenLayers: 4,
    numAttentionHeads: 4,
    numKeyValueHeads: 2,
    maxPositionEmbeddings: 1024,
    tieWordEmbeddings: true,
  }).to({ device: o.device });
  console.log(`a LLaMA of ${model.numParameters().toLocaleString("en")} parameters learns ${corpus.name}`);
  await train(
    {
      folder: baseFolder,
      model,
      steps: o.baseSteps,
      lr: 3e-3,
      seed: o.seed,
      tokens,
      evalEvery: o.evalEvery,
      fixed: { data: digest(corpus.train), baseSteps: o.baseSteps, batchSize: o.batchSize, blockSize: o.blockSize },
      fresh: o.fresh,
      gradients: (batches) => accumulateGradients(model.train(), [{ inputIds: corpus.batch(o.batchSize, o.blockSize, batches, o.device) }]),
      validate: () => judge(model, corpus),
    },
    stop,
  );
  await model.savePretrained(saved);
  return model;
}
const base = await baseModel();
if (base.config.vocabSize < vocabulary.size)
  fail(
    `${o.model} has a vocabulary of ${base.config.vocabSize}, the ${o.tokenizer ?? "tokens"} ${vocabulary.size}: they do not belong together`,
  );

// ---- The adapters.

if (o.quantize !== null) {
  const types = Object.values(quantizeModel(base, o.quantize as io.QuantType));
  console.log(`${types.length} layers are now ${[...new Set(types)].join(" and ")}`);
}

const corpus = new Corpus(tuneText(o.data, least), vocabulary);
const before = Math.exp(judge(base, corpus));
torch.manualSeed(o.seed);
const model = getPeftModel(base, {
  r: o.loraR,
  loraAlpha: o.loraAlpha,
  loraDropout: o.loraDropout,
  targetModules: o.target === "all-linear" ? o.target : o.target.split(","),
  taskType: "CAUSAL_LM",
  baseModelNameOrPath: o.model ?? join(baseFolder, "model"),
});
if (o.checkpointing) base.gradientCheckpointingEnable();
const { trainable, all, percent } = model.trainableParameters();
console.log(
  `\nadapters of ${trainable.toLocaleString("en")} parameters, ${percent.toFixed(2)} % of ${all.toLocaleString("en")}, learn ${corpus.name}`,
);
const history = await train(
  {
    folder: tuneFolder,
    model: { stateDict: () => model.adapterState(), namedParameters: () => model.namedParameters() },
    steps: o.steps,
    lr: o.lr,
    seed: o.seed,
    tokens: tokens * o.accumulate,
    evalEvery: o.evalEvery,
    fixed: {
      data: digest(corpus.train),
      model: o.model ?? `of ${o.baseSteps} steps`,
      steps: o.steps,
      loraR: o.loraR,
      loraAlpha: o.loraAlpha,
      loraDropout: o.loraDropout,
      target: o.target,
      quantize: o.quantize,
      batchSize: o.batchSize,
      accumulate: o.accumulate,
      blockSize: o.blockSize,
    },
    fresh: o.fresh,
    gradients: (batches) => {
      model.train();
      const draw = (): torch.Tensor => corpus.batch(o.batchSize, o.blockSize, batches, o.device);
      return accumulateGradients(
        model,
        Array.from({ length: o.accumulate }, () => ({ inputIds: draw() })),
      );
    },
    validate: () => judge(model, corpus),
  },
  stop,
);

// ---- What came of it.

await model.savePretrained(adapter);
console.log(`\ntraining loss\n${drawCurve(history, process.stdout.columns ?? 80)}\n`);
const after = Math.exp(judge(model, corpus));
console.log(`perplexity of what was held back, a ${vocabulary.unit}: ${before.toFixed(3)} before, ${after.toFixed(3)} after`);
console.log(`the adapter is in ${adapter}, curve and checkpoints in ${tuneFolder}`);
if (o.sample > 0) {
  console.log("\na sample:");
  const written = vocabulary.stream();
  const prompt = [...corpus.held.subarray(0, Math.min(o.blockSize, 64))];
  for (const token of prompt) process.stdout.write(written(token));
  // Some models have room for more tokens than there are.
  const none = Array.from({ length: base.config.vocabSize - vocabulary.size }, (_, i) => vocabulary.size + i);
  const drawn = { maxNewTokens: o.sample, doSample: true, temperature: 0.8, eosTokenId: [], suppressTokens: none };
  for await (const { id } of stream(base.eval(), prompt, drawn)) {
    if (stop.requested) break;
    if (id !== null) process.stdout.write(written(id));
    await turn();
  }
  console.log();
}
