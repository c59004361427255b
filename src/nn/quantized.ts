// Linear and Embedding with quantised weights: frozen, as they lie in GGUF files, and read as they are.
import { bindArgs, checkTensor, given } from "../core/arguments.ts";
import type { DType } from "../core/dtype.ts";
import { ArgumentError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { blockType, QUANT_TYPES, type QuantType } from "../kernel/quant/types.ts";
import { zeros } from "../ops/create.ts";
import { quantizedEmbedding, quantizedLinear } from "../ops/quantized/index.ts";
import { QuantizedTensor } from "../ops/quantized/tensor.ts";
import { type FactoryOptions, Linear, parameter } from "./linear.ts";
import { Module, Parameter } from "./module.ts";
import { Embedding } from "./norm.ts";

/** Blocks of zeros: [rows, bytes of a row], what `loadStateDict` fills. */
function blank(op: string, type: QuantType, shape: readonly [number, number], device: string | null): QuantizedTensor {
  const t = blockType(type);
  if (!t) throw new ArgumentError({ op, message: `no quantised type ${given(type)}`, hint: `Known types: ${QUANT_TYPES.join(", ")}` });
  const width = Math.floor(shape[1] / t.size) * t.bytes; // the tensor refuses what is no whole number of blocks
  return new QuantizedTensor(type, shape, zeros([shape[0], width], { dtype: "uint8", device }));
}
const matrix = (op: string, weight: QuantizedTensor): readonly [number, number] => {
  if (!(weight instanceof QuantizedTensor) || weight.shape.length !== 2)
    throw new ArgumentError({ op, message: `weight is ${given(weight)}`, hint: "Give a QuantizedTensor of two dimensions" });
  return weight.shape as readonly [number, number];
};

/**
 * `x @ weightᵀ + bias` with a quantised weight: [..., inFeatures] → [..., outFeatures]. The state has the blocks as `weight` (uint8,
 * [outFeatures, bytes of a row]), a buffer that has no gradient, and `bias`; inputs get their gradient. See `functional.quantizedLinear`.
 * @throws ArgumentError for an unknown type, ShapeError when inFeatures is no whole number of blocks
 * @example
 * const layer = nn.QuantizedLinear.from(new nn.Linear(64, 8), "Q8_0");
 * layer.forward(ones(2, 64)).shape // => [2, 8]
 */
export class QuantizedLinear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly type: QuantType;
  /** The blocks. */
  declare weight: Tensor;
  bias: Parameter | null;
  constructor(inFeatures: number, outFeatures: number, type: QuantType, options?: FactoryOptions & { bias?: boolean });
  constructor(...args: unknown[]) {
    super();
    const [inFeatures, outFeatures, type, bias = true, device, dtype] = bindArgs(
      "QuantizedLinear",
      ["inFeatures", "outFeatures", "type: text", "bias?: flag", "device?", "dtype?"],
      args,
    ) as [number, number, QuantType, boolean?, string?, DType?];
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.type = type;
    this.registerBuffer("weight", blank("QuantizedLinear", type, [outFeatures, inFeatures], device ?? null).bytes);
    this.bias = bias ? parameter([outFeatures], { device: device ?? null, dtype: dtype ?? null }) : null;
    this.bias?.detach().zero_();
  }
  /**
   * The layer with this weight, which is not copied: a Linear's is quantised first, and its bias shared.
   * @throws ShapeError, ArgumentError for types that cannot be made without an importance matrix
   */
  static from(source: Linear, type: QuantType): QuantizedLinear;
  static from(source: QuantizedTensor, bias?: Tensor | null): QuantizedLinear;
  static from(source: Linear | QuantizedTensor, second?: QuantType | Tensor | null): QuantizedLinear {
    const op = "QuantizedLinear.from";
    const linear = source instanceof Linear ? source : null;
    const weight = linear ? QuantizedTensor.quantize(linear.weight.detach(), second as QuantType) : (source as QuantizedTensor);
    const [outFeatures, inFeatures] = matrix(op, weight);
    const bias = linear ? linear.bias : ((second as Tensor | null | undefined) ?? null);
    if (bias !== null) checkTensor(op, "bias", bias);
    const layer = new QuantizedLinear(inFeatures, outFeatures, weight.type, { bias: false, device: "meta" });
    layer.weight = weight.bytes;
    layer.bias = bias === null || bias instanceof Parameter ? bias : new Parameter(bias, false);
    return layer;
  }
  /** The weight as a quantised tensor over the same memory. */
  get quantized(): QuantizedTensor {
    return new QuantizedTensor(this.type, [this.outFeatures, this.inFeatures], this.weight);
  }
  forward(x: Tensor): Tensor {
    return quantizedLinear(x, this.quantized, this.bias);
  }
  override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, type=${this.type}, bias=${this.bias ? "True" : "False"}`;
  }
}

/**
 * A quantised table of vectors: int64 [...] → [..., embeddingDim] of `dtype`. Only the rows that are asked for are decoded. The state has
 * the blocks as `weight` (uint8, [numEmbeddings, bytes of a row]), a buffer without gradient.
 * @throws ArgumentError for an unknown type, ShapeError when embeddingDim is no whole number of blocks
 * @example nn.QuantizedEmbedding.from(new nn.Embedding(10, 32), "Q8_0").forward(tensor([1, 2])).shape // => [2, 32]
 */
export class QuantizedEmbedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly type: QuantType;
  /** The dtype of what comes out. */
  readonly dtype: DType;
  /** The blocks. */
  declare weight: Tensor;
  constructor(numEmbeddings: number, embeddingDim: number, type: QuantType, options?: FactoryOptions);
  constructor(...args: unknown[]) {
    super();
    const [numEmbeddings, embeddingDim, type, device, dtype = "float32"] = bindArgs(
      "QuantizedEmbedding",
      ["numEmbeddings", "embeddingDim", "type: text", "device?", "dtype?"],
      args,
    ) as [number, number, QuantType, string?, DType?];
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.type = type;
    this.dtype = dtype;
    this.registerBuffer("weight", blank("QuantizedEmbedding", type, [numEmbeddings, embeddingDim], device ?? null).bytes);
  }
  /** The table with this weight, which is not copied; an Embedding's is quantised first. `dtype`: of what comes out. */
  static from(source: Embedding, type: QuantType, options?: { dtype?: DType }): QuantizedEmbedding;
  static from(source: QuantizedTensor, options?: { dtype?: DType }): QuantizedEmbedding;
  static from(source: Embedding | QuantizedTensor, ...rest: unknown[]): QuantizedEmbedding {
    const table = source instanceof Embedding ? source : null;
    const weight = table ? QuantizedTensor.quantize(table.weight.detach(), rest[0] as QuantType) : (source as QuantizedTensor);
    const [numEmbeddings, embeddingDim] = matrix("QuantizedEmbedding.from", weight);
    const { dtype } = (rest[table ? 1 : 0] ?? {}) as { dtype?: DType };
    const layer = new QuantizedEmbedding(numEmbeddings, embeddingDim, weight.type, {
      device: "meta",
      dtype: dtype ?? table?.weight.dtype ?? "float32",
    });
    layer.weight = weight.bytes;
    return layer;
  }
  /** The weight as a quantised tensor over the same memory. */
  get quantized(): QuantizedTensor {
    return new QuantizedTensor(this.type, [this.numEmbeddings, this.embeddingDim], this.weight);
  }
  forward(index: Tensor): Tensor {
    return quantizedEmbedding(index, this.quantized, { dtype: this.dtype });
  }
  override extraRepr(): string {
    return `${this.numEmbeddings}, ${this.embeddingDim}, type=${this.type}`;
  }
}
