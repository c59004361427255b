// Language models beside PyTorch with transformers, and beside llama.cpp on the same files: 128 tokens read at once, then tokens one by one.
// Random weights: only shapes matter here. PYTHON names an interpreter with both, PEERS a folder with node-llama-cpp installed.
//   npm run bench:llm -- [--only REGEX] [--rounds 3] [--threads 2]
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as torch from "firebrand";
import { AutoModelForCausalLM, type CausalModel, GPT2LMHeadModel, LlamaForCausalLM } from "firebrand/models";
import { geometric, median, table } from "./timing.ts";

const PROMPT = 128;
const NEW = 32;
const llama1b = {
  vocabSize: 128256,
  hiddenSize: 2048,
  intermediateSize: 8192,
  numHiddenLayers: 16,
  numAttentionHeads: 32,
  numKeyValueHeads: 8,
  headDim: 64,
};
const llama8b = {
  vocabSize: 128256,
  hiddenSize: 4096,
  intermediateSize: 14336,
  numHiddenLayers: 32,
  numAttentionHeads: 32,
  numKeyValueHeads: 8,
  headDim: 128,
};
type Sizes = typeof llama1b;
interface Case {
  readonly name: string;
  readonly kind: "gpt2" | "llama";
  readonly dtype: "float32" | "bfloat16" | "Q8_0" | "Q4_K";
  readonly sizes?: Sizes;
}
const CASES: readonly Case[] = [
  { name: "GPT-2 124M, float32", kind: "gpt2", dtype: "float32" },
  { name: "GPT-2 124M, bfloat16", kind: "gpt2", dtype: "bfloat16" },
  { name: "LLaMA 3.2 1B, float32", kind: "llama", dtype: "float32", sizes: llama1b },
  { name: "LLaMA 3.2 1B, bfloat16", kind: "llama", dtype: "bfloat16", sizes: llama1b },
  { name: "LLaMA 3.2 1B, Q8_0", kind: "llama", dtype: "Q8_0", sizes: llama1b },
  { name: "LLaMA 3.2 1B, Q4_K", kind: "llama", dtype: "Q4_K", sizes: llama1b },
  { name: "LLaMA 3 8B, Q4_K", kind: "llama", dtype: "Q4_K", sizes: llama8b },
];
/** Seconds for the prompt, seconds a token after it, and the most memory in bytes. */
interface Figures {
  readonly prefill: number;
  readonly decode: number;
  readonly rss: number;
}

