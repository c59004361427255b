// softmax and logSoftmax with their gradients along any dimension of strided operands. Lines that are contiguous are
// rows; lines that lie side by side are taken a band of lines at a time; others go through a buffer.
#include <algorithm>

#include "fused.h"
#include "operand.h"

namespace fb {
namespace {

enum Kind { Softmax, LogSoftmax };

template <class T> void forwardRow(int kind, const T* x, T* y, i64 n) {
  T m = rowMax(x, n);
  const T low = -std::numeric_limits<T>::infinity();
  if (kind == Softmax) {
    T scale = (T)(1 / sums<1, T>(n, [&](auto at, Vector<T>* s) FB_INLINE {
      Vector<T> e = expDown(at(x, low) - m);
      at.put(y, e);
      s[0] += at.keep(e);
    }).s[0]);
    sweep<T>(n, [&](auto at, int) FB_INLINE { at.put(y, at(y) * scale); });
  } else {
    double s = sums<1, T>(n, [&](auto at, Vector<T>* s) FB_INLINE { s[0] += at.keep(expDown(at(x, low) - m)); }).s[0];
    T l = (T)std::log(s);
    sweep<T>(n, [&](auto at, int) FB_INLINE { at.put(y, (at(x) - m) - l); });
  }
}
template <class T> void backwardRow(int kind, const T* gy, const T* y, T* gx, i64 n) {
  if (kind == Softmax) {
    T s = (T)sums<1, T>(n, [&](auto at, Vector<T>* s) FB_INLINE { s[0] += at(gy) * at(y); }).s[0];
    sweep<T>(n, [&](auto at, int) FB_INLINE { at.put(gx, at(y) * (at(gy) - s)); });
  } else {
    T s = (T)sums<1, T>(n, [&](auto at, Vector<T>* s) FB_INLINE { s[0] += at(gy); }).s[0];
    sweep<T>(n, [&](auto at, int) FB_INLINE { at.put(gx, at(gy) - expDown(at(y)) * s); });
  }
}

// Lines whose elements lie side by side: a band of `w` of them, one element of each after the other, so that whole stretches of
// memory are read. What the lines have so far is kept in arrays of the band's width.
constexpr i64 Band = 64;
template <class T> void forwardColumns(int kind, const T* x, i64 xs, T* y, i64 ys, i64 n, i64 w) {
  T m[Band], s[Band] = {};
  std::fill(m, m + w, -std::numeric_limits<T>::infinity());
  for (i64 k = 0; k < n; k++, x += xs) sweep<T>(w, [&](auto at, int) FB_INLINE {
    Vector<T> v = at(x), best = at(m);
    at.put(m, v > best ? v : best);
  });
  x -= n * xs;
  for (i64 k = 0; k < n; k++) sweep<T>(w, [&](auto at, int) FB_INLINE {
    Vector<T> e = expDown(at(x + k * xs) - at(m));
    if (kind == Softmax) at.put(y + k * ys, e);
    at.put(s, at(s) + e);
  });
  for (i64 i = 0; i < w; i++) s[i] = kind == Softmax ? 1 / s[i] : std::log(s[i]);
  for (i64 k = 0; k < n; k++, x += xs, y += ys) sweep<T>(w, [&](auto at, int) FB_INLINE {
    at.put(y, kind == Softmax ? at(y) * at(s) : (at(x) - at(m)) - at(s));
  });
}
template <class T> void backwardColumns(int kind, const T* gy, i64 gs, const T* y, i64 ys, T* gx, i64 os, i64 n, i64 w) {
  T s[Band] = {};
  for (i64 k = 0; k < n; k++) sweep<T>(w, [&](auto at, int) FB_INLINE {
    Vector<T> g = at(gy + k * gs);
    at.put(s, at(s) + (kind == Softmax ? g * at(y + k * ys) : g));
  });
  for (i64 k = 0; k < n; k++, gy += gs, y += ys, gx += os) sweep<T>(w, [&](auto at, int) FB_INLINE {
    at.put(gx, kind == Softmax ? at(y) * (at(gy) - at(s)) : at(gy) - expDown(at(y)) * at(s));
  });
}

struct Line {
  Operand o;
  i64 step;
};
struct Job {
  int kind;
  i64 n;
  Shape s;  // the other dimensions
  int count;
  Line l[3];  // inputs, then the output
};

template <class T> const T* dense(const T* p, i64 step, i64 n, T* buffer) {
  if (step == 1) return p;
  for (i64 k = 0; k < n; k++) buffer[k] = p[k * step];
  return buffer;
}

template <class T> void run(const Job& j) {
  const Shape& s = j.s;
  const i64 n = j.n;
  const int last = s.nd - 1, out = j.count - 1;
  bool rows = true, columns = s.nd > 0;
  for (int c = 0; c < j.count; c++) {
    rows &= j.l[c].step == 1;
    columns &= s.nd > 0 && j.l[c].o.strides[last] == 1;
  }
  columns &= !rows;
  // The unit of work is a band of lines for columns, a line otherwise.
  i64 width = columns ? Band : 1;
  while (width > Lanes<T>::N && s.numel < 2 * width * numThreads()) width /= 2;
  const i64 inner = columns ? (s.n[last] + width - 1) / width : 1;
  const int outerDims = columns ? last : s.nd;
  const i64 units = columns ? s.numel / s.n[last] * inner : s.numel;
  parallelFor(units, rowGrain(n * width), [&](i64 begin, i64 end) {
    T* buffer = rows || columns ? nullptr : (T*)threadScratch<0>(3 * n * sizeof(T));
    for (i64 u = begin; u < end; u++) {
      i64 rest = u / inner, first = u % inner * width;
      T* p[3] = {};
      for (int c = 0; c < j.count; c++) p[c] = (T*)j.l[c].o.p;
      for (int d = outerDims - 1; d >= 0; d--) {
        i64 i = rest % s.n[d];
        rest /= s.n[d];
        for (int c = 0; c < j.count; c++) p[c] += i * j.l[c].o.strides[d];
      }
      if (columns) {
        const i64 w = std::min(width, s.n[last] - first);
        for (int c = 0; c < j.count; c++) p[c] += first;
        if (j.count == 2) forwardColumns<T>(j.kind, p[0], j.l[0].step, p[1], j.l[1].step, n, w);
        else backwardColumns<T>(j.kind, p[0], j.l[0].step, p[1], j.l[1].step, p[2], j.l[2].step, n, w);
        continue;
      }
      i64 step = j.l[out].step;
      T* to = step == 1 ? p[out] : buffer + 2 * n;
      const T* a = dense(p[0], j.l[0].step, n, buffer);
      if (j.count == 2) forwardRow<T>(j.kind, a, to, n);
      else backwardRow<T>(j.kind, a, dense(p[1], j.l[1].step, n, buffer + n), to, n);
      if (step != 1)
        for (i64 k = 0; k < n; k++) p[out][k * step] = to[k];
    }
  });
}

// args: kind, n, shape of lines, operands over the lines each with its step along the line
template <int Count> int softmax(double* ring) {
  Args a(ring);
  Job j;
  j.kind = (int)a.i();
  j.n = a.i();
  j.s = readShape(a);
  j.count = Count;
  for (int c = 0; c < Count; c++) {
    j.l[c].o = readOperand(a, j.s);
    j.l[c].step = a.i();
  }
  if (j.l[0].o.dtype == F32) run<float>(j);
  else if (j.l[0].o.dtype == F64) run<double>(j);
  else return Unsupported;
  return OK;
}
Register r1(OpSoftmax, softmax<2>);
Register r2(OpSoftmaxBackward, softmax<3>);

}  // namespace
}  // namespace fb
