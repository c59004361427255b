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
export { isStored, StoredTensor, type ReadOptions } from "./stored.ts";
export * from "./training/index.ts";
export type { Checkpoint } from "./tree.ts";
