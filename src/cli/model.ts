// What the commands for language models share: their options, loading with a progress line, and figures at the end.
import { type DType, isDType } from "../core/dtype.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import type { GenerateOptions } from "../generation/index.ts";
import type { CausalLM } from "../generation/model.ts";
import type { HubFiles } from "../hub/index.ts";
import type { CausalModel, FromPretrainedOptions, SentenceTransformer } from "../models/index.ts";
import type { Tokenizer } from "../tokenizers/index.ts";
import { progress } from "./progress.ts";
import { size } from "./table.ts";

/** Options of all commands that load a model. */
export const MODEL_OPTIONS = {
  device: { type: "string" },
  dtype: { type: "string" },
  revision: { type: "string" },
  offline: { type: "boolean" },
} as const;
/** What `--help` says of them. */
export const MODEL_HELP = `  --device D         where to compute (default: cpu)
  --dtype T          dtype of the weights: float32, bfloat16, float16 (default: as stored)
  --revision R       branch, tag or commit, for models of the hub
  --offline          use what has been downloaded and ask nobody
SOURCE is a folder in Hugging Face's layout or Meta's, a GGUF file, or a model of the hub.`;
/** Options of commands that generate text. */
export const SAMPLING_OPTIONS = {
  temperature: { type: "string" },
  "top-p": { type: "string" },
  "top-k": { type: "string" },
  "min-p": { type: "string" },
  "repetition-penalty": { type: "string" },
  "max-tokens": { type: "string" },
  seed: { type: "string" },
} as const;
/** What `--help` says of them. */
export const SAMPLING_HELP = `  --temperature X    0: always the likeliest token (default: the model's, else 0.7)
  --top-p X, --top-k N, --min-p X, --repetition-penalty X
  --max-tokens N     at most so many new tokens
  --seed N           draw the same again`;

type Values = Readonly<Record<string, string | boolean | undefined>>;

/** The number that an option gives. @throws ValueError */
export function numberOption(values: Values, name: string, bounds: { whole?: boolean; min?: number } = {}): number | undefined {
  const { whole = false, min = 0 } = bounds;
  const given = values[name];
  if (given === undefined) return undefined;
  const x = typeof given === "string" && given.trim() !== "" ? Number(given) : Number.NaN;
  if (!Number.isFinite(x) || x < min || (whole && !Number.isSafeInteger(x)))
    throw new ValueError({ message: `--${name} ${given}`, hint: `It must be ${whole ? "a whole number" : "a number"} from ${min} on` });
  return x;
}

/** A model and its tokenizer, and generation's view of the model. */
export interface Loaded {
  readonly model: CausalModel;
  readonly lm: CausalLM;
  readonly tokenizer: Tokenizer;
  /** Positions at most: the model's, 4096 or what is asked for. */
  readonly context: number;
}

/** What the options say of where a model comes from and how it is kept. @throws ValueError for a dtype that is none */
export function loadingOf(values: Values): { dtype?: DType; device?: string; revision?: string; offline?: true } {
  const { dtype, device, revision, offline } = values;
  if (dtype !== undefined && !isDType(dtype))
    throw new ValueError({ message: `--dtype ${dtype}`, hint: "It must be float32, bfloat16, float16 or float64" });
  return {
    ...(dtype !== undefined && { dtype }),
    ...(device !== undefined && { device: String(device) }),
    ...hubOf({ revision, offline }),
  };
}
const hubOf = ({ revision, offline }: Values): { revision?: string; offline?: true } => ({
  ...(revision !== undefined && { revision: String(revision) }),
  ...(offline === true && { offline }),
});
/** A line on the terminal for whatever file is being read, with its end: one for a process, since one thing is read after another. */
const bar = ((): { show(what: string, done: number, total: number): void; stop(): void } => {
  let [line, now] = [progress("loading", 0), ""];
  return {
    show: (what, done, total) => {
      if (now !== what) {
        line.stop();
        now = what;
        line = progress(what, total);
      }
      line.to(done);
    },
    stop: () => line.stop(),
  };
})();
const onLoad: FromPretrainedOptions["onProgress"] & {} = ({ stage, file, done, total }) => bar.show(`${stage} ${file}`, done, total);

/** The files that a source stands for: a model of the hub is listed once, for whoever reads of it. */
export async function filesOf(source: string, values: Values): Promise<string | HubFiles> {
  const { fromHub } = await import("../hub/resolve.ts");
  const onProgress = (file: string, done: number, total: number): void => bar.show(`download ${file}`, done, total);
  return (await fromHub(source, { ...hubOf(values), onProgress })) ?? source;
}

