// Cross entropy over contiguous rows of logits, and its gradient.
#include "fused.h"

namespace fb {
namespace {

struct Job {
  int dtype;
  i64 N, C, ignore;
  double smoothing;
};
Job readJob(Args& a) {
  Job j;
  j.dtype = (int)a.i();
  j.N = a.i(), j.C = a.i(), j.ignore = a.i();
  j.smoothing = a.d();
  return j;
}

// The position of the first target that is neither a class nor ignored, or -1.
i64 badTarget(const Job& j, const i64* target) {
  for (i64 r = 0; r < j.N; r++)
    if (target[r] != j.ignore && (target[r] < 0 || target[r] >= j.C)) return r;
  return -1;
}

template <class T> void forward(const Job& j, const T* x, const i64* target, T* loss, T* lse) {
  const T low = -std::numeric_limits<T>::infinity();
  const double s = j.smoothing;
  parallelFor(j.N, rowGrain(j.C), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      const T* p = x + r * j.C;
      T m = rowMax(p, j.C);
      double z = sums<1, T>(j.C, [&](auto at, Vector<T>* s) FB_INLINE { s[0] += at.keep(expDown(at(p, low) - m)); }).s[0];
      double l = m + std::log(z);
      lse[r] = (T)l;
      if (target[r] == j.ignore) {
        loss[r] = T(0);
        continue;
      }
      double value = l - p[target[r]];
      if (s > 0) {
        double mean = sums<1, T>(j.C, [&](auto at, Vector<T>* s) FB_INLINE { s[0] += at(p); }).s[0] / (double)j.C;
        value = (1 - s) * value + s * (l - mean);
      }
      loss[r] = (T)value;
    }
  });
}

template <class T> void backward(const Job& j, const T* g, i64 gs, const T* x, const i64* target, const T* lse, T* gx) {
  const T each = (T)(j.smoothing / (double)j.C), hit = (T)(1 - j.smoothing);
  parallelFor(j.N, rowGrain(j.C), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      const T* p = x + r * j.C;
      T* o = gx + r * j.C;
      if (target[r] == j.ignore) {
        memset(o, 0, j.C * sizeof(T));
        continue;
      }
      T scale = g[r * gs], l = lse[r];
      sweep<T>(j.C, [&](auto at, int) FB_INLINE { at.put(o, (expDown(at(p) - l) - each) * scale); });
      o[target[r]] -= hit * scale;
    }
  });
}

int outOfRange(double* ring, i64 target, i64 classes) {
  ring[1] = (double)target, ring[2] = (double)classes, ring[3] = 0;
  return IndexOutOfRange;
}

// args: dtype, N, C, ignoreIndex, smoothing, logits, target, loss, lse
int run(double* ring) {
  Args a(ring);
  Job j = readJob(a);
  void* x = a.p<void>();
  i64* target = a.p<i64>();
  void *loss = a.p<void>(), *lse = a.p<void>();
  i64 bad = badTarget(j, target);
  if (bad >= 0) return outOfRange(ring, target[bad], j.C);
  if (j.dtype == F32) forward(j, (float*)x, target, (float*)loss, (float*)lse);
  else if (j.dtype == F64) forward(j, (double*)x, target, (double*)loss, (double*)lse);
  else return Unsupported;
  return OK;
}
// args: dtype, N, C, ignoreIndex, smoothing, g, stride of g, logits, target, lse, gx
int runBackward(double* ring) {
  Args a(ring);
  Job j = readJob(a);
  void* g = a.p<void>();
  i64 gs = a.i();
  void* x = a.p<void>();
  i64* target = a.p<i64>();
  void *lse = a.p<void>(), *gx = a.p<void>();
  i64 bad = badTarget(j, target);
  if (bad >= 0) return outOfRange(ring, target[bad], j.C);
  if (j.dtype == F32) backward(j, (float*)g, gs, (float*)x, target, (float*)lse, (float*)gx);
  else if (j.dtype == F64) backward(j, (double*)g, gs, (double*)x, target, (double*)lse, (double*)gx);
  else return Unsupported;
  return OK;
}
Register r1(OpCrossEntropy, run);
Register r2(OpCrossEntropyBackward, runBackward);

}  // namespace
}  // namespace fb
