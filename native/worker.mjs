// A thread of the WebAssembly pool: the same module on the same memory, with a stack and thread-local variables of its own.
// Plain JavaScript beside the module, because Node and browsers start it by its place.

/** Waits for work for as long as the process or page lives. */
function serve({ module, memory, slot, stack, tls }) {
  const kernels = new WebAssembly.Instance(module, { env: { memory, startWorkers() {} } }).exports;
  kernels.__stack_pointer.value = stack;
  kernels.__wasm_init_tls(tls);
  for (;;) {
    try {
      kernels.joinPool(slot);
    } catch {
      // A kernel stopped, for want of memory: the caller is told, and this thread is as good as new.
      kernels.__stack_pointer.value = stack;
      kernels.partFailed();
    }
  }
}

if (typeof process === "undefined") addEventListener("message", (e) => serve(e.data), { once: true });
else serve((await import("node:worker_threads")).workerData);
