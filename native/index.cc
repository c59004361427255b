// Gather and scatter by index tensors (contracts: GatherSpec, ScatterSpec), sort and topk.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "operand.h"
#include "pool.h"

namespace fb {
namespace {

struct Index {
  const char* p;
  int dtype;
  i64 size, stride;
  i64 strides[MaxDims];
  i64 at(i64 o) const { return dtype == I64 ? ((const i64*)p)[o] : ((const int32_t*)p)[o]; }
};
struct Job {
  Shape s;
  Operand out, src;
  int count;
  Index idx[16];
  bool rows;  // do the indices stay the same along the last dimension?
};

void readJob(Args& a, Job& j) {
  j.s = readShape(a);
  j.out = readOperand(a, j.s);
  j.src = readOperand(a, j.s);
  j.count = (int)a.i();
  j.rows = true;
  for (int k = 0; k < j.count; k++) {
    Index& x = j.idx[k];
    x.p = a.p<char>();
    x.dtype = (int)a.i();
    x.size = a.i();
    x.stride = a.i();
    for (int d = 0; d < j.s.nd; d++) x.strides[d] = a.i();
    if (j.s.nd && x.strides[j.s.nd - 1] != 0) j.rows = false;
  }
}

// Every index is looked at before anything is written. On failure: ring [which, value, size].
int check(const Job& j, double* ring) {
  for (int k = 0; k < j.count; k++) {
    const Index& x = j.idx[k];
    Shape s;
    i64 strides[MaxDims];
    s.nd = 0;
    s.numel = 1;
    for (int d = 0; d < j.s.nd; d++) {
      if (j.s.n[d] == 0) return OK;
      if (x.strides[d] == 0) continue;
      s.n[s.nd] = j.s.n[d];
      strides[s.nd++] = x.strides[d];
      s.numel *= j.s.n[d];
    }
    i64 index[MaxDims] = {}, at = 0;
    for (i64 i = 0; i < s.numel; i++) {
      i64 v = x.at(at);
      if (v < -x.size || v >= x.size) {
        ring[0] = k, ring[1] = (double)v, ring[2] = (double)x.size;
        return IndexOutOfRange;
      }
      for (int d = s.nd - 1; d >= 0; d--) {
        at += strides[d];
        if (++index[d] < s.n[d]) break;
        at -= strides[d] * s.n[d];
        index[d] = 0;
      }
    }
  }
  return OK;
}

// f(out offset, src offset, length): element runs along the last dimension (length 1 where indices vary there).
template <class F> void each(const Job& j, i64 begin, i64 end, bool onOut, F f) {
  const Shape& s = j.s;
  int last = s.nd - 1;
  i64 inner = s.nd && j.rows ? s.n[last] : 1;
  int dims = s.nd && j.rows ? last : s.nd;
  for (i64 k = begin; k < end; k++) {
    i64 rest = k, oo = 0, so = 0, io[16] = {};
    for (int d = dims - 1; d >= 0; d--) {
      i64 i = rest % s.n[d];
      rest /= s.n[d];
      oo += i * j.out.strides[d], so += i * j.src.strides[d];
      for (int q = 0; q < j.count; q++) io[q] += i * j.idx[q].strides[d];
    }
    i64 shift = 0;
    for (int q = 0; q < j.count; q++) {
      i64 v = j.idx[q].at(io[q]);
      shift += (v < 0 ? v + j.idx[q].size : v) * j.idx[q].stride;
    }
    if (onOut) oo += shift;
    else so += shift;
    f(oo, so, inner);
  }
}
i64 units(const Job& j) { return j.s.nd && j.rows ? (j.s.n[j.s.nd - 1] ? j.s.numel / j.s.n[j.s.nd - 1] : 0) : j.s.numel; }

template <class S> void gatherAs(const Job& j) {
  i64 os = j.s.nd && j.rows ? j.out.strides[j.s.nd - 1] : 1, ss = j.s.nd && j.rows ? j.src.strides[j.s.nd - 1] : 1;
  i64 inner = j.s.nd && j.rows ? j.s.n[j.s.nd - 1] : 1;
  parallelFor(units(j), 16384 / (inner + 1) + 1, [&](i64 b, i64 e) {
    each(j, b, e, false, [&](i64 oo, i64 so, i64 n) {
      S* o = (S*)j.out.p + oo;
      const S* p = (const S*)j.src.p + so;
      if (os == 1 && ss == 1) memcpy(o, p, n * sizeof(S));
      else
        for (i64 i = 0; i < n; i++) o[i * os] = p[i * ss];
    });
  });
}
struct Pair { uint64_t a, b; };

int gather(double* ring) {
  Args a(ring);
  Job j;
  readJob(a, j);
  int st = check(j, ring);
  if (st) return st;
  switch (itemSize(j.out.dtype)) {
    case 1: gatherAs<uint8_t>(j); break;
    case 2: gatherAs<uint16_t>(j); break;
    case 4: gatherAs<uint32_t>(j); break;
    case 8: gatherAs<uint64_t>(j); break;
    default: gatherAs<Pair>(j);
  }
  return OK;
}
Register r1(OpGather, gather);

enum Mode { Set, Add, Mul, Max, Min };
template <class T> inline T combine(int mode, T x, T y) {
  if constexpr (std::numeric_limits<T>::is_specialized) {
    if (mode == Max) return x != x ? x : y != y ? y : x > y ? x : y;
    if (mode == Min) return x != x ? x : y != y ? y : x < y ? x : y;
  }
  return mode == Add ? x + y : mode == Mul ? x * y : y;
}
template <class T> void scatterAs(const Job& j, int mode) {
  i64 os = j.s.nd && j.rows ? j.out.strides[j.s.nd - 1] : 1, ss = j.s.nd && j.rows ? j.src.strides[j.s.nd - 1] : 1;
  int dt = j.out.dtype;
  each(j, 0, units(j), true, [&](i64 oo, i64 so, i64 n) {
    if constexpr (sizeof(T) == 4) {  // float rows: embedding's gradient
      if (dt == F32 && mode == Add && os == 1 && ss == 1) {
        float* o = (float*)j.out.p + oo;
        const float* p = (const float*)j.src.p + so;
        for (i64 i = 0; i < n; i++) o[i] += p[i];
        return;
      }
    }
    for (i64 i = 0; i < n; i++) {
      T x, y;
      loadRun(&y, j.src.p, j.src.dtype, so + i * ss, 1, 1);
      if (mode != Set) {
        loadRun(&x, j.out.p, dt, oo + i * os, 1, 1);
        y = combine<T>(mode, x, y);
      }
      storeRun(&y, j.out.p, dt, oo + i * os, 1, 1);
    }
  });
}
int scatter(double* ring) {
  Args a(ring);
  int mode = (int)a.i();
  Job j;
  readJob(a, j);
  int st = check(j, ring);
  if (st) return st;
  if (j.out.dtype >= C64) scatterAs<std::complex<double>>(j, mode);
  else if (j.out.dtype <= I64) scatterAs<i64>(j, mode);
  else if (j.out.dtype == F64) scatterAs<double>(j, mode);
  else scatterAs<float>(j, mode);
  return OK;
}
Register r2(OpScatter, scatter);

// ---- sort, topk: one line at a time, by indices; NaN is the greatest

template <class T> inline bool less(T a, T b) { return a < b || (b != b && a == a); }

template <class T> void lines(i64 n, i64 k, bool descending, bool all, const Shape& s, const Operand& x, i64 xs, const Operand& v, i64 vs, const Operand& ix, i64 is) {
  parallelFor(s.numel, 4096 / (n + 1) + 1, [&](i64 b, i64 e) {
    std::vector<T> keys(n);
    std::vector<i64> order(n);
    for (i64 line = b; line < e; line++) {
      i64 xo = 0, vo = 0, io = 0, rest = line;
      for (int d = s.nd - 1; d >= 0; d--) {
        i64 i = rest % s.n[d];
        rest /= s.n[d];
        xo += i * x.strides[d], vo += i * v.strides[d], io += i * ix.strides[d];
      }
      loadRun(keys.data(), x.p, x.dtype, xo, xs, n);
      for (i64 i = 0; i < n; i++) order[i] = i;
      auto before = [&](i64 p, i64 q) { return descending ? less(keys[q], keys[p]) : less(keys[p], keys[q]); };
      if (all) std::stable_sort(order.begin(), order.end(), before);
      else std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](i64 p, i64 q) { return before(p, q) || (!before(q, p) && p < q); });
      for (i64 i = 0; i < k; i++) {
        storeRun(&keys[order[i]], v.p, v.dtype, vo + i * vs, 1, 1);
        ((i64*)ix.p)[io + i * is] = order[i];
      }
    }
  });
}
// args: all?, n, k, descending, shape of lines, x, x stride, values, stride, indices, stride
int sortRun(double* ring) {
  Args a(ring);
  bool all = a.i() != 0;
  i64 n = a.i(), k = a.i();
  bool desc = a.i() != 0;
  Shape s = readShape(a);
  Operand x = readOperand(a, s);
  i64 xs = a.i();
  Operand v = readOperand(a, s);
  i64 vs = a.i();
  Operand ix = readOperand(a, s);
  i64 is = a.i();
  if (x.dtype <= I64) lines<i64>(n, k, desc, all, s, x, xs, v, vs, ix, is);
  else if (x.dtype == F64) lines<double>(n, k, desc, all, s, x, xs, v, vs, ix, is);
  else lines<float>(n, k, desc, all, s, x, xs, v, vs, ix, is);
  return OK;
}
Register r3(OpSort, sortRun);

}  // namespace
}  // namespace fb
