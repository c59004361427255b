// What every part of the package brings along, whichever is imported: the devices, and the methods of tensors.
import { CpuBackend } from "./backends/cpu/index.ts";
import { instancesOf } from "./backends/cpu/heap.ts";
import { loadAddon } from "./backends/cpu/native.ts";
import { makeMeta } from "./backends/meta/index.ts";
import { makeReference } from "./backends/reference/index.ts";
import { makeWasm } from "./backends/wasm/index.ts";
import { registerDevice } from "./core/device.ts";
import { provideHeap } from "./core/snapshot.ts";
import "./ops/methods.ts";

provideHeap(instancesOf);
registerDevice("reference", () => makeReference());
registerDevice("meta", makeMeta);
registerDevice("wasm", () => makeWasm());
// FIREBRAND_KERNELS=wasm or =reference computes on those although native kernels could be had.
registerDevice("cpu", () => {
  const wanted = process.env["FIREBRAND_KERNELS"];
  if (wanted === "reference") return makeReference("cpu");
  if (wanted === "wasm") return makeWasm("cpu");
  const loaded = loadAddon();
  if ("addon" in loaded) return new CpuBackend(loaded.addon);
  console.error(`firebrand: no native kernels (${loaded.reason}); WebAssembly computes instead, at about a third of their speed`);
  return makeWasm("cpu");
});
