// What a call may be given. Every op, module and optimizer names its parameters once, with the kind of value each takes; from
// that come PyTorch's calling convention (by position, or in a trailing options object), the checks, and their messages.
import { isDisposed } from "./disposed.ts";
import { isDType } from "./dtype.ts";
import { ArgumentError, FirebrandError, OutOfMemoryError, showShape, ValueError } from "./errors.ts";
import { ComplexScalar, isScalar } from "./number.ts";
import { Generator } from "./rng.ts";
import { isTensor, type Tensor } from "./tensor.ts";

/** A kind of value: how it is called in messages, and how it is told. `numeric`: a number that fails is of the right kind but outside its domain. */
interface Kind {
  readonly what: string;
  readonly is: (x: unknown) => boolean;
  readonly numeric?: boolean;
}
const whole = (x: unknown): x is number => Number.isSafeInteger(x);
const natural = (x: unknown): boolean => whole(x) && x >= 0;
const number = (x: unknown): boolean => typeof x === "number" && x === x;
const each =
  (is: (x: unknown) => boolean) =>
  (x: unknown): boolean =>
    Array.isArray(x) && x.every(is);
const oneOr =
  (is: (x: unknown) => boolean) =>
  (x: unknown): boolean =>
    is(x) || (Array.isArray(x) && x.every(is));

const MODULE = Symbol.for("firebrand.module"); // as nn/module.ts marks them
const QUANTIZED = Symbol.for("firebrand.quantized"); // and ops/quantized/tensor.ts
const marked =
  (brand: symbol) =>
  (x: unknown): boolean =>
    typeof x === "object" && x !== null && (x as Record<symbol, unknown>)[brand] === true;

/** The kinds that a declaration may name. */
const KINDS = {
  tensor: { what: "a Tensor", is: isTensor },
  tensors: { what: "an array of Tensors", is: (x) => Array.isArray(x) && x.length > 0 && x.every(isTensor) },
  scalar: { what: "a number", is: isScalar },
  real: { what: "a number", is: (x) => isScalar(x) && !(x instanceof ComplexScalar) },
  int: { what: "an integer", is: whole, numeric: true },
  ints: { what: "an integer or an array of integers", is: oneOr(whole), numeric: true },
  list: { what: "an array of integers", is: each(whole) },
  count: { what: "an integer >= 0", is: natural, numeric: true },
  counts: { what: "an integer >= 0 or an array of them", is: oneOr(natural), numeric: true },
  shape: { what: "an array of integers >= 0", is: each(natural) },
  positive: { what: "an integer >= 1", is: (x) => whole(x) && x >= 1, numeric: true },
  number: { what: "a number", is: number, numeric: true },
  numbers: { what: "a number or an array of numbers", is: oneOr(number), numeric: true },
  shares: { what: "an array of numbers >= 0", is: each((x) => number(x) && (x as number) >= 0) },
  flag: { what: "true or false", is: (x) => typeof x === "boolean" },
  text: { what: "a string", is: (x) => typeof x === "string" },
  texts: { what: "an array of strings", is: each((x) => typeof x === "string") },
  dtype: { what: 'a dtype such as "float32"', is: isDType },
  device: { what: 'a device name such as "cpu"', is: (x) => typeof x === "string" },
  module: { what: "a Module", is: marked(MODULE) },
  quantized: { what: "a QuantizedTensor", is: marked(QUANTIZED) },
  generator: { what: "a Generator", is: (x) => x instanceof Generator },
  function: { what: "a function", is: (x) => typeof x === "function" },
  functions: { what: "an array of functions", is: each((x) => typeof x === "function") },
  objects: { what: "an array of objects", is: each((x) => typeof x === "object" && x !== null) },
  array: { what: "an array", is: Array.isArray },
  iterable: { what: "an array or another iterable", is: (x) => typeof x === "object" && x !== null && Symbol.iterator in x },
  object: { what: "an object", is: (x) => typeof x === "object" && x !== null && !Array.isArray(x) && !isTensor(x) },
  any: { what: "anything", is: () => true },
} satisfies Record<string, Kind>;

