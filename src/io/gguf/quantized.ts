// Quantised tensors that lie in files.
import type { BlockType } from "../../kernel/quant/block.ts";
import type { QuantType } from "../../kernel/quant/types.ts";
import { QuantizedTensor, quantizedBytes } from "../../ops/quantized/tensor.ts";
import { elementOf } from "../elements.ts";
import { RangedTensor } from "../ranged.ts";
import type { Region } from "../region.ts";
import { type ReadOptions, StoredTensor } from "../stored.ts";

/** Blocks hold numbers of up to eight bytes: mapped ones lie as those need. */
const ALIGN = 8;

/** A quantised tensor that lies in a file. @internal */
export class StoredQuantized extends StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nbytes: number;
  readonly #bytes: RangedTensor;
  constructor(blocks: Region, type: BlockType, shape: readonly number[], mmap = false) {
    super();
    this.dtype = type.name;
    this.shape = shape;
    this.nbytes = quantizedBytes(type, shape);
    this.#bytes = new RangedTensor(blocks, elementOf("uint8")!, [this.nbytes], { mmap, align: ALIGN });
  }
  async read(options: ReadOptions = {}): Promise<QuantizedTensor> {
    return new QuantizedTensor(this.dtype as QuantType, this.shape, await this.#bytes.read(options));
  }
}