const isFile = (c: Case): boolean => c.dtype.startsWith("Q");
/** A model of random weights that takes its final memory and no more. */
function random(c: Case): CausalModel {
  torch.setDefaultDevice("meta");
  const model =
    c.kind === "gpt2"
      ? new GPT2LMHeadModel()
      : new LlamaForCausalLM({ ...c.sizes, tieWordEmbeddings: true, ropeTheta: 5e5, maxPositionEmbeddings: 8192 });
  torch.setDefaultDevice("cpu");
  model.to(c.dtype as "float32").toEmpty({ device: "cpu" });
  torch.noGrad(() => {
    for (const p of model.parameters())
      if (p.ndim === 2) p.uniform_(-0.03, 0.03);
      else p.fill_(1);
  });
  return model.eval();
}
/** Blocks with sane scales, the same few over and over: decoding takes as long whatever they hold. */
function blocks(type: "Q8_0" | "Q4_K" | "Q6_K", shape: readonly [number, number]): torch.io.QuantizedTensor {
  const rows = Math.min(64, shape[0]);
  const part = torch.io.QuantizedTensor.quantize(torch.empty(rows, shape[1]).uniform_(-0.03, 0.03), type);
  return new torch.io.QuantizedTensor(
    type,
    shape,
    part.bytes
      .repeat(Math.ceil(shape[0] / rows), 1)
      .narrow(0, 0, shape[0])
      .contiguous(),
  );
}
async function writeGguf(c: Case, path: string): Promise<void> {
  const s = c.sizes!;
  const type = c.dtype as "Q8_0" | "Q4_K";
  const kv = s.numKeyValueHeads * s.headDim;
  const tensors: Record<string, torch.Tensor | torch.io.QuantizedTensor> = {
    "token_embd.weight": blocks(type === "Q8_0" ? type : "Q6_K", [s.vocabSize, s.hiddenSize]),
    "output_norm.weight": torch.ones(s.hiddenSize),
  };
  const shapes: Record<string, [number, number]> = {
    attn_q: [s.numAttentionHeads * s.headDim, s.hiddenSize],
    attn_k: [kv, s.hiddenSize],
    attn_v: [kv, s.hiddenSize],
    attn_output: [s.hiddenSize, s.numAttentionHeads * s.headDim],
    ffn_gate: [s.intermediateSize, s.hiddenSize],
    ffn_up: [s.intermediateSize, s.hiddenSize],
    ffn_down: [s.hiddenSize, s.intermediateSize],
  };
  const made = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, blocks(type, shape)]));
  for (let i = 0; i < s.numHiddenLayers; i++) {
    for (const [name, w] of Object.entries(made)) tensors[`blk.${i}.${name}.weight`] = w;
    for (const name of ["attn_norm", "ffn_norm"]) tensors[`blk.${i}.${name}.weight`] = torch.ones(s.hiddenSize);
  }
  const tokens = Array.from({ length: s.vocabSize }, (_, i) =>
    i < 3 ? ["<unk>", "<s>", "</s>"][i]! : i < 259 ? `<0x${(i - 3).toString(16).toUpperCase().padStart(2, "0")}>` : `t${i}`,
  );
  const field = (type: string, value: unknown): { type: never; value: never } => ({ type: type as never, value: value as never });
  await torch.io.saveGguf(tensors, path, {
    metadata: {
      "general.architecture": "llama",
      "general.name": c.name,
      "llama.context_length": 8192,
      "llama.embedding_length": s.hiddenSize,
      "llama.block_count": s.numHiddenLayers,
      "llama.feed_forward_length": s.intermediateSize,
      "llama.attention.head_count": s.numAttentionHeads,
      "llama.attention.head_count_kv": s.numKeyValueHeads,
      "llama.attention.layer_norm_rms_epsilon": field("float32", 1e-5),
      "llama.rope.dimension_count": s.headDim,
      "llama.rope.freq_base": field("float32", 5e5),
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.tokens": field("string[]", tokens),
      "tokenizer.ggml.scores": field(
        "float32[]",
        tokens.map((_, i) => -i),
      ),
      "tokenizer.ggml.token_type": field(
        "int32[]",
        tokens.map((_, i) => (i < 1 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)),
      ),
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2,
    },
  });
}

/** What a child of this program measures. */
async function measure(c: Case, file: string): Promise<Figures> {
  const model = isFile(c) ? await AutoModelForCausalLM.fromPretrained(file) : random(c);
  const ids = torch.randint(300, 32000, [1, PROMPT]);
  let best = { prefill: Number.POSITIVE_INFINITY, decode: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 3; round++)
    torch.noGrad(() => {
      const cache = model.newCache({ batch: 1, length: PROMPT + NEW + 1 });
      const next = (input: torch.Tensor): torch.Tensor => {
        const token = model.forward(input, { cache, logitsToKeep: 1 }).logits.select(1, -1).argmax(-1, true);
        token.toArraySync();
        return token;
      };
      const start = performance.now();
      let token = next(ids);
      const read = performance.now();
      for (let i = 0; i < NEW; i++) token = next(token);
      best = {
        prefill: Math.min(best.prefill, (read - start) / 1000),
        decode: Math.min(best.decode, (performance.now() - read) / 1000 / NEW),
      };
    });
  return { ...best, rss: peak() };
}
/** The most resident memory of this process, in bytes. */
const peak = (): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) * 1024;

