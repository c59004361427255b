// Dispatches specs to the drivers of one host: the native addon or the WebAssembly build.
import { type DType, isComplex, isFloating } from "../../core/dtype.ts";
import type { KernelSpec, Operand } from "../../kernel/spec.ts";
import { conv } from "./conv.ts";
import { copy } from "./copy.ts";
import { hasFused, runFused } from "./fused.ts";
import { gather, scatter } from "./gather.ts";
import type { Host } from "./host.ts";
import { argReduce, scan, sort } from "./lines.ts";
import { matmul } from "./matmul.ts";
import { pointwise, type Programs } from "./pointwise.ts";
import { pool } from "./pool.ts";
import { random } from "./random.ts";
import { reduce } from "./reduce.ts";

/** Dispatches specs to the drivers of one host. */
export class Drivers {
  readonly host: Host;
  readonly #programs: Programs = new Map();
  constructor(host: Host) {
    this.host = host;
  }

  setNumThreads(n: number): void {
    this.host.begin().push(n).call("threads");
  }
  has(spec: KernelSpec, dtype: DType): boolean {
    switch (spec.kind) {
      case "fused":
        return hasFused(spec.name, dtype);
      case "conv":
        return isFloating(dtype);
      case "pool":
        return spec.op === "max" ? !isComplex(dtype) : isFloating(dtype);
      default:
        return true;
    }
  }

  run(spec: KernelSpec, outs: readonly Operand[], ins: readonly Operand[], params: readonly number[]): void {
    this.host.hold(outs, ins);
    this.#dispatch(spec, outs, ins, params);
    this.host.letGo();
  }

  #dispatch(spec: KernelSpec, outs: readonly Operand[], ins: readonly Operand[], params: readonly number[]): void {
    const host = this.host;
    switch (spec.kind) {
      case "pointwise":
        return pointwise(host, this.#programs, spec, outs, ins, params);
      case "reduce":
        return reduce(host, this.#programs, spec, outs[0]!, ins, params);
      case "copy":
        return copy(host, outs[0]!, ins[0]!);
      case "matmul":
        return matmul(host, spec, outs[0]!, ins);
      case "gather":
        return gather(host, outs[0]!, ins, params);
      case "scatter":
        return scatter(host, spec, outs[0]!, ins, params);
      case "argReduce":
        return argReduce(host, spec, outs, ins[0]!);
      case "scan":
        return scan(host, spec, outs, ins[0]!);
      case "conv":
        return conv(host, spec, outs[0]!, ins);
      case "pool":
        return pool(host, spec, outs, ins[0]!);
      case "sort":
      case "topk":
        return sort(host, spec, outs, ins[0]!);
      case "random":
        return random(host, spec, outs[0]!, params);
      case "fused":
        return runFused(host, spec.name, outs, ins, params);
    }
  }
}
