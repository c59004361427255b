// Drivers of the fused kernels: operands and params as `kernel/fused.ts` says, to arguments as native/*.cc reads them.
import { UnsupportedError } from "../../core/errors.ts";
import { type DType, dtypeId, isHalf } from "../../core/dtype.ts";
import { FUSED_NAMES, type FusedName } from "../../kernel/fused.ts";
import { collapse } from "../../kernel/plan.ts";
import type { Operand } from "../../kernel/spec.ts";
import type { NativeOp } from "./abi.ts";
import type { Host } from "./host.ts";

type Driver = (host: Host, outs: readonly Operand[], ins: readonly Operand[], params: readonly number[]) => void;
type MaybeOperand = Operand | undefined;

function contiguous(name: string, operands: readonly MaybeOperand[]): void {
  if (operands.every((o) => o === undefined || o.layout.contiguous)) return;
  throw new UnsupportedError({ op: name, message: "the fused kernel needs contiguous operands", hint: "Call contiguous() first" });
}
const read = (host: Host, o: MaybeOperand): Host => (o ? host.pushAddress(o) : host.push(0));
const write = (host: Host, o: MaybeOperand): Host => (o ? host.pushAddress(o, true) : host.push(0));
const dims = (shape: readonly number[], from: number): number => shape.slice(from).reduce((a, b) => a * b, 1);

// ---- softmax: lines along one dimension of strided operands; the output comes last.
const lines =
  (op: NativeOp, kind: number): Driver =>
  (host, outs, ins, params) => {
    const operands = [...ins, outs[0]!];
    const { shape, numel } = outs[0]!.layout;
    const dim = params[0]!;
    if (numel === 0) return;
    const others = <T>(a: readonly T[]): T[] => a.filter((_, d) => d !== dim);
    const plan = collapse(
      others(shape),
      operands.map((o) => others(o.layout.strides)),
    );
    const n = shape[dim] ?? 1;
    host.begin().push(kind).push(n).pushShape(plan.shape);
    operands.forEach((o, k) => {
      host
        .pushAddress(o, o === outs[0])
        .push(dtypeId(o.dtype))
        .pushAll(plan.strides[k]!)
        .push(n === 1 ? 1 : o.layout.strides[dim]!);
    });
    host.call(op);
  };

// ---- normalisations
const KIND = { layerNorm: 0, rmsNorm: 1, groupNorm: 2, batchNorm: 3 } as const;
type Norm = keyof typeof KIND;

/** N, C, groups and elements of a run: layerNorm and rmsNorm have rows alone. */
function normSizes(kind: Norm, x: Operand, first: number): [number, number, number, number] {
  const shape = x.layout.shape;
  if (kind === "layerNorm" || kind === "rmsNorm") return [first === 0 ? 0 : x.layout.numel / first, 1, 1, first];
  return [shape[0]!, shape[1]!, kind === "groupNorm" ? first : 1, dims(shape, 2)];
}
const norm =
  (kind: Norm): Driver =>
  (host, outs, ins, params) => {
    contiguous(kind, [...ins, ...outs]);
    const x = ins[0]!;
    const sized = kind !== "batchNorm"; // the first param is a size
    const [eps, hasWeight, hasBias] = params.slice(sized ? 1 : 0) as [number, number, number?];
    if (x.layout.numel === 0) return;
    host
      .begin()
      .push(KIND[kind])
      .push(dtypeId(x.dtype))
      .pushAll(normSizes(kind, x, params[0]!))
      .push(eps);
    read(host, x);
    read(host, hasWeight ? ins[1] : undefined);
    read(host, hasBias ? ins[hasWeight ? 2 : 1] : undefined);
    write(host, outs[0]);
    write(host, kind === "rmsNorm" ? undefined : outs[1]);
    write(host, kind === "rmsNorm" ? outs[1] : outs[2]);
    host.call("norm");
  };
