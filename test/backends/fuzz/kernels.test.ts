// Random kernel calls on the native and the WebAssembly kernels against the reference interpreter: values, refusals, and
// every byte outside the results. FIREBRAND_FUZZ multiplies the number of cases, FIREBRAND_FUZZ_SEED starts elsewhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeReference } from "../../../src/backends/reference/index.ts";
import { makeWasm } from "../../../src/backends/wasm/index.ts";
import { bf16ToNumber, type DType, f16ToNumber, isComplex, isFloating, rawArray } from "../../../src/core/dtype.ts";
import { FirebrandError, showShape } from "../../../src/core/errors.ts";
import type { Backend } from "../../../src/kernel/backend.ts";
import { cpu, positions, skip } from "../cpu/harness.ts";
import { type Case, CASES } from "./cases.ts";
import { bytesOf, Draw, place, type Shadow } from "./draw.ts";

const EACH = Math.round(220 * Number(process.env["FIREBRAND_FUZZ"] ?? 1));
const SEED = Number(process.env["FIREBRAND_FUZZ_SEED"] ?? 1);
const ONLY = process.env["FIREBRAND_FUZZ_ONLY"];
const EPSILON: Partial<Record<DType, number>> = { float16: 2 ** -10, bfloat16: 2 ** -7, float32: 2 ** -23, complex64: 2 ** -23 };

const reference = makeReference();
interface Outcome {
  readonly outs: Uint8Array[];
  readonly ins: Uint8Array[];
  readonly error: FirebrandError | null;
}
function runOn(backend: Backend, c: Case): Outcome {
  const [outs, ins] = [c.outs.map((o) => place(backend, o)), c.ins.map((i) => place(backend, i))];
  let error: FirebrandError | null = null;
  try {
    backend.run(c.spec, outs, ins, c.params);
  } catch (e) {
    if (!(e instanceof FirebrandError)) throw e;
    error = e;
  }
  return {
    outs: outs.map((o, i) => bytesOf(backend, o, c.outs[i]!.bytes.length)),
    ins: ins.map((o, i) => bytesOf(backend, o, c.ins[i]!.bytes.length)),
    error,
  };
}
const describe = (c: Case): string =>
  JSON.stringify({
    spec: { ...c.spec, ...(c.spec.kind === "pointwise" && { exprs: c.spec.exprs.map((e) => show(e)) }) },
    params: c.params,
    outs: c.outs.map((o) => `${o.dtype} ${showShape(o.layout.shape)} strides ${showShape(o.layout.strides)} at ${o.layout.offset}`),
    ins: c.ins.map((o) => `${o.dtype} ${showShape(o.layout.shape)} strides ${showShape(o.layout.strides)} at ${o.layout.offset}`),
  });
type Node = { readonly op: string; readonly value: number; readonly args: readonly Node[] };
const show = (e: Node): string => (e.args.length ? `${e.op}(${e.args.map(show).join(", ")})` : `${e.op[0]}${e.value}`);

// Elements of a whole storage as numbers (pairs for complex numbers); int64 as bigint.
function numbers(s: Shadow, bytes: Uint8Array): (number | bigint)[] {
  const raw = [...(rawArray(s.dtype, bytes.slice().buffer) as Iterable<number | bigint>)];
  return s.dtype === "float16"
    ? raw.map((v) => f16ToNumber(Number(v)))
    : s.dtype === "bfloat16"
      ? raw.map((v) => bf16ToNumber(Number(v)))
      : raw;
}
function compare(c: Case, got: Outcome, want: Outcome): void {
  c.ins.forEach((s, i) => assert.deepEqual(got.ins[i], s.bytes, `operand ${i} was written to`));
  assert.equal(got.error?.name, want.error?.name, got.error?.message ?? want.error?.message);
  c.outs.forEach((s, k) => {
    const written = new Set(isIndexed(c) ? allPositions(s) : positions(s.layout));
    const per = isComplex(s.dtype) ? 2 : 1;
    const [a, b, before] = [numbers(s, got.outs[k]!), numbers(s, want.outs[k]!), numbers(s, s.bytes)];
    for (let i = 0; i < a.length; i++) {
      const [x, y] = [a[i]!, b[i]!];
      if (!written.has(Math.floor(i / per))) assert.ok(Object.is(x, before[i]), `result ${k}: position ${i} outside was written: ${x}`);
      else if (got.error) continue;
      else if (!near(s.dtype, x, y, c.tolerance)) assert.fail(`result ${k} at position ${i}: got ${x}, want ${y}`);
    }
  });
}
const isIndexed = (c: Case): boolean => c.spec.kind === "scatter";
const allPositions = (s: Shadow): number[] => Array.from({ length: s.bytes.length }, (_, i) => i);
function near(dtype: DType, x: number | bigint, y: number | bigint, tolerance: number): boolean {
  if (x === y) return true;
  if (!isFloating(dtype) && !isComplex(dtype)) return tolerance > 0 && Math.abs(Number(x) - Number(y)) <= 1;
  const [a, b] = [Number(x), Number(y)];
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b);
  if (!Number.isFinite(a) || !Number.isFinite(b)) {
    const top = dtype === "float16" ? 65000 : dtype === "bfloat16" ? 3.3e38 : 3.4e38;
    return tolerance > 0 && Math.sign(a) === Math.sign(b) && Math.min(Math.abs(a), Math.abs(b)) > top;
  }
  return tolerance > 0 && Math.abs(a - b) <= tolerance * (1 + Math.abs(b)) + (EPSILON[dtype] ?? 2 ** -52) * Math.abs(b);
}

const backends: [string, () => Backend, string | false][] = [
  ["cpu", () => cpu, skip],
  ["wasm", makeWasm, false],
];
for (const [name, make, why] of backends) {
  for (const [kind, generate] of Object.entries(CASES)) {
    if (ONLY && kind !== ONLY) continue;
    test(`${name}: ${kind} equals the reference in ${EACH} random cases`, { skip: why }, () => {
      const backend = make();
      for (let i = 0; i < EACH; i++) {
        const seed = SEED * 1_000_003 + i * 101 + kind.length;
        const c = generate(new Draw(seed), i % 40 === 39 ? 40_000 : 300);
        try {
          compare(c, runOn(backend, c), runOn(reference, c));
        } catch (e) {
          (e as Error).message = `case ${i} (FIREBRAND_FUZZ_SEED=${SEED}): ${(e as Error).message}\n${describe(c)}`;
          throw e;
        }
      }
    });
  }
}
