// The whole of what a backend is: memory (core/device.ts) and `run`. It knows nothing of ops, tensors or gradients.
import type { Device } from "../core/device.ts";
import type { DType } from "../core/dtype.ts";
import type { KernelSpec, Operand } from "./spec.ts";

/**
 * Computes kernel specs on its own memory. All operands of a call live on this backend.
 * `run` may return before the work is done (GPUs); reads wait for it.
 */
export interface Backend extends Device {
  /** Can operands have this dtype here? */
  supports(dtype: DType): boolean;
  /**
   * Does the backend have this kernel for this dtype? Required kinds always: ask only for conv, pool, sort, topk,
   * random and fused names. What it lacks is lowered by the caller.
   */
  has(spec: KernelSpec, dtype: DType): boolean;
  /**
   * Writes `outs`. @throws IndexError for indices out of range, ValueError for integer division by zero.
   * `params` are the run-time scalars of the spec.
   */
  run(spec: KernelSpec, outs: readonly Operand[], ins: readonly Operand[], params: readonly number[]): void;
}

/** The backend that holds this operand's memory. */
export const backendOf = (o: Operand): Backend => o.storage.device as Backend;
