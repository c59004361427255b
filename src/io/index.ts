// firebrand/io.
export {
  loadSafetensors,
  openSafetensors,
  saveSafetensors,
  safetensorsBytes,
  type SafetensorsFile,
  type TensorInfo,
} from "./safetensors.ts";
export { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
export { blobSource, bytesSource, fileSource, httpSource, type ByteSource, type SourceLike } from "./source.ts";
export { memorySink, type ByteSink } from "./sink.ts";
export * from "./training/index.ts";
export type { Checkpoint } from "./tree.ts";
export { isStored, StoredTensor, type Format, type OpenFile, type OpenOptions, type ReadOptions } from "./stored.ts";
export { type GgufFile, type GgufFormat, type GgufOptions, gguf, ggufBytes, saveGguf, writeGguf } from "./gguf/index.ts";
export type { GgufField, GgufScalarType, GgufType, GgufValue } from "./gguf/metadata.ts";
export { QuantizedTensor } from "./gguf/quantized.ts";
export { QUANT_TYPES, type QuantType } from "./gguf/types.ts";
export { type NpzOptions, npy, npyBytes, npz, npzBytes, saveNpy, saveNpz } from "./numpy/index.ts";
export { ggml } from "./gguf/ggml.ts";
export { hdf5, keras, tensorflow, tfjs } from "./tensorflow/index.ts";
