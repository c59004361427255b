// The formats that files are told apart into, by content alone.
import { located, need } from "../core/arguments.ts";
import { FormatError } from "../core/errors.ts";
import { ggml } from "./gguf/ggml.ts";
import { gguf } from "./gguf/index.ts";
import { npy, npz } from "./numpy/index.ts";
import { safetensors, safetensorsIndex } from "./safetensorsFormat.ts";
import type { ByteSource } from "./source.ts";
import type { Format } from "./stored.ts";
import { hdf5, keras, savedModel, tensorflow, tfjs } from "./tensorflow/index.ts";
import { torchArchive } from "./torch/archive.ts";
import { plainPickle } from "./torch/plain.ts";
import { torchScript } from "./torch/script.ts";
import { torchScriptJson } from "./torch/scriptJson.ts";
import { torchStream } from "./torch/stream.ts";
import { torchTar } from "./torch/tar.ts";

// The first that recognises a file reads it. safetensors' beginning is no other's; of the others those that look at more of a file come before
// those that look at less.
const formats: Format[] = [
  safetensors,
  torchScript,
  torchScriptJson,
  torchArchive,
  keras,
  npz,
  torchStream,
  torchTar,
  gguf,
  ggml,
  npy,
  hdf5,
  savedModel,
  tensorflow,
  safetensorsIndex,
  tfjs,
  plainPickle,
];

/** Makes a format known to `load` and `open`; it is asked before those known so far. */
export function registerFormat(format: Format): void {
  need("registerFormat", "format: object", format);
  need("registerFormat", "name: text", format.name);
  need("registerFormat", "detect: function", format.detect);
  need("registerFormat", "open: function", format.open);
  formats.unshift(format);
}

/** The format of a file. @throws FormatError that shows how it begins, when none fits */
export const formatOf: (source: ByteSource) => Promise<Format> = /*@__PURE__*/ located("formatOf", "source", async (source: ByteSource) => {
  need("formatOf", "source: object", source);
  need("formatOf", "read: function", source.read);
  const head = (await source.read(0, Math.min(512, source.size))).slice();
  for (const f of formats) if (await f.detect(head, source)) return f;
  const begins = [...head.subarray(0, 8)].map((b) => b.toString(16).padStart(2, "0")).join(" ");
  throw new FormatError({
    op: "load",
    message: `${source.name}: at byte 0: ${source.size === 0 ? "the file is empty" : `it begins with ${begins}`}, expected one of ${[...new Set(formats.map((f) => f.name))].join(", ")}`,
    hint: source.size === 0 ? "Was it saved completely?" : "Check that it is the file you mean",
    data: { file: source.name, offset: 0 },
  });
});
