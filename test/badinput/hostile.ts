// What the tests of bad input share: hostile values, and the judgement of what a call did with them.
import assert from "node:assert/strict";
import * as torch from "../../src/index.ts";
import { extent } from "../../src/core/layout.ts";
import { itemSize } from "../../src/core/dtype.ts";
import { Draw } from "../backends/fuzz/draw.ts";

export { Draw };

/** Nothing in the library takes one of these, anywhere. */
export const GARBAGE: Readonly<Record<string, () => unknown>> = {
  "a string that names nothing": () => "no such thing",
  "a symbol": () => Symbol("s"),
  "a function": () => () => 1,
  "a Date": () => new Date(0),
  "a Map": () => new Map([["a", 1]]),
  "an array of strings": () => ["a", "b"],
  "an array of holes": () => [undefined, null],
};
/** Numbers that are no sizes, dimensions or counts. */
export const ODD_NUMBERS: readonly number[] = [NaN, Infinity, -Infinity, 1.5, -0.5, 2 ** 48, 2 ** 53, -(2 ** 53), 1e300];
/** Integers that are rarely in range. */
export const FAR: readonly number[] = [-1, -2, -100, 0, 7, 100];

/** Tensors that do not fit where another was meant. */
export const TENSORS: Readonly<Record<string, () => torch.Tensor>> = {
  "a scalar": () => torch.tensor(2.5),
  "an empty vector": () => torch.zeros(0),
  "an empty matrix": () => torch.zeros(0, 3),
  "a vector of 7": () => torch.ones(7),
  "a matrix [3, 11]": () => torch.ones(3, 11),
  "six dimensions": () => torch.ones(2, 1, 2, 1, 2, 1),
  "forty dimensions": () => torch.ones(new Array<number>(40).fill(1)),
  "forty strided dimensions": () => torch.ones(2).expand([...new Array<number>(39).fill(1), 2]),
  "complex numbers": () => torch.ones(3, 4, { dtype: "complex64" }),
  truths: () => torch.ones(3, 4, { dtype: "bool" }),
  integers: () => torch.ones(3, 4, { dtype: "int64" }),
  "int32 out of range": () => torch.full([3, 4], 1_000_000, { dtype: "int32" }),
  "int64 out of range": () => torch.full([3, 4], -1_000_000, { dtype: "int64" }),
  "16-bit floats": () => torch.ones(3, 4, { dtype: "float16" }),
  float64: () => torch.ones(3, 4, { dtype: "float64" }),
  "not a number": () => torch.full([3, 4], NaN),
  "on meta": () => torch.ones(3, 4, { device: "meta" }),
  "on the reference device": () => torch.ones(3, 4, { device: "reference" }),
  "on wasm": () => torch.ones(3, 4, { device: "wasm" }),
  "a stretched row": () => torch.ones(4).expand(3, 4),
  "a leaf": () => torch.ones(3, 4, { requiresGrad: true }),
};

/** A value for messages, short. */
export function show(x: unknown): string {
  if (torch.isTensor(x)) return `${x.dtype} [${x.shape.join(", ")}]${x.device === "cpu" ? "" : ` on ${x.device}`}`;
  if (typeof x === "function") return "function";
  if (typeof x === "bigint") return `${x}n`;
  if (Array.isArray(x)) return `[${x.slice(0, 6).map(show).join(", ")}${x.length > 6 ? ", …" : ""}]`;
  if (typeof x === "object" && x !== null && Object.getPrototypeOf(x) === Object.prototype)
    return `{ ${Object.entries(x)
      .map(([k, v]) => `${k}: ${show(v)}`)
      .join(", ")} }`;
  return typeof x === "string" ? JSON.stringify(x) : typeof x === "object" && x !== null ? x.constructor.name : String(x);
}

/** All tensors in a result. */
export function tensorsIn(x: unknown, depth = 0): torch.Tensor[] {
  if (torch.isTensor(x)) return [x];
  if (typeof x !== "object" || x === null || depth > 3) return [];
  if (Array.isArray(x)) return x.flatMap((y) => tensorsIn(y, depth + 1));
  return Object.getPrototypeOf(x) === Object.prototype ? Object.values(x).flatMap((y) => tensorsIn(y, depth + 1)) : [];
}

/** Throws if a tensor is not what it says: sizes that are no sizes, a window that its storage does not hold. */
export function checkSane(t: torch.Tensor): void {
  for (const n of t.shape) assert.ok(Number.isSafeInteger(n) && n >= 0, `shape [${t.shape.join(", ")}]`);
  const span = extent(t.layout);
  if (span === null || t.device === "meta") return;
  assert.ok(span.min >= 0 && (span.max + 1) * itemSize(t.dtype) <= t.storage.nbytes, `a window beyond its storage: ${show(t)}`);
  assert.ok(t.storage.nbytes < 2 ** 31, `${t.storage.nbytes} bytes for ${show(t)}`);
  if (t.layout.numel < 1e5) assert.equal(t.detach().dataSync().length > 0, true);
}

/** What a call did: nothing to complain of, or the complaint. */
export async function judge(name: string, args: readonly unknown[], call: () => unknown): Promise<string | null> {
  const started = performance.now();
  try {
    const out = await call();
    for (const t of tensorsIn(out)) checkSane(t);
  } catch (e) {
    const complaint = judgeError(name, args, e);
    if (complaint) return complaint;
  }
  const took = performance.now() - started;
  return took > 10_000 ? `took ${took.toFixed(0)} ms` : null;
}
/** What is wrong with an error: another class than ours, no op, no shape, no hint. */
export function judgeError(name: string, args: readonly unknown[], e: unknown): string | null {
  if (!(e instanceof torch.FirebrandError)) return `${(e as Error)?.name}: ${String((e as Error)?.message ?? e).slice(0, 150)} ${where(e)}`;
  if (!e.message.toLowerCase().includes(name.toLowerCase())) return `does not name ${name}: ${e.name}: ${e.message} ${where(e)}`;
  // scope takes one function: what follows it is not looked at.
  const seen = name === "scope" ? args.slice(0, 1) : args;
  if (seen.some((a) => [a].flat().some(torch.isTensor)) && !/\[[\d, ]*\]/.test(e.message)) return `no shape: ${e.name}: ${e.message}`;
  if (e.message.length < 12 || /undefined|\[object|\[NaN, NaN\] is/.test(e.message)) return `unclear: ${e.name}: ${e.message}`;
  if (!e.hint) return `no hint: ${e.name}: ${e.message}`;
  return null;
}
const where = (e: unknown): string =>
  ((e as Error)?.stack ?? "")
    .split("\n")
    .filter((l) => l.includes("/src/"))
    .slice(0, 2)
    .map((l) => l.replace(/.*\/src\//, "src/").replace(")", ""))
    .join(" < ");