const normBackward =
  (kind: Norm): Driver =>
  (host, outs, ins, params) => {
    contiguous(`${kind}Backward`, [...ins, ...outs]);
    const [gy, x] = ins as [Operand, Operand];
    const rms = kind === "rmsNorm";
    const [, hasWeight, hasBias] = params as [number, number, number?];
    const rest = ins.slice(rms ? 3 : 4);
    host
      .begin()
      .push(KIND[kind])
      .push(dtypeId(x.dtype))
      .pushAll(normSizes(kind, x, params[0]!))
      .push(kind === "batchNorm" ? params[0]! : 0);
    read(read(host, gy), x);
    read(read(host, rms ? undefined : ins[2]), ins[rms ? 2 : 3]);
    read(host, hasWeight ? rest[0] : undefined);
    write(write(host, outs[0]), hasWeight ? outs[1] : undefined);
    write(host, hasBias ? outs[hasWeight ? 2 : 1] : undefined);
    host.call("normBackward");
  };

// ---- cross entropy
const crossEntropy: Driver = (host, outs, ins, params) => {
  const [logits, target] = ins as [Operand, Operand];
  contiguous("crossEntropy", [...ins, ...outs]);
  const [n, c] = logits.layout.shape as [number, number];
  host.begin().push(dtypeId(logits.dtype)).push(n).push(c).push(params[0]!).push(params[1]!);
  read(read(host, logits), target);
  write(write(host, outs[0]), outs[1]);
  host.call("crossEntropy");
};
const crossEntropyBackward: Driver = (host, outs, ins, params) => {
  const [g, logits, target, lse] = ins as [Operand, Operand, Operand, Operand];
  contiguous("crossEntropyBackward", [logits, target, lse, ...outs]);
  const [n, c] = logits.layout.shape as [number, number];
  host.begin().push(dtypeId(logits.dtype)).push(n).push(c).push(params[0]!).push(params[1]!);
  read(host, g).push(g.layout.strides[0]!);
  read(read(read(host, logits), target), lse);
  write(host, outs[0]);
  host.call("crossEntropyBackward");
};

// ---- attention: strides of the leading dimensions, the last one is dense
function pushHeads(host: Host, o: Operand, output: boolean): void {
  const { shape, strides } = o.layout;
  if (strides[3] !== 1 && shape[3]! > 1)
    throw new UnsupportedError({ op: "attention", message: "the last dimension must have stride 1", hint: "Call contiguous() first" });
  host.pushAddress(o, output).pushAll(strides.slice(0, 3));
}
function pushMask(host: Host, mask: MaybeOperand): void {
  if (mask) host.pushAddress(mask).pushAll(mask.layout.strides);
  else host.push(0).pushAll([0, 0, 0, 0]);
}
function pushSizes(host: Host, q: Operand, k: Operand, v: Operand, params: readonly number[]): void {
  const [b, h, tq, d] = q.layout.shape as [number, number, number, number];
  const [, hkv, tk, dv] = v.layout.shape as [number, number, number, number];
  if (h % Math.max(1, hkv) !== 0 || k.layout.shape[2] !== tk)
    throw new UnsupportedError({ op: "attention", message: `${h} query heads do not share ${hkv} key heads` });
  host.begin().push(dtypeId(q.dtype)).pushAll([b, h, hkv, tq, tk, d, dv]).push(params[0]!).push(params[1]!);
}
const attention: Driver = (host, outs, ins, params) => {
  const [q, k, v, mask] = ins as [Operand, Operand, Operand, MaybeOperand];
  contiguous("attention", [outs[1]]);
  pushSizes(host, q, k, v, params);
  for (const o of [q, k, v]) pushHeads(host, o, false);
  pushMask(host, params[2] ? mask : undefined);
  pushHeads(host, outs[0]!, true);
  write(host, outs[1]);
  host.call("attention");
};
const attentionBackward: Driver = (host, outs, ins, params) => {
  const [go, q, k, v, o, lse, mask] = ins as [Operand, Operand, Operand, Operand, Operand, Operand, MaybeOperand];
  contiguous("attentionBackward", [lse]);
  pushSizes(host, q, k, v, params);
  for (const x of [q, k, v]) pushHeads(host, x, false);
  pushMask(host, params[2] ? mask : undefined);
  pushHeads(host, o, false);
  read(host, lse);
  pushHeads(host, go, false);
  for (const x of outs) pushHeads(host, x, true);
  host.call("attentionBackward");
};

