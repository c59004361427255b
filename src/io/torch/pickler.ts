// Writes values as Python's pickle of protocol 2, opcode for opcode as CPython does, so that the restricted readers of all PyTorch versions take it.
import type { DType } from "../../core/dtype.ts";
import { ArgumentError } from "../../core/errors.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { isModule, isParameter } from "../../nn/module.ts";
import { ComplexScalar } from "../../ops/promote.ts";
import { isStored } from "../stored.ts";

/** A tensor's place in the storages of the file, in elements. */
export interface Placed {
  readonly key: string;
  readonly numel: number;
  readonly offset: number;
}

const STORAGES: Readonly<Record<DType, string>> = {
  float64: "DoubleStorage",
  float32: "FloatStorage",
  float16: "HalfStorage",
  bfloat16: "BFloat16Storage",
  int64: "LongStorage",
  int32: "IntStorage",
  int16: "ShortStorage",
  int8: "CharStorage",
  uint8: "ByteStorage",
  bool: "BoolStorage",
  complex64: "ComplexFloatStorage",
  complex128: "ComplexDoubleStorage",
};

const DEEPEST = 1000;
/** As many items as CPython puts between a MARK and its end. */
const BATCH = 1000;

/** The error for a value that has no Python counterpart. */
function refuse(x: unknown, path: string): ArgumentError {
  const where = path === "" ? "the value" : path;
  const what = typeof x === "object" && x !== null ? `a ${(x as object).constructor?.name ?? "object"}` : `a ${typeof x}`;
  const hint = isModule(x)
    ? "Save its stateDict()"
    : isStored(x)
      ? "Read it first, with load"
      : typeof (x as { stateDict?: unknown } | null)?.stateDict === "function"
        ? "Save its stateDict()"
        : ArrayBuffer.isView(x)
          ? "Make it a tensor"
          : "Save tensors, numbers, strings, bytes, and arrays, objects, Maps and Sets of them";
  return new ArgumentError({ op: "save", message: `${where} is ${what}, which cannot be saved`, hint });
}
/** Is it an object of no class? */
export const isPlainObject = (x: object): x is Record<string, unknown> => {
  const proto: unknown = Object.getPrototypeOf(x);
  return proto === Object.prototype || proto === null;
};
const join = (path: string, key: unknown): string => (path === "" ? String(key) : `${path}.${String(key)}`);
/** A state dict of an optimizer: Python numbers its parameters with integers, where JavaScript's keys are strings. */
const numbersState = (x: Record<string, unknown>): boolean =>
  Array.isArray(x["param_groups"]) && typeof x["state"] === "object" && x["state"] !== null && !(x["state"] instanceof Map);

/** The entries of an object or Map as Python will see them. @throws ArgumentError */
function entriesOf(x: Record<string, unknown> | Map<unknown, unknown>): [unknown, unknown][] {
  if (x instanceof Map) return [...x];
  if (!numbersState(x)) return Object.entries(x);
  const state = Object.entries(x["state"] as object).map(([k, v]): [unknown, unknown] => [/^(0|[1-9]\d*)$/.test(k) ? Number(k) : k, v]);
  return Object.entries(x).map(([k, v]) => [k, k === "state" ? new Map(state) : v]);
}

/** Calls `see` for every tensor of a value. @throws ArgumentError for what cannot be saved, by its path */
export function eachTensor(value: unknown, see: (t: Tensor) => void): void {
  const seen = new Set<object>();
  const visit = (x: unknown, path: string, depth: number): void => {
    if (typeof x === "function" || typeof x === "symbol") throw refuse(x, path);
    if (typeof x === "string" && /\p{Surrogate}/u.test(x)) throw refuse(x, `${path} (half a surrogate pair)`);
    if (typeof x !== "object" || x === null || x instanceof Uint8Array || x instanceof ComplexScalar) return;
    if (seen.has(x)) return;
    seen.add(x);
    if (depth > DEEPEST)
      throw new ArgumentError({
        op: "save",
        message: `values are nested more than ${DEEPEST} deep`,
        hint: "Python cannot read deeper ones",
      });
    if (isTensor(x)) return see(x);
    if (isModule(x) || isStored(x)) throw refuse(x, path);
    if (Array.isArray(x)) for (const [i, v] of x.entries()) visit(v, join(path, i), depth + 1);
    else if (x instanceof Set) for (const v of x) visit(v, join(path, "{…}"), depth + 1);
    else if (x instanceof Map || isPlainObject(x))
      for (const [k, v] of entriesOf(x)) {
        if (typeof k === "object" && k !== null && !Array.isArray(k)) throw refuse(k, join(path, "key"));
        visit(k, join(path, "key"), depth + 1);
        visit(v, join(path, k), depth + 1);
      }
    else throw refuse(x, path);
  };
  visit(value, "", 0);
}