const words = (text: string): string[] => text.trim().split(/\s+/);
// What a parameter of this name usually takes; a declaration says so where it takes something else.
const USUAL: ReadonlyMap<string, keyof typeof KINDS> = new Map(
  Object.entries({
    tensor: `tensor input other weight bias target source src mask mat mat1 mat2 vec vec1 vec2 batch1 batch2 query key attnMask x1 x2
      runningMean runningVar posWeight condition B index indices window sorter vector tgt memory srcMask tgtMask memoryMask
      keyPaddingMask srcKeyPaddingMask tgtKeyPaddingMask memoryKeyPaddingMask`,
    tensors: "tensors",
    int: "dim dim0 dim1 dim2 dimension startDim endDim diagonal offset start end ignoreIndex paddingIdx numClasses lastEpoch",
    count: `k n length steps numSamples chunks inFeatures outFeatures numFeatures numEmbeddings embeddingDim numChannels inChannels
      outChannels inputSize hiddenSize projSize dimFeedforward kdim vdim`,
    positive: "step embedDim numHeads dModel nhead groups numGroups upscaleFactor downscaleFactor nFft hopLength winLength",
    ints: "dims shifts source destination",
    list: "size shape sizes s pad normalizedShape repeats",
    counts: "stride padding dilation kernelSize outputPadding",
    number: `eps p alpha beta momentum rtol atol labelSmoothing dropoutP scale ord normType maxNorm delta divisorOverride std mean dropout
      layerNormEps lambd threshold negativeSlope minVal maxVal gamma factor totalIters startFactor endFactor etaMin pctStart divFactor finalDivFactor`,
    flag: `keepdim descending stable largest sorted accumulate training inplace ceilMode returnIndices countIncludePad right outInt32
      asTuple isCausal enableGqa logTarget sparse scaleGradByFreq useInputStats center normalized onesided returnComplex left upper
      fullMatrices alignCorners recomputeScaleFactor antialias equalNan sizeAverage reduce sparseGrad requiresGrad pinMemory affine
      trackRunningStats elementwiseAffine batchFirst bidirectional replacement inplace addBiasKv addZeroAttn normFirst needWeights averageAttnWeights isCausal tgtIsCausal
      memoryIsCausal enableNestedTensor maskCheck`,
    text: "mode memoryFormat layout",
    dtype: "dtype",
    device: "device",
    generator: "generator",
  } satisfies Partial<Record<keyof typeof KINDS, string>>).flatMap(([kind, names]) =>
    words(names).map((n): [string, keyof typeof KINDS] => [n, kind as keyof typeof KINDS]),
  ),
);

/** The parameters of something that can be called, as `signature` reads them. */
export interface Signature {
  readonly names: readonly string[];
  /** For hints: `input, dim?, keepdim?`. */
  readonly usage: string;
  /** @internal How many leading parameters must be given… */
  readonly needed: readonly boolean[];
  /** @internal …and what each takes. */
  readonly kinds: readonly Kind[];
}

// `int|none|mean`: kinds by name, other words are the strings themselves.
function kindOf(text: string): Kind {
  const parts = text.split("|");
  if (parts.length === 1 && text in KINDS) return KINDS[text as keyof typeof KINDS];
  const kinds = parts.filter((p) => p in KINDS).map((p): Kind => KINDS[p as keyof typeof KINDS]);
  const literals = parts.filter((p) => !(p in KINDS));
  return {
    what: [...literals.map((l) => JSON.stringify(l)), ...kinds.map((k) => k.what)].join(" or "),
    is: (x) => kinds.some((k) => k.is(x)) || literals.includes(x as string),
    numeric: kinds.some((k) => k.numeric),
  };
}

/** The names in declarations. */
export const namesOf = (declarations: readonly string[]): string[] => declarations.map((d) => /^[\w$]+/.exec(d)![0]);

/**
 * Reads declarations: `"dim"`, `"dim?"` (may be left out), `"ord?: number|fro|nuc"` (of another kind than the name usually has).
 * A name that has no usual kind must tell it.
 */
export function signature(declarations: readonly string[]): Signature {
  const parts = declarations.map((d) => /^([\w$]+)(\??)(?:: (.+))?$/.exec(d)!);
  return {
    names: parts.map((m) => m[1]!),
    usage: parts.map((m) => m[1]! + m[2]!).join(", "),
    needed: parts.map((m) => m[2] === ""),
    kinds: parts.map((m) => {
      const kind = m[3] ?? USUAL.get(m[1]!);
      if (kind === undefined) throw new Error(`say what kind ${m[1]} is`);
      return kindOf(kind);
    }),
  };
}

/** The same, read when first asked for: there are hundreds of ops, of which a program calls a few. */
export function lazySignature(declarations: readonly string[]): () => Signature {
  let known: Signature | undefined;
  return () => (known ??= signature(declarations));
}

/** A plain object in last place holds options. */
export const isOptions = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && Object.getPrototypeOf(x) === Object.prototype;