// ---- optimizers
const adam: Driver = (host, outs, ins, params) => {
  contiguous("adam", [...ins, ...outs]);
  const p = outs[0]!;
  host.begin().push(dtypeId(p.dtype)).push(p.layout.numel).pushAll(params.slice(0, 8));
  read(host, ins[0]);
  for (let i = 0; i < 4; i++) write(host, i < 3 || params[8] ? outs[i] : undefined);
  host.call("adam");
};
const sgd: Driver = (host, outs, ins, params) => {
  contiguous("sgd", [...ins, ...outs]);
  const p = outs[0]!;
  host.begin().push(dtypeId(p.dtype)).push(p.layout.numel).pushAll(params.slice(0, 7));
  read(host, ins[0]);
  write(write(host, p), params[1] ? outs[1] : undefined);
  host.call("sgd");
};

const gelu =
  (backward: boolean): Driver =>
  (host, outs, ins, params) => {
    contiguous("gelu", [...ins, ...outs]);
    const y = outs[0]!;
    host
      .begin()
      .push(backward ? 1 : 0)
      .push(params[0]!)
      .push(dtypeId(y.dtype))
      .push(y.layout.numel);
    for (const x of ins) read(host, x);
    write(host, y);
    host.call("gelu");
  };

// ---- quantised weights: rows of blocks
const quantizedLinear: Driver = (host, outs, ins, params) => {
  contiguous("quantizedLinear", [...ins, ...outs]);
  const [x, w, bias] = ins as [Operand, Operand, MaybeOperand];
  const [m, k] = x.layout.shape as [number, number];
  host.begin().push(params[0]!).push(dtypeId(x.dtype)).pushAll([m, w.layout.shape[0]!, k]);
  write(read(read(read(host, x), w), bias), outs[0]);
  host.call("quantizedLinear");
};
const dequantize: Driver = (host, outs, ins, params) => {
  contiguous("dequantize", [...ins, ...outs]);
  const [w, index] = ins as [Operand, MaybeOperand];
  const y = outs[0]!;
  host
    .begin()
    .push(params[0]!)
    .push(dtypeId(y.dtype))
    .pushAll([...y.layout.shape, w.layout.shape[0]!]);
  write(read(read(host, w), index), y);
  host.call("dequantize");
};

const nonzero: Driver = (host, outs, ins) => {
  contiguous("nonzero", [...ins, ...outs]);
  write(read(host.begin().push(ins[0]!.layout.numel), ins[0]), outs[0]);
  host.call("nonzero");
};

const DRIVERS: Readonly<Record<FusedName, Driver>> = {
  softmax: lines("softmax", 0),
  logSoftmax: lines("softmax", 1),
  softmaxBackward: lines("softmaxBackward", 0),
  logSoftmaxBackward: lines("softmaxBackward", 1),
  layerNorm: norm("layerNorm"),
  layerNormBackward: normBackward("layerNorm"),
  rmsNorm: norm("rmsNorm"),
  rmsNormBackward: normBackward("rmsNorm"),
  groupNorm: norm("groupNorm"),
  groupNormBackward: normBackward("groupNorm"),
  batchNorm: norm("batchNorm"),
  batchNormBackward: normBackward("batchNorm"),
  crossEntropy,
  crossEntropyBackward,
  attention,
  attentionBackward,
  adam,
  sgd,
  gelu: gelu(false),
  geluBackward: gelu(true),
  quantizedLinear,
  dequantize,
  nonzero,
};
const QUANTIZED: readonly string[] = ["quantizedLinear", "dequantize"];

/** Is there a kernel of this name for this dtype? */
export const hasFused = (name: string, dtype: DType): boolean =>
  (FUSED_NAMES as readonly string[]).includes(name) &&
  (name === "nonzero" ? dtype === "bool" : dtype === "float32" || (QUANTIZED.includes(name) ? isHalf(dtype) : dtype === "float64"));

/**
 * Runs a fused kernel; see `kernel/fused.ts`.
 * @throws UnsupportedError for layouts that the contract rules out, IndexError for targets that are no classes.
 */
export function runFused(host: Host, name: string, outs: readonly Operand[], ins: readonly Operand[], params: readonly number[]): void {
  DRIVERS[name as FusedName](host, outs, ins, params);
}
