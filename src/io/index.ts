// firebrand/io.
export { load, open, type LoadIntoOptions, type LoadOptions, type TensorFile } from "./load.ts";
export type { LoadReport } from "./into.ts";
export { registerWriter, save, type SaveOptions, type Writer } from "./save.ts";
export { formatOf, registerFormat } from "./formats.ts";
export { loadSafetensors, openSafetensors, type SafetensorsFile, type TensorInfo } from "./safetensors.ts";
export { saveSafetensors, safetensorsBytes } from "./safetensorsWriter.ts";
export { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
export { blobSource, bytesSource, fileSource, httpSource, type ByteSource, type SourceLike } from "./source.ts";
export { memorySink, type ByteSink } from "./sink.ts";
export { isStored, StoredTensor, type Format, type OpenFile, type OpenOptions, type ReadOptions } from "./stored.ts";
export type { PythonObject } from "./torch/python.ts";
export type { TorchScriptArchive } from "./torch/script.ts";