/** A value as messages show it: short, tensors by dtype and shape. */
export function given(x: unknown, depth = 0): string {
  if (x === undefined) return "nothing";
  if (isTensor(x)) return `a ${x.dtype} tensor ${showShape(x.layout.shape)}`;
  if (typeof x === "string") return JSON.stringify(x.length > 40 ? `${x.slice(0, 40)}…` : x);
  if (Array.isArray(x))
    return depth > 2
      ? "[…]"
      : `[${x
          .slice(0, 8)
          .map((v) => given(v, depth + 1))
          .join(", ")}${x.length > 8 ? ", …" : ""}]`;
  if (typeof x === "function") return "a function";
  if (isOptions(x)) return `{ ${Object.keys(x).slice(0, 8).join(", ")} }`;
  return typeof x === "object" && x !== null ? `a ${x.constructor?.name || "object"}` : String(x);
}

// How far apart two names are: insertions, deletions, replacements and swaps. Case and underscores do not count.
function distance(a: string, b: string): number {
  const [s, t] = [a, b].map((n) => n.toLowerCase().replace(/_/g, "")) as [string, string];
  let [two, one]: [number[], number[]] = [[], Array.from({ length: t.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= s.length; i++) {
    const row = [i];
    for (let j = 1; j <= t.length; j++) {
      const same = s[i - 1] === t[j - 1];
      row[j] = Math.min(row[j - 1]! + 1, one[j]! + 1, one[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && s[i - 1] === t[j - 2] && s[i - 2] === t[j - 1]) row[j] = Math.min(row[j]!, two[j - 2]! + 1);
    }
    [two, one] = [one, row];
  }
  return one[t.length]!;
}
/** `Did you mean dim? It takes …`, for a name that is not among the known ones. */
export function suggest(name: string, known: readonly string[], usage: string = known.join(", ")): string {
  const near = known
    .map((k): [string, number] => [k, distance(name, k)])
    .filter(([k, d]) => d <= Math.max(1, Math.min(name.length, k.length) / 3));
  const best = near.sort((a, b) => a[1] - b[1]).slice(0, 2);
  return `${best.length ? `Did you mean ${best.map(([k]) => k).join(" or ")}? ` : ""}It takes ${usage || "nothing"}`;
}

/** Throws unless every value is of its parameter's kind. */
function check(op: string, s: Signature, values: readonly unknown[]): void {
  for (let i = 0; i < s.names.length; i++) {
    const v = values[i];
    if (v === undefined) {
      if (s.needed[i]) throw new ArgumentError({ op, message: `${s.names[i]} is missing`, hint: `It takes ${s.usage}` });
    } else if (!s.kinds[i]!.is(v)) throw wrongKind(op, s.names[i]!, s.kinds[i]!, v);
  }
}
function wrongKind(op: string, name: string, kind: Kind, v: unknown): FirebrandError {
  const facts = {
    op,
    message: `${name} is ${given(v)}, needed ${kind.what}`,
    hint: kind.is === isTensor ? "Wrap values with tensor(…)" : `Check ${name}`,
    data: { parameter: name },
  };
  const numbers = typeof v === "number" || (Array.isArray(v) && v.length > 0 && v.every((x) => typeof x === "number"));
  return numbers && (kind.numeric || /integers/.test(kind.what)) ? new ValueError(facts) : new ArgumentError(facts);
}

function placeOf(op: string, s: Signature, option: string): number {
  const i = s.names.indexOf(option);
  if (i < 0) throw new ArgumentError({ op, message: `unknown option ${option}`, hint: suggest(option, s.names, s.usage) });
  return i;
}

/** Positional arguments from positional ones plus a trailing options object, checked; null counts as not given. */
export function bindArgs(op: string, declared: Signature | readonly string[], args: readonly unknown[]): unknown[] {
  const s = "names" in declared ? declared : signature(declared);
  const last = args[args.length - 1];
  const named = isOptions(last);
  const bound = named ? args.slice(0, -1) : args.slice();
  if (named) {
    for (const key in last) {
      const i = placeOf(op, s, key);
      if (i < bound.length && bound[i] !== undefined && last[key] !== undefined)
        throw new ArgumentError({ op, message: `${key} is given twice`, hint: "Give it by position or in the options" });
      if (last[key] !== undefined) bound[i] = last[key];
    }
  }
  if (bound.length > s.names.length)
    throw new ArgumentError({ op, message: `${bound.length} arguments given`, hint: `It takes ${s.usage || "none"}` });
  for (let i = 0; i < bound.length; i++) bound[i] ??= undefined; // null and holes alike
  check(op, s, bound);
  return bound;
}

/** The same by name: `{ dim: 1, keepdim: true }`. */
export function bindNamed<T>(op: string, declared: Signature | readonly string[], args: readonly unknown[]): T {
  const s = "names" in declared ? declared : signature(declared);
  return Object.fromEntries(bindArgs(op, s, args).map((v, i) => [s.names[i], v])) as T;
}

/** Options that stay an object: unknown ones are refused, known ones checked. Returns them without those not given. */
export function checkOptions<O extends object>(op: string, declared: Signature | readonly string[], options: O | null | undefined): O {
  if (options === undefined || options === null) return {} as O;
  if (!isOptions(options))
    throw new ArgumentError({ op, message: `the options are ${given(options)}`, hint: "Give an object like { name: value }" });
  const out: Record<string, unknown> = {};
  let s: Signature | undefined;
  for (const key in options) {
    s ??= "names" in declared ? declared : signature(declared);
    const kind = s.kinds[placeOf(op, s, key)]!;
    const v: unknown = options[key];
    if (v === undefined || v === null) continue;
    if (!kind.is(v)) throw wrongKind(op, key, kind, v);
    out[key] = v;
  }
  return out as O;
}

/** Sizes or dims as an array or as plain numbers: `(2, 3)` → `[[2, 3]]`, leaving a trailing options object. */
export function gatherNumbers(args: readonly unknown[], at: number): unknown[] {
  if (typeof args[at] !== "number") return args as unknown[];
  let end = at;
  while (end < args.length && typeof args[end] === "number") end++;
  return [...args.slice(0, at), args.slice(at, end), ...args.slice(end)];
}

const declared = new Map<string, Signature>();
/** Throws unless one value is what its declaration says: `need("noGrad", "fn: function", fn)`. */
export function need(op: string, declaration: string, value: unknown): void {
  let s = declared.get(declaration);
  if (!s) declared.set(declaration, (s = signature([declaration])));
  check(op, s, [value ?? undefined]);
}

/** Throws unless `x` is a tensor. */
export function checkTensor(op: string, name: string, x: unknown): asserts x is Tensor {
  if (isTensor(x)) return;
  throw x === undefined || x === null
    ? new ArgumentError({ op, message: `${name} is missing, needed a Tensor`, hint: "Wrap values with tensor(…)" })
    : wrongKind(op, name, KINDS.tensor, x);
}

/**
 * The error of a deeper op as the user's call sees it: under the name of what was called, with the tensors that it was given
 * where no shape is told, and with the parameters for want of a better hint. What the engine says about arrays that are too long
 * becomes ours; other errors pass.
 */
export function seenFrom(e: unknown, op: string, args: readonly unknown[], usage: string): unknown {
  if (e instanceof RangeError && /allocation failed|Invalid (typed )?array length/.test(e.message))
    return new OutOfMemoryError({ op, message: `an array of this size cannot be had (${e.message})`, hint: "Check the sizes", cause: e });
  if (!(e instanceof FirebrandError)) return e;
  const tensors = args.flatMap((a) => (isTensor(a) ? [a] : Array.isArray(a) ? a.filter(isTensor) : [])).filter((t) => !isDisposed(t));
  return e.within(op, tensors.map(shown), `It takes ${usage}`);
}

/** @internal A tensor, or what is like one, for `FirebrandError.within`. */
export const shown = (t: Pick<Tensor, "dtype" | "layout" | "storage">): { text: string; shape: string } => {
  const shape = showShape(t.layout.shape);
  const { name } = t.storage.device;
  return { text: `${t.dtype} ${shape}${name === "cpu" ? "" : ` on ${name}`}`, shape };
};

/** A function whose errors carry its name, whatever its arguments are: for those that no declaration describes. */
export function located<A extends unknown[], R>(op: string, usage: string, f: (...args: A) => R): (...args: A) => R {
  const call = (...args: A): R => {
    try {
      const out = f(...args);
      return out instanceof Promise
        ? (out.catch((e: unknown) => {
            throw seenFrom(e, op, args, usage);
          }) as R)
        : out;
    } catch (e) {
      throw seenFrom(e, op, args, usage);
    }
  };
  Object.defineProperty(call, "name", { value: op });
  return call;
}

/** A function whose arguments are bound and checked as an op's, and whose errors carry its name. */
export function checked<F, A extends unknown[] = never[]>(op: string, declarations: readonly string[], f: (...args: A) => unknown): F {
  const s = signature(declarations);
  const call = (...args: unknown[]): unknown => {
    try {
      return f(...(bindArgs(op, s, args) as A));
    } catch (e) {
      throw seenFrom(e, op, args, s.usage);
    }
  };
  Object.defineProperty(call, "name", { value: op });
  return call as F;
}