const { values: o, positionals } = parseArgs({
  options: {
    only: { type: "string" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "2" },
    child: { type: "boolean" },
  },
  allowPositionals: true,
});
if (o.child) {
  torch.setNumThreads(Number(o.threads));
  const [name, file] = positionals as [string, string];
  console.log(JSON.stringify(await measure(CASES.find((c) => c.name === name)!, file)));
  process.exit(0);
}
const python = process.env["PYTHON"] ?? "python3";
const peers = process.env["PEERS"] ?? "";
const here = join(import.meta.dirname, "../../bench");
const last = (command: string, args: readonly string[]): Figures | null => {
  const done = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });
  const line = done.stdout?.trim().split("\n").at(-1) ?? "";
  return done.status === 0 && line.startsWith("{") ? (JSON.parse(line) as Figures) : null;
};
const hasTorch = spawnSync(python, ["-c", "import torch, transformers"]).status === 0;
const hasLlama = existsSync(join(peers, "node_modules", "node-llama-cpp"));
if (!hasTorch) console.log(`PyTorch is not measured: ${python} has no torch and transformers (set PYTHON)`);
if (!hasLlama) console.log("llama.cpp is not measured: no node-llama-cpp in PEERS");
const versions = hasTorch
  ? spawnSync(python, ["-c", "import torch, transformers as t; print('PyTorch', torch.__version__, 'transformers', t.__version__)"], {
      encoding: "utf8",
    }).stdout.trim()
  : "";
const llamaVersion = hasLlama
  ? `node-llama-cpp ${(JSON.parse(readFileSync(join(peers, "node_modules/node-llama-cpp/package.json"), "utf8")) as { version: string }).version}`
  : "";

const scratch = mkdtempSync(join(tmpdir(), "firebrand-llm-"));
const lines: string[][] = [];
const ratios = { torch: [] as number[], llama: [] as number[] };
try {
  for (const c of CASES.filter((c) => new RegExp(o.only ?? "").test(c.name))) {
    const file = join(scratch, "model.gguf");
    if (isFile(c)) await writeGguf(c, file);
    const [ours, theirs]: [Figures[], Figures[]] = [[], []];
    for (let i = 0; i < Number(o.rounds); i++) {
      const mine = last(process.execPath, [...process.execArgv, process.argv[1]!, "--child", "--threads", o.threads, c.name, file]);
      if (!mine) throw new Error(`${c.name} cannot be measured`);
      ours.push(mine);
      const other = isFile(c)
        ? hasLlama && last(process.execPath, [join(here, "peers/llama.mjs"), peers, file, o.threads, String(PROMPT), String(NEW)])
        : hasTorch &&
          last(python, [
            join(here, "llm_opponent.py"),
            c.kind,
            c.dtype,
            JSON.stringify(c.sizes ?? null),
            o.threads,
            String(PROMPT),
            String(NEW),
          ]);
      if (other) theirs.push(other);
    }
    const of = (all: readonly Figures[], key: keyof Figures): number => median(all.map((f) => f[key]));
    const cell = (key: "prefill" | "decode", n: number): string[] => {
      const [a, b] = [of(ours, key), theirs.length ? of(theirs, key) : Number.NaN];
      if (theirs.length) ratios[isFile(c) ? "llama" : "torch"].push(b / a);
      return [(n / a).toFixed(1), theirs.length ? (n / b).toFixed(1) : "–", theirs.length ? `${(b / a).toFixed(2)}x` : "–"];
    };
    const gb = (all: readonly Figures[]): string => (all.length ? (of(all, "rss") / 1e9).toFixed(2) : "–");
    lines.push([c.name, isFile(c) ? "llama.cpp" : "PyTorch", ...cell("prefill", PROMPT), ...cell("decode", 1), gb(ours), gb(theirs)]);
    console.log(`| ${lines.at(-1)!.join(" | ")} |`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (o.only === undefined && lines.length) {
  const mean = (xs: readonly number[]): string => (xs.length ? geometric(xs).toFixed(2) : "–");
  const text = `# Language models beside PyTorch and llama.cpp

\`npm run bench:llm\`: ${cpus()[0]?.model.trim()} with ${cpus().length} processors, ${o.threads} threads; Node ${process.versions.node}, ${[versions, llamaVersion].filter(Boolean).join(", ")}.
Tokens a second: ${PROMPT} tokens read at once, then ${NEW} one by one, random weights; the best of three runs in each of ${o.rounds} processes, all in turn, and their median. A ratio
above 1 means that Firebrand is faster. Memory is the most that a process had resident, in GB, mapped files included.

${table(["model", "beside", "prefill", "theirs", "ratio", "decode", "theirs", "ratio", "GB", "theirs"], lines)}

Geometric means: ${mean(ratios.torch)} beside PyTorch, ${mean(ratios.llama)} beside llama.cpp.
`;
  writeFileSync(join(here, "LLM.md"), text);
  console.log("written to bench/LLM.md");
}
process.exit(0);
