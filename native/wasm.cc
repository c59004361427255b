// The surface of the WASM build: the argument ring, one call without arguments, memory for operands, threads.
// The same kernels as the addon. Built by tools/build-wasm.mjs.
#ifdef __wasm__
#include <atomic>
#include <cstdlib>

#include "pool.h"

#define EXPORT(name) extern "C" __attribute__((export_name(name)))

namespace {
// The C library is built for one thread: a lock goes around its allocator. It is held for well under a microsecond.
std::atomic<bool> busy{false};
struct Alone {
  Alone() {
    while (busy.exchange(true, std::memory_order_acquire)) {
    }
  }
  ~Alone() { busy.store(false, std::memory_order_release); }
};
template <class F> void* allocate(const F& f) {
  Alone alone;
  return f();
}
// Kernels cannot go on without their scratch memory, and a null pointer would be written through: there is memory at 0.
template <class F> void* need(const F& f) {
  void* p = allocate(f);
  if (!p) __builtin_trap();
  return p;
}
}  // namespace

// The linker sends all calls of X to __wrap_X, and those of __real_X to X.
extern "C" {
void* __real_malloc(size_t);
void* __real_calloc(size_t, size_t);
void* __real_realloc(void*, size_t);
void* __real_aligned_alloc(size_t, size_t);
void __real_free(void*);
void* __wrap_malloc(size_t n) { return need([=] { return __real_malloc(n); }); }
void* __wrap_calloc(size_t n, size_t each) { return need([=] { return __real_calloc(n, each); }); }
void* __wrap_realloc(void* p, size_t n) { return need([=] { return __real_realloc(p, n); }); }
void* __wrap_aligned_alloc(size_t alignment, size_t n) { return need([=] { return __real_aligned_alloc(alignment, n); }); }
void __wrap_free(void* p) {
  Alone alone;
  __real_free(p);
}

// Threads never end: their thread-local objects need no destruction.
int __cxa_thread_atexit(void (*)(void*), void*, void*) { return 0; }
}

namespace fb {
Kernel kernels[OpCount];
namespace {
constexpr int RingDoubles = 32768;
alignas(64) double ringData[RingDoubles];
int setThreads(double* a) {
  setNumThreads((int)a[0]);
  return OK;
}
Register r(OpThreads, setThreads);
}  // namespace

EXPORT("ring") double* ring() { return ringData; }
EXPORT("ringLength") int ringLength() { return RingDoubles; }
EXPORT("call") void call() {
  int op = (int)ringData[0];
  ringData[0] = op >= 0 && op < OpCount && kernels[op] ? kernels[op](ringData + 1) : (double)Unsupported;
}
// Aligned to 64 bytes; 0 when memory is out.
EXPORT("alloc") void* alloc(size_t n) { return allocate([=] { return __real_aligned_alloc(64, (n + 63) / 64 * 64); }); }
EXPORT("release") void release(void* p) { free(p); }

EXPORT("joinPool") void exportedJoin(int id) { joinPool(id); }
EXPORT("partFailed") void exportedFailed() { partFailed(); }
EXPORT("abandonJob") void exportedAbandon() { abandonJob(); }
}  // namespace fb
#endif
