// What walks one dimension line by line: the greatest or least element with its index, and running sums, products and extremes.
#include <cmath>

#include "pool.h"
#include "program.h"

namespace fb {
namespace {

// Where line k of several operands begins.
template <int N> inline void beginOf(const Shape& s, i64 k, const Operand* const (&o)[N], i64 (&at)[N]) {
  for (int c = 0; c < N; c++) at[c] = 0;
  for (int d = s.nd - 1; d >= 0; d--) {
    const i64 i = k % s.n[d];
    k /= s.n[d];
    for (int c = 0; c < N; c++) at[c] += o[c] ? i * o[c]->strides[d] : 0;
  }
}

// The first of the greatest (least) elements; NaN is above all.
template <class T> struct Best {
  T value;
  i64 where;
};
template <class T> inline bool better(T x, T best, bool wantMax) { return best == best && (x != x || (wantMax ? x > best : x < best)); }
template <class T> Best<T> bestOf(const Operand& x, i64 at, i64 stride, i64 n, bool wantMax) {
  T buffer[Block];
  Best<T> b{T(0), 0};
  for (i64 i = 0; i < n; i += Block) {
    i64 m = n - i < Block ? n - i : Block;
    loadRun(buffer, x.p, x.dtype, at + i * stride, stride, m);
    for (i64 k = 0; k < m; k++)
      if (i + k == 0 || better(buffer[k], b.value, wantMax)) b = {buffer[k], i + k};
  }
  return b;
}

// W candidates side by side: neighbours of a line that is dense, or W lines that are neighbours. Positions are 32 bits wide.
struct Candidates {
  VF value;
  VI where;
  void take(VF x, VI at, float sign) {
    x *= sign;
    VI wins = (value == value) & ((x != x) | (x > value));
    value = wins ? x : value;
    where = wins ? at : where;
  }
};
Best<float> bestOfDense(const float* p, i64 n, float sign) {
  VI at;
  for (int k = 0; k < W; k++) at[k] = k;
  Candidates c{loadu(p) * sign, at};
  i64 i = W;
  for (; i + W <= n; i += W) c.take(loadu(p + i), at += W, sign);
  Best<float> b{c.value[0], c.where[0]};
  for (int k = 1; k < W; k++) {
    float x = c.value[k];
    if (better(x, b.value, true) || ((x == b.value || (x != x && b.value != b.value)) && c.where[k] < b.where)) b = {x, c.where[k]};
  }
  for (; i < n; i++)
    if (better(p[i] * sign, b.value, true)) b = {p[i] * sign, i};
  return {b.value * sign, b.where};
}
void bestOfLines(const float* p, i64 stride, i64 n, float sign, Best<float>* out) {
  Candidates c{loadu(p) * sign, VI{}};
  VI at{};
  for (i64 i = 1; i < n; i++) c.take(loadu(p + i * stride), at += 1, sign);
  for (int k = 0; k < W; k++) out[k] = {c.value[k] * sign, c.where[k]};
}

template <class T> void argReduce(bool wantMax, i64 n, const Shape& s, const Operand& x, i64 stride, const Operand& values, const Operand& indices) {
  const Operand* const all[3] = {&x, &values, &indices};
  const float sign = wantMax ? 1 : -1;
  const bool floats = std::is_same_v<T, float> && x.dtype == F32 && n < INT32_MAX;
  const int last = s.nd - 1;
  auto put = [&](const Best<T>& b, i64 v, i64 i) {
    storeRun(&b.value, values.p, values.dtype, v, 1, 1);
    ((i64*)indices.p)[i] = b.where;
  };
  // Lines that are neighbours are walked together, where there are enough of them.
  const i64 group = floats && stride != 1 && s.nd > 0 && x.strides[last] == 1 && s.n[last] >= W ? W : 1;
  const i64 groups = group == 1 ? s.numel : s.numel / s.n[last] * ((s.n[last] + W - 1) / W);
  parallelFor(groups, (32768 + n * group - 1) / (n * group), [&](i64 b, i64 e) {
    for (i64 g = b; g < e; g++) {
      i64 at[3];
      if constexpr (std::is_same_v<T, float>)
        if (group > 1) {
          // The last group of a row begins early enough to be whole.
          const i64 across = s.n[last], per = (across + W - 1) / W, first = g % per * W < across - W ? g % per * W : across - W;
          beginOf(s, g / per * across + first, all, at);
          Best<float> found[W];
          bestOfLines((const float*)x.p + at[0], stride, n, sign, found);
          for (int k = 0; k < W; k++) put(found[k], at[1] + k * values.strides[last], at[2] + k * indices.strides[last]);
          continue;
        }
      beginOf(s, g, all, at);
      if constexpr (std::is_same_v<T, float>)
        if (floats && stride == 1 && n >= W) {
          put(bestOfDense((const float*)x.p + at[0], n, sign), at[1], at[2]);
          continue;
        }
      put(bestOf<T>(x, at[0], stride, n, wantMax), at[1], at[2]);
    }
  });
}
// args: max?, n, shape of lines, x (operand over lines), x stride, values (operand), indices (operand)
int arg(double* ring) {
  Args a(ring);
  bool wantMax = a.i() != 0;
  i64 n = a.i();
  Shape s = readShape(a);
  Operand x = readOperand(a, s);
  i64 stride = a.i();
  Operand v = readOperand(a, s), i = readOperand(a, s);
  if (x.dtype <= I64) argReduce<i64>(wantMax, n, s, x, stride, v, i);
  else if (x.dtype == F64) argReduce<double>(wantMax, n, s, x, stride, v, i);
  else argReduce<float>(wantMax, n, s, x, stride, v, i);
  return OK;
}
Register r1(OpArgReduce, arg);

enum ScanOp { ScanSum, ScanProd, ScanMax, ScanMin, ScanLogAddExp };
template <class A> inline A scanJoin(int op, A x, A y) {
  if constexpr (std::numeric_limits<A>::is_specialized) {
    if (op == ScanLogAddExp) {
      double m = (double)x > (double)y ? (double)x : (double)y;
      if (std::isinf(m) && x == y) return x;
      return x != x ? x : y != y ? y : (A)(m + std::log1p(std::exp(-std::fabs((double)x - (double)y))));
    }
  }
  return op == ScanSum ? x + y : x * y;
}
// Running sums of L neighbouring lines, since one sum waits for itself. Lines are xl and yl apart.
template <class T, int L> void sumLines(i64 n, const T* p, i64 xs, i64 xl, T* q, i64 ys, i64 yl) {
  double acc[L] = {};
  for (i64 i = 0; i < n; i++, p += xs, q += ys)
    for (int l = 0; l < L; l++) q[l * yl] = (T)(acc[l] += p[l * xl]);
}
template <class T> bool scanTogether(i64 n, const Shape& s, const Operand& x, i64 xs, const Operand& y, i64 ys) {
  if (s.nd == 0 || x.dtype != laneDType<T>() || y.dtype != laneDType<T>()) return false;
  const int last = s.nd - 1;
  // Lines that are long in memory are taken four at a time: more would fall into the same places of the cache.
  const i64 across = s.n[last], xl = x.strides[last], yl = y.strides[last], L = xl == 1 && yl == 1 ? 16 : 4, groups = (across + L - 1) / L;
  parallelFor(s.numel / across * groups, 16384 / (n * L + 1) + 1, [&](i64 b, i64 e) {
    for (i64 k = b; k < e; k++) {
      const i64 first = k % groups * L;
      i64 at[2];
      beginOf(s, k / groups * across + first, {&x, &y}, at);
      const T* p = (const T*)x.p + at[0];
      T* q = (T*)y.p + at[1];
      if (across - first < L)
        for (i64 l = 0; l < across - first; l++) sumLines<T, 1>(n, p + l * xl, xs, 1, q + l * yl, ys, 1);
      else if (L == 16) sumLines<T, 16>(n, p, xs, 1, q, ys, 1);
      else sumLines<T, 4>(n, p, xs, xl, q, ys, yl);
    }
  });
  return true;
}
template <class T, class A> void scan(int op, i64 n, const Shape& s, const Operand& x, i64 xs, const Operand& y, i64 ys, const Operand* index, i64 is) {
  parallelFor(s.numel, (16384 + n - 1) / (n + 1), [&](i64 b, i64 e) {
    T buffer[Block];
    for (i64 k = b; k < e; k++) {
      i64 at[3];
      beginOf(s, k, {&x, &y, index}, at);
      const i64 xo = at[0], yo = at[1], io = at[2];
      A acc(0);
      i64 where = 0;
      for (i64 i = 0; i < n; i += Block) {
        i64 m = n - i < Block ? n - i : Block;
        loadRun(buffer, x.p, x.dtype, xo + i * xs, xs, m);
        for (i64 q = 0; q < m; q++) {
          A v = (A)buffer[q];
          if constexpr (std::numeric_limits<T>::is_specialized) {
            if (op == ScanMax || op == ScanMin) {
              if (i + q == 0 || (v != v) || (acc == acc && (op == ScanMax ? v >= acc : v <= acc))) acc = v, where = i + q;
              if (index) ((i64*)index->p)[io + (i + q) * is] = where;
              buffer[q] = (T)acc;
              continue;
            }
          }
          acc = i + q == 0 ? v : scanJoin<A>(op, acc, v);
          buffer[q] = (T)acc;
        }
        storeRun(buffer, y.p, y.dtype, yo + i * ys, ys, m);
      }
    }
  });
}
// From the end: the same with lines that begin there and go back.
void backwards(Operand& o, i64& stride, i64 n) {
  if (n > 0) o.p += (n - 1) * stride * itemSize(o.dtype);
  stride = -stride;
}
// args: op, from the end?, n, shape of lines, x, x stride, y, y stride, has index?, index, index stride
int scanRun(double* ring) {
  Args a(ring);
  int op = (int)a.i();
  const bool reverse = a.i() != 0;
  i64 n = a.i();
  Shape s = readShape(a);
  Operand x = readOperand(a, s);
  i64 xs = a.i();
  Operand y = readOperand(a, s);
  i64 ys = a.i();
  if (reverse) backwards(x, xs, n), backwards(y, ys, n);
  Operand index{};
  i64 is = 0;
  bool has = a.i() != 0;
  if (has) index = readOperand(a, s), is = a.i();
  Operand* ip = has ? &index : nullptr;
  if (op == ScanSum && s.numel > 0 && (scanTogether<float>(n, s, x, xs, y, ys) || scanTogether<double>(n, s, x, xs, y, ys))) return OK;
  if (y.dtype >= C64) scan<std::complex<double>, std::complex<double>>(op, n, s, x, xs, y, ys, ip, is);
  else if (y.dtype <= I64) scan<i64, i64>(op, n, s, x, xs, y, ys, ip, is);
  else if (y.dtype == F64) scan<double, double>(op, n, s, x, xs, y, ys, ip, is);
  else scan<float, double>(op, n, s, x, xs, y, ys, ip, is);
  return OK;
}
Register r2(OpScan, scanRun);

}  // namespace
}  // namespace fb
