// How drivers reach the kernels: the argument ring and one call. A host is the native addon or the WASM build.
import { type FirebrandError, IndexError, OutOfMemoryError, UnsupportedError, ValueError } from "../../core/errors.ts";
import type { Storage } from "../../core/storage.ts";
import { dtypeId, itemSize } from "../../core/dtype.ts";
import type { Operand } from "../../kernel/spec.ts";
import { MAX_DIMS, OP, type NativeOp } from "./abi.ts";

/**
 * Arguments go to `ring` from position 1 on; `call` runs the kernel and throws what it reports.
 * Lifetimes: outputs exist before addresses are read, and operands stay reachable (`hold`) until the call is over, because
 * the collector may free an object after its last use in JavaScript. This is the only place that reads addresses.
 */
export abstract class Host {
  abstract readonly ring: Float64Array;
  /** Where the next argument goes. */
  protected at = 1;
  // What the running kernel works on.
  #outs: readonly Operand[] | null = null;
  #ins: readonly Operand[] | null = null;

  /** The address of a storage's first byte. */
  protected abstract address(storage: Storage, write: boolean): number;
  protected abstract invoke(): void;

  /** Keeps operands reachable until `letGo`. */
  hold(outs: readonly Operand[], ins: readonly Operand[]): void {
    this.#outs = outs;
    this.#ins = ins;
  }
  letGo(): void {
    this.#outs = this.#ins = null;
  }
  /** @internal */
  get holding(): boolean {
    return this.#outs !== null && this.#ins !== null;
  }
  begin(): this {
    this.at = 1;
    return this;
  }
  push(x: number): this {
    this.ring[this.at++] = x;
    return this;
  }
  pushAll(xs: readonly number[]): this {
    for (let i = 0; i < xs.length; i++) this.ring[this.at++] = xs[i]!;
    return this;
  }
  /** A shape: rank, sizes. @throws UnsupportedError when the kernels have no room for it; `more` dimensions are to come. */
  pushShape(shape: readonly number[], more = 0): this {
    if (shape.length + more > MAX_DIMS)
      throw new UnsupportedError({
        message: `${shape.length + more} dimensions that do not merge, at most ${MAX_DIMS} can be`,
        hint: "Call contiguous() first, or reshape",
      });
    return this.push(shape.length).pushAll(shape);
  }
  /** The address of an operand's first element. */
  pushAddress(o: Operand, write = false): this {
    return this.push(this.address(o.storage, write) + o.layout.offset * itemSize(o.dtype));
  }
  /** Writes an operand of one dimension (address, dtype, stride) at a place of the ring; returns the next place. */
  putFlat(at: number, o: Operand, stride: number, write: boolean): number {
    this.ring[at] = this.address(o.storage, write) + o.layout.offset * itemSize(o.dtype);
    this.ring[at + 1] = dtypeId(o.dtype);
    this.ring[at + 2] = stride;
    return at + 3;
  }

  call(op: NativeOp): void {
    this.ring[0] = OP[op];
    this.invoke();
    const status = this.ring[0]!;
    if (status !== 0) throw this.error(op, status);
  }

  protected error(op: NativeOp, status: number): FirebrandError {
    const r = this.ring;
    switch (status) {
      case 1:
        return new IndexError({
          op,
          message: `index ${r[2]} is out of range for a dimension of size ${r[3]}`,
          hint: `Use ${r[4]} to ${r[3]! - 1}`,
          data: { index: r[2], size: r[3] },
        });
      case 2:
        return new ValueError({ op, message: "integer division by zero", hint: "Cast to a floating type for infinities" });
      case 4:
        return new OutOfMemoryError({ op, message: "no memory for the kernel" });
      default:
        return new UnsupportedError({ op, message: "no kernel for these dtypes", hint: "Cast to float32" });
    }
  }
}
