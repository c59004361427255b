// The ggml files that came before GGUF, as whisper.cpp still has them: a header of the model's own, then tensors one after the
// other, each with its dimensions, type and name. Whisper's header and that of the Silero voice detector are known.
import { itemSize } from "../../core/dtype.ts";
import { showShape } from "../../core/errors.ts";
import { numelOf } from "../../core/layout.ts";
import { blockTypeOf } from "../../kernel/quant/types.ts";
import { failing, shown } from "../damage.ts";
import { Pages, textOf } from "../pages.ts";
import { RangedTensor } from "../ranged.ts";
import { fileRegion } from "../region.ts";
import { elementOf } from "../elements.ts";
import type { ByteSource } from "../source.ts";
import type { Format, StoredTensor } from "../stored.ts";
import { StoredQuantized } from "./quantized.ts";
import { dtypeOf } from "./types.ts";

const MAGIC = 0x67676d6c;
const WHISPER = [
  "n_vocab",
  "n_audio_ctx",
  "n_audio_state",
  "n_audio_head",
  "n_audio_layer",
  "n_text_ctx",
  "n_text_state",
  "n_text_head",
  "n_text_layer",
  "n_mels",
  "ftype",
];
const MAX_COUNT = 1 << 24;

/** Whole numbers and texts in order. */
class Reader {
  at = 4;
  readonly #p: Pages;
  constructor(p: Pages) {
    this.#p = p;
  }
  async ints(n: number, what: string): Promise<number[]> {
    const v = await this.#p.bytes(this.at, 4 * n, what);
    this.at += 4 * n;
    return Array.from({ length: n }, (_, i) => v.getInt32(4 * i, true));
  }
  async int(what: string): Promise<number> {
    return (await this.ints(1, what))[0]!;
  }
  async count(what: string): Promise<number> {
    const n = await this.int(what);
    if (n < 0 || n > MAX_COUNT) throw this.#p.fail(this.at - 4, `${what} is ${n}, expected 0 to ${MAX_COUNT}`);
    return n;
  }
  async bytes(n: number, what: string): Promise<DataView> {
    const v = await this.#p.bytes(this.at, n, what);
    this.at += n;
    return v;
  }
  async text(n: number, what: string): Promise<string> {
    return textOf(await this.bytes(n, what), 0, n);
  }
}

async function whisperHeader(r: Reader): Promise<Record<string, unknown>> {
  const numbers = await r.ints(WHISPER.length, "hyperparameters");
  const [mels, bins] = [await r.count("number of mel bands"), await r.count("number of frequencies")];
  const v = await r.bytes(4 * mels * bins, "mel filters");
  const filters = Float32Array.from({ length: mels * bins }, (_, i) => v.getFloat32(4 * i, true));
  const tokens: Uint8Array[] = [];
  for (let n = await r.count("number of tokens"); n > 0; n--) {
    const token = await r.bytes(await r.count("length of a token"), "token");
    tokens.push(new Uint8Array(token.buffer));
  }
  return { model: "whisper", ...Object.fromEntries(WHISPER.map((k, i) => [k, numbers[i]])), mel: { shape: [mels, bins], filters }, tokens };
}
async function sileroHeader(r: Reader): Promise<Record<string, unknown>> {
  const model = await r.text(await r.count("length of the model's name"), "the model's name");
  const version = await r.ints(3, "version");
  const [window, context] = await r.ints(2, "window and context");
  const layers: number[][] = [];
  for (let n = await r.count("number of layers"); n > 0; n--) layers.push(await r.ints(3, "sizes of a layer"));
  const [input, hidden, finalIn, finalOut] = await r.ints(4, "sizes of the decoder");
  return { model, version: version.join("."), window, context, encoder: layers, lstm: [input, hidden], final: [finalIn, finalOut] };
}

async function readTensors(r: Reader, p: Pages, source: ByteSource): Promise<Map<string, StoredTensor>> {
  const out = new Map<string, StoredTensor>();
  while (r.at < source.size) {
    const at = r.at;
    const [dims, length, type] = (await r.ints(3, "head of a tensor")) as [number, number, number];
    if (dims < 0 || dims > 4 || length < 1 || length > 65536)
      throw p.fail(at, `a tensor of ${dims} dimensions with a name of ${length} bytes`);
    const shape = (await r.ints(dims, "sizes of a tensor")).reverse();
    const name = await r.text(length, "name of a tensor");
    const where = `tensor ${shown(name)}`;
    const kind = dtypeOf.get(type) ?? blockTypeOf(type);
    if (kind === undefined) throw p.fail(at, `${where} has type ${type}, which is unknown`);
    if (shape.some((n) => n < 0) || !Number.isSafeInteger(numelOf(shape) * 16)) throw p.fail(at, `${where} has shape ${showShape(shape)}`);
    if (typeof kind !== "string" && (shape.at(-1) ?? 1) % kind.size !== 0)
      throw p.fail(at, `${where} of ${kind.name} has rows of ${shape.at(-1) ?? 1}, expected a multiple of ${kind.size}`);
    const bytes = typeof kind === "string" ? numelOf(shape) * itemSize(kind) : (numelOf(shape) / kind.size) * kind.bytes;
    if (r.at + bytes > source.size)
      throw p.fail(at, `${where} ends at byte ${r.at + bytes}, the file at ${source.size}`, { hint: "The file is truncated" });
    if (out.has(name)) throw p.fail(at, `${where} stands twice`);
    out.set(
      name,
      typeof kind === "string"
        ? new RangedTensor(fileRegion(source, r.at, source.size - r.at), elementOf(kind)!, shape)
        : new StoredQuantized(fileRegion(source, r.at, bytes), kind, shape),
    );
    r.at += bytes;
  }
  return out;
}

/**
 * The ggml files of whisper.cpp (`ggml-base.en.bin`, quantised ones too) and of its voice detector. Tensors as in GGUF files;
 * `metadata` has the hyperparameters, and of Whisper `mel` (shape, filters) and `tokens` (bytes).
 */
export const ggml: Format = {
  name: "ggml",
  detect: (head) => head.length >= 4 && new DataView(head.buffer, head.byteOffset).getUint32(0, true) === MAGIC,
  open: async (source) => {
    const fail = failing("ggml", source.name, "a ggml file of whisper.cpp");
    const p = new Pages(source, fail);
    if ((await p.bytes(0, 4, "magic")).getUint32(0, true) !== MAGIC) throw fail(0, "no ggml magic");
    const r = new Reader(p);
    // Whisper begins with the size of its vocabulary, the detector with the length of its name.
    const first = (await p.bytes(4, 4, "first number")).getInt32(0, true);
    const metadata = first < 256 ? await sileroHeader(r) : await whisperHeader(r);
    return { format: "ggml", metadata, value: Object.fromEntries(await readTensors(r, p, source)), close: () => source.close() };
  },
};
