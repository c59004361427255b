// TensorFlow.js models: model.json with a manifest of weights, whose values lie in binary files beside it, quantised or not.
// Source: tfjs-core/src/io (weights manifest, quantization).
import { f16ToNumber } from "../../core/dtype.ts";
import { showShape } from "../../core/errors.ts";
import { numelOf } from "../../core/layout.ts";
import { type Fail, failing, shown } from "../damage.ts";
import { anyBool, type Element, elementOf } from "../elements.ts";
import { RangedTensor } from "../ranged.ts";
import { fileRegion } from "../region.ts";
import { joined, openSibling } from "../siblings.ts";
import type { ByteSource } from "../source.ts";
import type { OpenFile, OpenOptions, StoredTensor } from "../stored.ts";

const MAX_JSON = 256 << 20;
const MAX_FILES = 100_000;

const TYPES = ["float32", "float16", "int32", "uint16", "uint8", "int8", "int16", "bool", "complex64"];

/** `x` as an object with unknown fields. */
const record = (x: unknown): Record<string, unknown> => (typeof x === "object" && x !== null ? (x as Record<string, unknown>) : {});

/** What quantised items become: q * scale + min in double, rounded once, as TensorFlow.js computes it. */
function dequantizer(spec: Record<string, unknown>, dtype: string, refuse: (what: string) => Error): Element {
  const { dtype: stored, scale, min } = spec as { dtype: unknown; scale: unknown; min: unknown };
  if (stored === "float16") {
    if (dtype !== "float32") throw refuse(`float16 for ${dtype}, expected float32`);
    return {
      name: dtype,
      size: 2,
      dtype,
      unit: 2,
      widen: (bytes) => {
        const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        return Float32Array.from({ length: bytes.length / 2 }, (_, i) => f16ToNumber(v.getUint16(2 * i, true)));
      },
    };
  }
  if (stored !== "uint8" && stored !== "uint16") throw refuse(`quantisation to ${shown(stored)}, expected uint8, uint16 or float16`);
  if (typeof scale !== "number" || typeof min !== "number")
    throw refuse(`quantisation with scale ${shown(scale)} and min ${shown(min)}, expected numbers`);
  if (dtype !== "float32" && dtype !== "int32") throw refuse(`quantised ${dtype}, expected float32 or int32`);
  const size = stored === "uint8" ? 1 : 2;
  return {
    name: dtype,
    size,
    dtype,
    unit: size,
    widen: (bytes) => {
      const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const n = bytes.length / size;
      const q = (i: number): number => (size === 1 ? v.getUint8(i) : v.getUint16(2 * i, true));
      return dtype === "float32"
        ? Float32Array.from({ length: n }, (_, i) => q(i) * scale + min)
        : Int32Array.from({ length: n }, (_, i) => Math.round(q(i) * scale + min));
    },
  };
}

/** Bytes that text weights take: each has its length before it. */
async function textSize(data: ByteSource, begin: number, count: number, refuse: (what: string) => Error): Promise<number> {
  let at = begin;
  for (let i = 0; i < count; i++) {
    if (at + 4 > data.size) throw refuse(`${count} texts, the files end after ${i}`);
    const b = await data.read(at, 4);
    at += 4 + new DataView(b.buffer, b.byteOffset, 4).getUint32(0, true);
  }
  return at - begin;
}

/** The weights of one group, which lie one after the other. */
async function readGroup(group: Record<string, unknown>, data: ByteSource, fail: Fail, out: Map<string, StoredTensor>): Promise<string[]> {
  const texts: string[] = [];
  let at = 0;
  for (const w of group["weights"] as unknown[]) {
    const { name, shape, dtype, quantization } = record(w);
    if (typeof name !== "string") throw fail(0, `a weight named ${shown(name)}, expected a text`);
    const refuse = (what: string): Error => fail(0, `weight ${shown(name)}: ${what}`);
    if (
      !Array.isArray(shape) ||
      shape.length > 64 ||
      !shape.every((n) => Number.isSafeInteger(n) && n >= 0) ||
      !Number.isSafeInteger(numelOf(shape) * 16)
    )
      throw refuse(`shape ${shown(shape)}, expected sizes`);
    if (out.has(name)) throw refuse("it stands twice");
    if (dtype === "string") {
      at += await textSize(data, at, numelOf(shape as number[]), refuse);
      texts.push(name);
      continue;
    }
    if (typeof dtype !== "string" || !TYPES.includes(dtype)) throw refuse(`dtype ${shown(dtype)}, expected one of ${TYPES.join(", ")}`);
    const plain = dtype === "bool" ? anyBool : elementOf(dtype)!;
    const element = quantization === undefined ? plain : dequantizer(record(quantization), dtype, refuse);
    const tensor = new RangedTensor(fileRegion(data, at, numelOf(shape as number[]) * element.size), element, shape as number[]);
    if (at + tensor.nbytes > data.size)
      throw refuse(`${dtype} ${showShape(shape as number[])} ends at byte ${at + tensor.nbytes} of its files, they have ${data.size}`);
    out.set(name, tensor);
    at += tensor.nbytes;
  }
  if (at !== data.size) throw fail(0, `the weights of ${shown(group["paths"])} take ${at} bytes, the files have ${data.size}`);
  return texts;
}

/** Opens a model.json. @throws FormatError */
export async function openTfjs(source: ByteSource, options: OpenOptions): Promise<OpenFile> {
  const fail = failing("tfjs", source.name, "a model.json of TensorFlow.js");
  if (source.size > MAX_JSON) throw fail(0, `${source.size} bytes of JSON, expected ${MAX_JSON} at most`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await source.read(0, source.size)));
  } catch (cause) {
    throw fail(0, `the file is not JSON: ${(cause as Error).message}`, { cause });
  }
  const groups = Array.isArray(json) ? json : record(json)["weightsManifest"];
  if (!Array.isArray(groups)) throw fail(0, "no weightsManifest, expected a list of groups");
  const opened: ByteSource[] = [];
  const close = async (): Promise<void> => {
    for (const s of opened) await s.close();
  };
  try {
    const tensors = new Map<string, StoredTensor>();
    const texts: string[] = [];
    for (const g of groups) {
      const { paths, weights } = record(g);
      if (!Array.isArray(paths) || !Array.isArray(weights)) throw fail(0, `a group ${shown(g)}, expected paths and weights`);
      const files: ByteSource[] = [];
      for (const path of paths) {
        if (typeof path !== "string") throw fail(0, `a path ${shown(path)}, expected a text`);
        if (opened.length >= MAX_FILES) throw fail(0, `more than ${MAX_FILES} weight files`);
        files.push(await openSibling(source, path, fail, options.files));
        opened.push(files.at(-1)!);
      }
      texts.push(...(await readGroup(record(g), joined(files, `${source.name}: ${paths.join(", ").slice(0, 200)}`, fail), fail, tensors)));
    }
    const about = Array.isArray(json) ? {} : Object.fromEntries(Object.entries(record(json)).filter(([k]) => k !== "weightsManifest"));
    return {
      format: "tfjs",
      metadata: texts.length > 0 ? { ...about, texts } : about,
      value: Object.fromEntries(tensors),
      close: async () => {
        await close();
        await source.close();
      },
    };
  } catch (e) {
    await close();
    throw e;
  }
}
