// From the tensors of a checkpoint to the parameters of a model: names are matched, values read one by one into their final dtype and place.
import { type DType, isDType, isFloating, itemSize } from "../core/dtype.ts";
import { FirebrandError, FormatError, ShapeError, showShape } from "../core/errors.ts";
import { getDevice } from "../core/device.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { open, type TensorFile } from "../io/load.ts";
import { Mappings } from "../io/mapping.ts";
import { type ReadOptions, StoredTensor } from "../io/stored.ts";
import { Linear } from "../nn/linear.ts";
import { isParameter, type Module, replaceData } from "../nn/module.ts";
import { Embedding } from "../nn/norm.ts";
import { QuantizedEmbedding, QuantizedLinear } from "../nn/quantized.ts";
import { QuantizedTensor } from "../ops/quantized/tensor.ts";
import { empty } from "../ops/create.ts";
import { to } from "../ops/copy.ts";
import { Conv1D } from "./shared/conv1d.ts";
import { type ModelFiles, readJson } from "./sources/files.ts";

/** Tensors of a checkpoint by name, not read yet. */
export interface Weights {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

/** A stored tensor seen otherwise: transposed, or joined of several. */
export class Derived extends StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nbytes: number;
  readonly #read: (options: ReadOptions) => Promise<unknown>;
  constructor(shape: readonly number[], parts: readonly StoredTensor[], read: (options: ReadOptions) => Promise<unknown>) {
    super();
    this.dtype = parts[0]!.dtype;
    this.shape = shape;
    this.nbytes = parts.reduce((n, p) => n + p.nbytes, 0);
    this.#read = read;
  }
  async read(options: ReadOptions = {}): Promise<unknown> {
    return this.#read(options);
  }
}

/** A stored matrix with rows and columns exchanged. */
export class Transposed extends Derived {
  readonly original: StoredTensor;
  constructor(original: StoredTensor) {
    super([...original.shape].reverse(), [original], async (o) => {
      const w = await original.read(o);
      return (w instanceof QuantizedTensor ? w.dequantize() : (w as Tensor)).t().contiguous();
    });
    this.original = original;
  }
}

const SINGLE = ["model.safetensors", "pytorch_model.bin", "model.bin"] as const;

/** Opens the weights of a folder in Hugging Face's layout: one file, or several with an index. @throws ArgumentError, FormatError */
export async function openWeights(files: ModelFiles): Promise<Weights> {
  for (const file of SINGLE) {
    const index = `${file}.index.json`;
    if (await files.has(index)) return openShards(files, index);
    if (await files.has(file)) {
      const opened = await open(await files.open(file));
      return { tensors: opened.tensors, close: () => opened.close() };
    }
  }
  throw new FirebrandError({
    op: "fromPretrained",
    message: `${files.name} holds no weights`,
    hint: `Looked for ${SINGLE.flatMap((f) => [f, `${f}.index.json`]).join(", ")}`,
  });
}
async function openShards(files: ModelFiles, index: string): Promise<Weights> {
  const map = (await readJson(files, index))["weight_map"];
  if (typeof map !== "object" || map === null || !Object.values(map).every((v) => typeof v === "string"))
    throw new FormatError({
      op: "fromPretrained",
      message: `${files.name}/${index}: weight_map is missing, expected names of tensors with names of files`,
      hint: "The file is damaged",
    });
  const opened = new Map<string, TensorFile>();
  const close = async (): Promise<void> => {
    for (const f of opened.values()) await f.close();
  };
  const tensors = new Map<string, StoredTensor>();
  try {
    for (const [name, file] of Object.entries(map as Record<string, string>)) {
      let shard = opened.get(file);
      if (!shard) {
        // A name from the file must not lead out of the folder.
        if (/[\\/]|^\.\.?$/.test(file))
          throw new FormatError({
            op: "fromPretrained",
            message: `${files.name}/${index}: the file ${JSON.stringify(file)} lies elsewhere`,
            hint: "The file is damaged",
          });
        opened.set(file, (shard = await open(await files.open(file))));
      }
      const t = shard.tensors.get(name);
      if (!t)
        throw new FormatError({
          op: "fromPretrained",
          message: `${files.name}/${file}: no tensor ${JSON.stringify(name)}, which ${index} has there`,
          hint: "The download is incomplete",
        });
      tensors.set(name, t);
    }
  } catch (e) {
    await close();
    throw e;
  }
  return { tensors, close };
}