/** Makes one pickle. */
export class Pickler {
  #bytes = new Uint8Array(1 << 12);
  #at = 0;
  #memos = 0;
  readonly #memo = new Map<unknown, number>();
  readonly #place: (t: Tensor) => Placed;

  /** `place` says where a tensor's values are. */
  constructor(place: (t: Tensor) => Placed) {
    this.#place = place;
  }

  /** The pickle of a value, which `eachTensor` has found to be writable. */
  pickle(value: unknown): Uint8Array {
    this.#op("\x80\x02");
    this.#value(value);
    this.#op(".");
    return this.#bytes.slice(0, this.#at);
  }

  #room(n: number): DataView {
    if (this.#at + n > this.#bytes.length) {
      const more = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + n));
      more.set(this.#bytes);
      this.#bytes = more;
    }
    this.#at += n;
    return new DataView(this.#bytes.buffer, this.#at - n, n);
  }
  #op(codes: string): void {
    const v = this.#room(codes.length);
    for (let i = 0; i < codes.length; i++) v.setUint8(i, codes.charCodeAt(i));
  }
  #u8(n: number): void {
    this.#room(1).setUint8(0, n);
  }
  #u32(n: number): void {
    this.#room(4).setUint32(0, n, true);
  }
  // Remembers what was just written under `key`, an object, or text of ours for what has none.
  #remember(key: unknown): void {
    const i = this.#memos++;
    this.#memo.set(key, i);
    if (i < 256) {
      this.#op("q");
      this.#u8(i);
    } else {
      this.#op("r");
      this.#u32(i);
    }
  }
  #recall(key: unknown): boolean {
    const i = this.#memo.get(key);
    if (i === undefined) return false;
    this.#op(i < 256 ? "h" : "j");
    if (i < 256) this.#u8(i);
    else this.#u32(i);
    return true;
  }

  #integer(n: number | bigint): void {
    if (n >= 0 && n < 256) {
      this.#op("K");
      this.#u8(Number(n));
    } else if (n >= 0 && n < 65536) {
      this.#op("M");
      this.#room(2).setUint16(0, Number(n), true);
    } else if (n >= -(2 ** 31) && n < 2 ** 31) {
      this.#op("J");
      this.#room(4).setInt32(0, Number(n), true);
    } else {
      // Two's complement in as few bytes as leave the sign right.
      const out: number[] = [];
      let rest = BigInt(n);
      do {
        out.push(Number(rest & 255n));
        rest >>= 8n;
      } while (!(rest === 0n && out.at(-1)! < 128) && !(rest === -1n && out.at(-1)! >= 128));
      this.#op(out.length < 256 ? "\x8a" : "\x8b");
      if (out.length < 256) this.#u8(out.length);
      else this.#u32(out.length);
      this.#op(String.fromCharCode(...out));
    }
  }
  #text(s: string): void {
    if (this.#recall(`text ${s}`)) return;
    const b = new TextEncoder().encode(s);
    this.#op("X");
    this.#u32(b.length);
    this.#room(b.length);
    this.#bytes.set(b, this.#at - b.length);
    this.#remember(`text ${s}`);
  }
  #global(module: string, name: string): void {
    if (this.#recall(`global ${module} ${name}`)) return;
    this.#op(`c${module}\n${name}\n`);
    this.#remember(`global ${module} ${name}`);
  }
  #tuple(parts: readonly (() => void)[]): void {
    if (parts.length === 0) return this.#op(")");
    if (parts.length > 3) this.#op("(");
    for (const p of parts) p();
    this.#op(parts.length > 3 ? "t" : ["\x85", "\x86", "\x87"][parts.length - 1]!);
    this.#remember({});
  }
  #call(module: string, name: string, args: readonly (() => void)[], key: unknown = {}): void {
    this.#global(module, name);
    this.#tuple(args);
    this.#op("R");
    this.#remember(key);
  }
  #sizes(xs: readonly number[]): () => void {
    return () => this.#tuple(xs.map((n) => () => this.#integer(n)));
  }

  #value(x: unknown): void {
    if (x === null || x === undefined) return this.#op("N");
    if (typeof x === "boolean") return this.#op(x ? "\x88" : "\x89");
    if (typeof x === "bigint" || (typeof x === "number" && Number.isSafeInteger(x) && !Object.is(x, -0))) return this.#integer(x);
    if (typeof x === "number") {
      this.#op("G");
      return this.#room(8).setFloat64(0, x, false);
    }
    if (typeof x === "string") return this.#text(x);
    if (this.#recall(x)) return;
    if (isTensor(x)) return this.#tensor(x);
    if (Array.isArray(x)) return this.#list(x);
    if (x instanceof Set) return this.#call("__builtin__", "set", [() => this.#list([...x])], x);
    if (x instanceof Uint8Array) {
      const letters = Array.from(x, (b) => String.fromCharCode(b)).join("");
      return this.#call("_codecs", "encode", [() => this.#text(letters), () => this.#text("latin1")], x);
    }
    if (x instanceof ComplexScalar) return this.#call("__builtin__", "complex", [() => this.#float(x.re), () => this.#float(x.im)], x);
    return this.#dict(x as Record<string, unknown> | Map<unknown, unknown>);
  }
  #float(x: number): void {
    this.#op("G");
    this.#room(8).setFloat64(0, x, false);
  }
  #list(x: readonly unknown[]): void {
    this.#op("]");
    this.#remember(x);
    if (x.length === 1) {
      this.#value(x[0]);
      return this.#op("a");
    }
    for (let i = 0; i < x.length; i += BATCH) {
      this.#op("(");
      for (const v of x.slice(i, i + BATCH)) this.#value(v);
      this.#op("e");
    }
  }
  #dict(x: Record<string, unknown> | Map<unknown, unknown>): void {
    const entries = entriesOf(x);
    this.#op("}");
    this.#remember(x);
    for (let i = 0; i < entries.length; i += BATCH) {
      if (entries.length > 1) this.#op("(");
      for (const [k, v] of entries.slice(i, i + BATCH)) {
        this.#key(k);
        this.#value(v);
      }
      this.#op(entries.length > 1 ? "u" : "s");
    }
  }
  // Python's keys cannot be lists.
  #key(k: unknown): void {
    if (Array.isArray(k)) this.#tuple(k.map((v) => () => this.#key(v)));
    else this.#value(k);
  }
  #tensor(t: Tensor): void {
    const parameter: boolean = isParameter(t);
    if (parameter) {
      const hooks = (): void => this.#call("collections", "OrderedDict", []);
      return this.#call(
        "torch._utils",
        "_rebuild_parameter",
        [() => this.#data(t, false, {}), () => this.#value(t.requiresGrad), hooks],
        t,
      );
    }
    this.#data(t, t.requiresGrad, t);
  }
  #data(t: Tensor, requiresGrad: boolean, key: object): void {
    const at = this.#place(t);
    const storage = (): void => {
      this.#tuple([
        () => this.#text("storage"),
        () => this.#global("torch", STORAGES[t.dtype]),
        () => this.#text(at.key),
        () => this.#text("cpu"),
        () => this.#integer(at.numel),
      ]);
      this.#op("Q");
    };
    this.#call(
      "torch._utils",
      "_rebuild_tensor_v2",
      [
        storage,
        () => this.#integer(at.offset),
        this.#sizes(t.shape),
        this.#sizes(t.layout.strides),
        () => this.#value(requiresGrad),
        () => this.#call("collections", "OrderedDict", []),
      ],
      key,
    );
  }
}