// Models that read a text as a whole: sentence-transformers' and their kin.
const ENCODERS = new Set(["bert", "roberta", "xlm-roberta", "distilbert", "t5"]);

/** Loads a model of sentences; null where a source holds a model of another kind. @throws what `fromPretrained` throws */
export async function loadEncoder(
  from: string | HubFiles,
  values: Values,
): Promise<{ readonly model: SentenceTransformer; readonly tokenizer: Tokenizer } | null> {
  const { AutoConfig, SentenceTransformer } = await import("../models/index.ts");
  if (!ENCODERS.has((await AutoConfig.fromPretrained(from)).modelType)) return null;
  const { AutoTokenizer } = await import("../tokenizers/index.ts");
  const tokenizer = await AutoTokenizer.fromPretrained(from);
  const options = { ...loadingOf(values), tokenizer, onProgress: onLoad };
  const model = await SentenceTransformer.fromPretrained(from, options).finally(bar.stop);
  return { model: model.eval(), tokenizer };
}

/** The text in a file; `hint` says where its name comes from. @throws ArgumentError when there is none */
export async function textOf(file: string, hint: string): Promise<string> {
  const fs = await import("node:fs");
  if (!fs.existsSync(file) || !fs.statSync(file).isFile()) throw new ArgumentError({ message: `there is no file ${file}`, hint });
  return fs.readFileSync(file, "utf8");
}

/** Loads what a command works with: a source, or what `filesOf` gave for it. @throws what `fromPretrained` throws */
export async function loadModel(source: string | HubFiles, values: Values): Promise<Loaded> {
  const loading = loadingOf(values);
  const { AutoModelForCausalLM } = await import("../models/index.ts");
  const { AutoTokenizer } = await import("../tokenizers/index.ts");
  const from = typeof source === "string" ? await filesOf(source, values) : source;
  const model = await AutoModelForCausalLM.fromPretrained(from, { ...loading, onProgress: onLoad }).finally(bar.stop);
  const tokenizer = await AutoTokenizer.fromPretrained(from);
  const lm: CausalLM = model;
  const most = lm.config.maxPositionEmbeddings ?? lm.config.nPositions ?? 4096;
  const asked = numberOption(values, "context", { whole: true, min: 1 });
  if (asked !== undefined && asked > most) throw new ValueError({ message: `--context ${asked}`, hint: `The model has ${most} positions` });
  return { model, lm, tokenizer, context: asked ?? Math.min(most, 4096) };
}

/** How tokens are chosen; without a model, to find what is wrong before it is loaded. @throws ValueError */
export function samplingOf(values: Values, lm?: CausalLM): GenerateOptions {
  const own = lm?.generationConfig ?? {};
  const temperature = numberOption(values, "temperature") ?? own.temperature ?? 0.7;
  const optional = (name: string, key: keyof GenerateOptions, bounds = {}): GenerateOptions => {
    const x = numberOption(values, name, bounds);
    return x === undefined ? {} : { [key]: x };
  };
  return {
    doSample: temperature > 0,
    temperature: temperature > 0 ? temperature : 1,
    ...optional("top-p", "topP"),
    ...optional("top-k", "topK", { whole: true }),
    ...optional("min-p", "minP"),
    ...optional("repetition-penalty", "repetitionPenalty"),
    ...optional("seed", "seed", { whole: true }),
  };
}

/** Times an answer: its prompt up to the first token, and the tokens after it. */
export class Meter {
  readonly #begun = performance.now();
  #first = 0;
  #last = 0;
  tokens = 0;
  /** A token has come. */
  token(): void {
    this.#last = performance.now();
    if (this.tokens++ === 0) this.#first = this.#last;
  }
  /** `24 tokens, 35.1 tokens/s · prompt of 23 in 0.05 s · 123 MB`. */
  summary(promptLength: number): string {
    const rate = this.tokens > 1 ? `, ${figureOf(((this.tokens - 1) * 1000) / (this.#last - this.#first))} tokens/s` : "";
    const prompt = this.tokens > 0 ? ` · prompt of ${promptLength} in ${((this.#first - this.#begun) / 1000).toFixed(2)} s` : "";
    return `${this.tokens} ${this.tokens === 1 ? "token" : "tokens"}${rate}${prompt} · ${memoryUsed()}`;
  }
}
const figureOf = (x: number): string => (x < 100 ? x.toFixed(1) : x.toFixed(0));
/** The resident memory of this process, in words. */
export const memoryUsed = (): string => `${size(process.memoryUsage.rss())} resident`;
/** Says something beside the output. */
export const note = (line: string): void => void process.stderr.write(`${line}\n`);