/** How tensors become parameters. */
export interface LoadWeightsOptions {
  /** Of floating parameters; `auto`: as stored, quantised weights of linear layers and embeddings in their blocks. */
  readonly dtype: DType | "auto";
  readonly device: string;
  /** Keys that files may lack: tied ones, and those that are made anew. */
  readonly optional: (key: string) => boolean;
  /** Keys that files may have beyond the model's. */
  readonly ignored: (key: string) => boolean;
  /** For messages. */
  readonly name: string;
  /** Called after each tensor, with bytes of the file. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What did not match. */
export interface WeightsReport {
  readonly missingKeys: readonly string[];
  readonly unexpectedKeys: readonly string[];
}

/**
 * Reads weights into a model built on the `meta` device: each parameter gets its memory when its values come, so that nothing is there twice.
 * @throws ShapeError that lists every tensor of another shape, FirebrandError that lists missing keys; nothing is read then
 */
export async function loadWeights(
  model: Module,
  tensors: ReadonlyMap<string, StoredTensor>,
  o: LoadWeightsOptions,
): Promise<WeightsReport> {
  getDevice(o.device, "fromPretrained");
  const own = new Map<string, Tensor>([...model.namedParameters(), ...model.namedBuffers()]);
  const keys = new Set(Object.keys(model.stateDict()));
  const wrong = [...own].filter(([k, t]) => tensors.has(k) && showShape(tensors.get(k)!.shape) !== showShape(t.shape));
  const missingKeys = [...own.keys()].filter((k) => keys.has(k) && !tensors.has(k));
  const lacking = missingKeys.filter((k) => !o.optional(k));
  const unexpectedKeys = [...tensors.keys()].filter((k) => !keys.has(k) && !o.ignored(k));
  const some = (all: readonly string[]): string => `${all.slice(0, 12).join(", ")}${all.length > 12 ? `, … (${all.length} in all)` : ""}`;
  const lines: string[] = [];
  if (wrong.length)
    lines.push(
      `shapes differ: ${some(wrong.map(([k, t]) => `${k} (found ${showShape(tensors.get(k)!.shape)}, expected ${showShape(t.shape)})`))}`,
    );
  if (lacking.length)
    lines.push(`missing keys: ${some(lacking)}${unexpectedKeys.length ? `; found instead: ${some(unexpectedKeys)}` : ""}`);
  if (lines.length) {
    const facts = {
      op: "fromPretrained",
      message: `${o.name}: ${lines.join("; ")}`,
      hint: "The weights must belong to the configuration",
      data: { missingKeys: lacking, unexpectedKeys },
    };
    throw wrong.length ? new ShapeError(facts) : new FirebrandError(facts);
  }
  const total = [...own.keys()].reduce((n, k) => n + (tensors.get(k)?.nbytes ?? 0), 0);
  let done = 0;
  const mappings = new Mappings();
  const reading = { device: o.device, shared: new Map<unknown, Tensor>(), mappings };
  try {
    for (const [key, t] of own) {
      const stored = tensors.get(key);
      if (!stored) continue;
      o.signal?.throwIfAborted();
      const kept = isDType(stored.dtype) ? stored.dtype : "float32";
      const dtype = o.dtype === "auto" || !isFloating(t.dtype) ? (isFloating(t.dtype) && !isFloating(kept) ? t.dtype : kept) : o.dtype;
      // Blocks run along the inputs: a quantised layer has its weight [out, in], as files do.
      const conv = stored instanceof Transposed && o.dtype === "auto" && layerOf(model, key) instanceof Conv1D;
      const values = await (conv && !isDType(stored.dtype) ? stored.original : stored).read(reading);
      if (!(values instanceof QuantizedTensor)) replaceData(t, settled(values as Tensor, dtype));
      else if (o.dtype !== "auto" || !keepQuantized(model, key, values)) replaceData(t, values.dequantize({ dtype }));
      done += stored.nbytes;
      o.onProgress?.(done, total);
    }
  } finally {
    await mappings.close();
  }
  return { missingKeys, unexpectedKeys };
}
// In its final dtype, in memory that holds nothing else.
function settled(values: Tensor, dtype: DType): Tensor {
  return noGrad(() => {
    const cast = to(values.detach(), dtype).contiguous();
    // A view of a larger storage would keep all of it.
    return cast.storage.nbytes > 2 * cast.layout.numel * itemSize(dtype) ? cast.clone() : cast;
  });
}
/** Makes the layer whose weight it is one that computes with the blocks as they are. False where there is no such layer. */
function keepQuantized(model: Module, key: string, weight: QuantizedTensor): boolean {
  const layer = layerOf(model, key);
  if (layer === null || weight.shape.length !== 2) return false;
  const kept =
    layer instanceof Linear || layer instanceof Conv1D
      ? QuantizedLinear.from(weight, layer.bias)
      : layer instanceof Embedding
        ? QuantizedEmbedding.from(weight)
        : null;
  if (kept) replaceModule(model, key.slice(0, -WEIGHT.length), kept.eval());
  return kept !== null;
}
const WEIGHT = ".weight";
/** The layer that a key names the weight of. */
const layerOf = (model: Module, key: string): Module | null =>
  key.endsWith(WEIGHT) ? model.getSubmodule(key.slice(0, -WEIGHT.length)) : null;
/** Puts another module in the place of the one at a dotted path. */
export function replaceModule(model: Module, path: string, by: Module): void {
  const dot = path.lastIndexOf(".");
  model.getSubmodule(path.slice(0, Math.max(0, dot))).addModule(path.slice(dot + 1), by);
}

/** Gives memory to what is still on the `meta` device, and says which tensors those are: they hold no values yet. */
export function materialise(model: Module, dtype: DType, device: string): Tensor[] {
  const made: Tensor[] = [];
  for (const t of [...model.parameters(), ...model.buffers()]) {
    if (t.device !== "meta") continue;
    replaceData(
      t,
      noGrad(() => empty([...t.shape], { dtype: isFloating(t.dtype) && isParameter(t) ? dtype : t.dtype, device })),
    );
    made.push(t);
  }
  return made;
}
