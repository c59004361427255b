// The reference backend: a small interpreter of kernel specs, the oracle for all others. Clear, not fast.
import { IndexError, UnsupportedError } from "../../core/errors.ts";
import { layoutOf } from "../../core/layout.ts";
import type { Storage } from "../../core/storage.ts";
import type { Backend } from "../../kernel/backend.ts";
import { type KernelSpec, laneOf, type MatmulSpec, type Operand, type PointwiseSpec, type ScatterSpec } from "../../kernel/spec.ts";
import { BufferMemory, BufferStorage, elements, toLane, type Value, walk } from "./memory.ts";
import { collector } from "../cpu/collector.ts";
import { totalMemory } from "../cpu/system.ts";
import { argReduce, join, reduce, scan, sort } from "./reduce.ts";
import { evaluate } from "./scalar.ts";
import { conv, pool } from "./window.ts";

function pointwise(spec: PointwiseSpec, outs: readonly Operand[], ins: readonly Operand[], params: readonly number[]): void {
  const [store, load] = [outs.map(elements), ins.map(elements)];
  walk(outs[0]!.layout.shape, [...outs, ...ins], (at) => {
    const values = ins.map((_, k) => toLane(load[k]!.load(at[outs.length + k]!), spec.lane));
    const results = spec.exprs.map((e) => evaluate(e, spec.lane, values, params));
    results.forEach((v, k) => {
      store[k]!.store(at[k]!, v);
    });
  });
}

function matmul(spec: MatmulSpec, out: Operand, [a, b, bias]: readonly Operand[]): void {
  const lane = laneOf(out.dtype);
  const [A, B, O] = [elements(a!), elements(b!), elements(out)];
  const K = a!.layout.shape[2]!;
  const flat = { ...a!, layout: layoutOf(out.layout.shape, [a!.layout.strides[0]!, a!.layout.strides[1]!, 0], a!.layout.offset) };
  const col = { ...b!, layout: layoutOf(out.layout.shape, [b!.layout.strides[0]!, 0, b!.layout.strides[2]!], b!.layout.offset) };
  const add = bias ? { ...bias, layout: layoutOf(out.layout.shape, [0, 0, bias.layout.strides[0]!], bias.layout.offset) } : out;
  const extra = elements(add);
  walk(out.layout.shape, [out, flat, col, add], ([o, x, y, c]) => {
    let sum: Value = toLane(0, lane);
    for (let k = 0; k < K; k++)
      sum = join(
        "sum",
        sum,
        join("prod", toLane(A.load(x! + k * a!.layout.strides[2]!), lane), toLane(B.load(y! + k * b!.layout.strides[1]!), lane)),
      );
    if (bias) sum = join("sum", sum, toLane(extra.load(c!), lane));
    O.store(o!, spec.accumulate ? join("sum", toLane(O.load(o!), lane), sum) : sum);
  });
}

// Positions that index operands add, all checked before anything is written.
function shifts(shape: readonly number[], idx: readonly Operand[], params: readonly number[]): number[] {
  const load = idx.map(elements);
  const out: number[] = [];
  walk(shape, idx, (at) => {
    out.push(
      idx.reduce((sum, _, k) => {
        const [size, stride] = [Math.abs(params[2 * k]!), params[2 * k + 1]!];
        const lowest = params[2 * k]! < 0 ? 0 : -size;
        const v = Number(load[k]!.load(at[k]!));
        if (v < lowest || v >= size)
          throw new IndexError({
            op: "gather",
            message: `index ${v} is out of range for a dimension of size ${size}`,
            hint: `Use ${lowest} to ${size - 1}`,
          });
        return sum + (v < 0 ? v + size : v) * stride;
      }, 0),
    );
  });
  return out;
}
function gather(out: Operand, [src, ...idx]: readonly Operand[], params: readonly number[]): void {
  const shift = shifts(out.layout.shape, idx, params);
  const [load, store] = [elements(src!), elements(out)];
  walk(out.layout.shape, [out, src!], ([o, s], flat) => store.store(o!, load.load(s! + shift[flat]!)));
}
function scatter(spec: ScatterSpec, out: Operand, [src, ...idx]: readonly Operand[], params: readonly number[]): void {
  const shape = src!.layout.shape;
  const shift = shifts(shape, idx, params);
  const lane = laneOf(out.dtype);
  const [load, store] = [elements(src!), elements(out)];
  walk(shape, [out, src!], ([o, s], flat) => {
    const at = o! + shift[flat]!;
    const v = toLane(load.load(s!), lane);
    const op = spec.mode === "add" ? "sum" : spec.mode === "mul" ? "prod" : spec.mode;
    store.store(at, op === "set" ? v : join(op, toLane(store.load(at), lane), v));
  });
}
function copy(out: Operand, src: Operand): void {
  const [load, store] = [elements(src), elements(out)];
  walk(out.layout.shape, [out, src], ([o, s]) => store.store(o!, load.load(s!)));
}

function run(spec: KernelSpec, outs: readonly Operand[], ins: readonly Operand[], params: readonly number[]): void {
  switch (spec.kind) {
    case "pointwise":
      return pointwise(spec, outs, ins, params);
    case "reduce":
      return reduce(spec, outs[0]!, ins, params);
    case "argReduce":
      return argReduce(spec, outs, ins[0]!);
    case "scan":
      return scan(spec, outs, ins[0]!);
    case "sort":
    case "topk":
      return sort(spec, outs, ins[0]!);
    case "matmul":
      return matmul(spec, outs[0]!, ins);
    case "gather":
      return gather(outs[0]!, ins, params);
    case "scatter":
      return scatter(spec, outs[0]!, ins, params);
    case "copy":
      return copy(outs[0]!, ins[0]!);
    case "conv":
      return conv(spec, outs[0]!, ins);
    case "pool":
      return pool(spec, outs, ins[0]!);
    default:
      throw new UnsupportedError({ op: spec.kind, message: "the reference backend has no such kernel" });
  }
}

/** Makes the reference backend, under another name where it stands in for that device. */
export function makeReference(name = "reference"): Backend {
  const bytes = (s: Storage, offset: number, n: number): Uint8Array => new Uint8Array((s as BufferStorage).buffer, offset, n);
  const memory = new BufferMemory(name, 0.9 * totalMemory(), collector());
  const backend = {
    name,
    memory,
    alloc: (nbytes: number): Storage => new BufferStorage(backend, nbytes, memory),
    write: (s: Storage, offset: number, src: Uint8Array): void => bytes(s, offset, src.length).set(src),
    readSync: (s: Storage, offset: number, dst: Uint8Array): void => dst.set(bytes(s, offset, dst.length)),
    read: async (s: Storage, offset: number, dst: Uint8Array): Promise<void> => dst.set(bytes(s, offset, dst.length)),
    supports: (): boolean => true,
    has: (spec: KernelSpec): boolean => spec.kind !== "fused" && spec.kind !== "random",
    run,
  } satisfies Backend;
  return backend;
}
