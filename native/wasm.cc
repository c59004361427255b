// The surface of the WASM build: the argument ring, one call without arguments, and memory for operands.
// Single-threaded; the same kernels as the addon. Built by tools/build-wasm.mjs.
#ifdef __wasm__
#include <cstdlib>

#include "base.h"

#define EXPORT(name) extern "C" __attribute__((export_name(name)))

namespace fb {
Kernel kernels[OpCount];
namespace {
constexpr int RingDoubles = 32768;
alignas(64) double ringData[RingDoubles];
int setThreads(double*) { return OK; }
Register r(OpThreads, setThreads);
}  // namespace

// One thread that never ends: its thread-local objects need no destruction.
extern "C" int __cxa_thread_atexit(void (*)(void*), void*, void*) { return 0; }

EXPORT("ring") double* ring() { return ringData; }
EXPORT("ringLength") int ringLength() { return RingDoubles; }
EXPORT("call") void call() {
  int op = (int)ringData[0];
  ringData[0] = op >= 0 && op < OpCount && kernels[op] ? kernels[op](ringData + 1) : (double)Unsupported;
}
// Aligned to 64 bytes; 0 when memory is out.
EXPORT("alloc") void* alloc(size_t n) { return aligned_alloc(64, (n + 63) / 64 * 64); }
EXPORT("release") void release(void* p) { free(p); }
}  // namespace fb
#endif
