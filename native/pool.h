// The thread pool. Work is cut into parts that threads claim with one atomic; the caller takes part and waits for the
// parts, not for the workers, so that a worker that the system has parked costs nothing.
#pragma once
#include "base.h"

namespace fb {

int numThreads();
void setNumThreads(int n);
typedef void (*PartFn)(void* ctx, i64 part);
void runParts(PartFn fn, void* ctx, i64 parts);
#ifdef __wasm__
// For a thread that JavaScript has made: never returns, but by a trap, which is to be answered with partFailed and joinPool.
void joinPool(int id);
void partFailed();
// After a trap on the calling thread: waits until no worker uses its stack, and leaves the pool ready for the next job.
void abandonJob();
#endif
// Which of numThreads() slots the calling thread has, for scratch memory.
int threadSlot();

// body(begin, end) over [0, n) in pieces of at least `grain`.
template <class F> inline void parallelFor(i64 n, i64 grain, const F& body) {
  if (n <= 0) return;
  int t = numThreads();
  if (t == 1 || n <= grain) {
    body((i64)0, n);
    return;
  }
  i64 parts = (n + grain - 1) / grain;
  if (parts > 4 * t) parts = 4 * t;
  struct Ctx {
    const F* body;
    i64 n, parts;
  } ctx{&body, n, parts};
  runParts([](void* c, i64 p) {
    Ctx* x = (Ctx*)c;
    (*x->body)(x->n * p / x->parts, x->n * (p + 1) / x->parts);
  }, &ctx, parts);
}

}  // namespace fb
