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
export { bytesSource, type ByteSource, type ByteSink } from "./bytes.ts";
