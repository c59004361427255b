// Windows are cut at the borders once per dimension; the inner loops then run over whole rows of results, one element of the
// window at a time, so that they vectorise. Rows are first split by the stride, which makes strided reads contiguous.
#include "pooling.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "operand.h"
#include "pool.h"

namespace fb {
namespace {

// The part of a window that lies inside: positions from, from + step, … below to. `size` counts padding as avg_pool does.
struct Window {
  i64 from, to, step, size;
};
std::vector<Window> windows(const PoolShape& s, int d) {
  std::vector<Window> out;
  i64 n = s.in[d], k = s.kernel[d], p = s.padding[d], dl = s.dilation[d];
  for (i64 i = 0; i < s.out[d]; i++) {
    if (s.adaptive) {
      i64 a = i * n / s.out[d], b = ((i + 1) * n + s.out[d] - 1) / s.out[d];
      out.push_back({a, b, 1, b - a});
      continue;
    }
    i64 a = i * s.stride[d] - p, b = a + (k - 1) * dl + 1;
    i64 size = std::min(b, n + p) - a;
    b = std::min(b, n);
    if (a < 0) a += (-a + dl - 1) / dl * dl;
    out.push_back({a, b, dl, s.countPad ? size : std::max<i64>(b - a, 0)});
  }
  return out;
}
struct Windows {
  std::vector<Window> d[3];
  explicit Windows(const PoolShape& s) { for (int i = 0; i < 3; i++) d[i] = windows(s, i); }
};

// Tap k of a row of results reads column i·stride - padding + k·dilation, inside for results [from, to).
struct Tap {
  i64 from, to, first;
};
std::vector<Tap> rowTaps(const PoolShape& s) {
  std::vector<Tap> out;
  i64 st = s.stride[2], n = s.in[2];
  for (i64 k = 0; k < s.kernel[2]; k++) {
    i64 o = k * s.dilation[2] - s.padding[2];
    i64 from = o >= 0 ? 0 : (-o + st - 1) / st, to = o >= n ? 0 : std::min(s.out[2], (n - o + st - 1) / st);
    if (from < to) out.push_back({from, to, from * st + o});
  }
  return out;
}

i64 grain(const PoolShape& s) {
  i64 cost = std::max(s.in[0] * s.in[1] * s.in[2], s.out[0] * s.out[1] * s.out[2]);
  return 16384 / (cost + 1) + 1;
}
template <class T> T lowest() { return std::is_floating_point<T>::value ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest(); }

// Positions are kept in an integer as wide as T, so that both fill equally many lanes.
template <class T> using Position = std::conditional_t<sizeof(T) == 4, int32_t, i64>;

// best = max(best, x[i·stride]) and where it was. Nothing is greater than NaN, so NaN stays.
template <class T, int Stride>
void rowMax(i64 n, const T* x, i64 stride, Position<T> at, T* best, Position<T>* where) {
  if (Stride) stride = Stride;
  for (i64 i = 0; i < n; i++) {
    T v = x[i * stride];
    bool win = (v > best[i]) | (v != v);
    best[i] = win ? v : best[i];
    where[i] = win ? at + (Position<T>)(i * stride) : where[i];
  }
}

template <class T> void maxWindow(const PoolShape& s, const T* x, Window a, Window b, Window c, T* y, i64* index) {
  T best = lowest<T>();
  i64 at = (a.from * s.in[1] + b.from) * s.in[2] + c.from;
  for (i64 i = a.from; i < a.to; i += a.step)
    for (i64 j = b.from; j < b.to; j += b.step)
      for (i64 k = c.from; k < c.to; k += c.step) {
        i64 q = (i * s.in[1] + j) * s.in[2] + k;
        if (x[q] > best || x[q] != x[q]) best = x[q], at = q;
      }
  *y = best;
  *index = at;
}

// Short rows make poor vectors, so all windows of a plane that lie inside go together, wherever they are: element o of window i
// is at first[i] + o. The others are walked one by one.
struct Places {
  std::vector<int32_t> first, result;                // of the windows inside
  std::vector<int32_t> taps;
  struct Other { Window a, b, c; i64 result; };
  std::vector<Other> others;
  explicit Places(const PoolShape& s, const Windows& w) {
    auto inside = [&](const Window& v, int d) { return !s.adaptive && v.to - v.from == (s.kernel[d] - 1) * s.dilation[d] + 1; };
    for (i64 i = 0; i < s.out[0]; i++)
      for (i64 j = 0; j < s.out[1]; j++)
        for (i64 k = 0; k < s.out[2]; k++) {
          const Window &a = w.d[0][i], &b = w.d[1][j], &c = w.d[2][k];
          i64 at = (i * s.out[1] + j) * s.out[2] + k;
          if (inside(a, 0) && inside(b, 1) && inside(c, 2)) {
            first.push_back((int32_t)((a.from * s.in[1] + b.from) * s.in[2] + c.from));
            result.push_back((int32_t)at);
          } else others.push_back({a, b, c, at});
        }
    if (s.adaptive) return;
    for (i64 i = 0; i < s.kernel[0]; i++)
      for (i64 j = 0; j < s.kernel[1]; j++)
        for (i64 k = 0; k < s.kernel[2]; k++) taps.push_back((int32_t)((i * s.dilation[0] * s.in[1] + j * s.dilation[1]) * s.in[2] + k * s.dilation[2]));
  }
  template <class T> void max(const PoolShape& s, const T* plane, T* y, i64* index) const {
    constexpr size_t Chunk = 256;
    T best[Chunk];
    Position<T> where[Chunk];
    for (size_t i0 = 0; i0 < first.size(); i0 += Chunk) {
      const size_t n = std::min(Chunk, first.size() - i0);
      const int32_t *at = first.data() + i0, *to = result.data() + i0;
      for (size_t i = 0; i < n; i++) best[i] = lowest<T>(), where[i] = at[i];
      for (int32_t o : taps)
        for (size_t i = 0; i < n; i++) {
          T v = plane[at[i] + o];
          bool win = (v > best[i]) | (v != v);
          best[i] = win ? v : best[i];
          where[i] = win ? (Position<T>)(at[i] + o) : where[i];
        }
      for (size_t i = 0; i < n; i++) y[to[i]] = best[i], index[to[i]] = where[i];
    }
    for (const Other& o : others) maxWindow(s, plane, o.a, o.b, o.c, y + o.result, index + o.result);
  }
};

// f(stride constant) for the strides that deserve a loop of their own.
template <class F> inline void byStride(i64 stride, F f) {
  if (stride == 1) f(std::integral_constant<int, 1>());
  else if (stride == 2) f(std::integral_constant<int, 2>());
  else f(std::integral_constant<int, 0>());
}

}  // namespace

template <class T> void maxPool(const PoolShape& s, const T* x, T* y, i64* index) {
  constexpr i64 Long = 32;  // results of a row that are worth vectors
  const Windows w(s);
  const i64 inPlane = s.in[0] * s.in[1] * s.in[2], row = s.out[2], outPlane = s.out[0] * s.out[1] * row;
  if ((s.adaptive || row < Long) && inPlane < INT32_MAX) {
    const Places places(s, w);
    parallelFor(s.planes, grain(s), [&](i64 p0, i64 p1) {
      for (i64 p = p0; p < p1; p++) places.max(s, x + p * inPlane, y + p * outPlane, index + p * outPlane);
    });
    return;
  }
  const auto taps = rowTaps(s);
  parallelFor(s.planes, grain(s), [&](i64 p0, i64 p1) {
    std::vector<Position<T>> where(row);
    for (i64 p = p0; p < p1; p++)
      for (i64 i = 0; i < s.out[0]; i++)
        for (i64 j = 0; j < s.out[1]; j++) {
          const T* plane = x + p * inPlane;
          i64 o = p * outPlane + (i * s.out[1] + j) * row;
          Window a = w.d[0][i], b = w.d[1][j];
          T* best = y + o;
          for (i64 k = 0; k < row; k++) best[k] = lowest<T>(), where[k] = (Position<T>)((a.from * s.in[1] + b.from) * s.in[2] + w.d[2][k].from);
          for (i64 c = a.from; c < a.to; c += a.step)
            for (i64 d = b.from; d < b.to; d += b.step) {
              i64 line = (c * s.in[1] + d) * s.in[2];
              for (const Tap& t : taps)
                byStride(s.stride[2], [&](auto st) {
                  rowMax<T, decltype(st)::value>(t.to - t.from, plane + line + t.first, s.stride[2], (Position<T>)(line + t.first), best + t.from, where.data() + t.from);
                });
            }
          for (i64 k = 0; k < row; k++) index[o + k] = where[k];
        }
  });
}
template void maxPool<float>(const PoolShape&, const float*, float*, i64*);
template void maxPool<double>(const PoolShape&, const double*, double*, i64*);
template void maxPool<i64>(const PoolShape&, const i64*, i64*, i64*);

template <class T> void avgPool(const PoolShape& s, const T* x, T* y) {
  const Windows w(s);
  const auto taps = s.adaptive ? std::vector<Tap>() : rowTaps(s);
  const i64 inPlane = s.in[0] * s.in[1] * s.in[2], row = s.out[2], outPlane = s.out[0] * s.out[1] * row;
  parallelFor(s.planes, grain(s), [&](i64 p0, i64 p1) {
    for (i64 p = p0; p < p1; p++)
      for (i64 i = 0; i < s.out[0]; i++)
        for (i64 j = 0; j < s.out[1]; j++) {
          const T* plane = x + p * inPlane;
          T* out = y + p * outPlane + (i * s.out[1] + j) * row;
          Window a = w.d[0][i], b = w.d[1][j];
          for (i64 k = 0; k < row; k++) out[k] = T(0);
          for (i64 c = a.from; c < a.to; c += a.step)
            for (i64 d = b.from; d < b.to; d += b.step) {
              const T* line = plane + (c * s.in[1] + d) * s.in[2];
              if (s.adaptive) {
                for (i64 k = 0; k < row; k++) {  // eight partial sums: rows may be long
                  T sum[8] = {};
                  i64 q = w.d[2][k].from, to = w.d[2][k].to;
                  for (; q + 8 <= to; q += 8)
                    for (int r = 0; r < 8; r++) sum[r] += line[q + r];
                  for (; q < to; q++) sum[0] += line[q];
                  out[k] += ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
                }
                continue;
              }
              for (const Tap& t : taps)
                byStride(s.stride[2], [&](auto st) {
                  const i64 step = decltype(st)::value ? decltype(st)::value : s.stride[2], n = t.to - t.from;
                  const T* from = line + t.first;
                  T* to = out + t.from;
                  for (i64 k = 0; k < n; k++) to[k] += from[k * step];
                });
            }
          for (i64 k = 0; k < row; k++) out[k] /= s.divisor ? (T)s.divisor : (T)(a.size * b.size * w.d[2][k].size);
        }
  });
}
template void avgPool<float>(const PoolShape&, const float*, float*);
template void avgPool<double>(const PoolShape&, const double*, double*);

template <class T> void avgPoolBackward(const PoolShape& s, const T* gy, T* gx) {
  const Windows w(s);
  const auto taps = s.adaptive ? std::vector<Tap>() : rowTaps(s);
  const i64 inPlane = s.in[0] * s.in[1] * s.in[2], row = s.out[2], outPlane = s.out[0] * s.out[1] * row;
  parallelFor(s.planes, grain(s), [&](i64 p0, i64 p1) {
    std::vector<T> share(row);
    for (i64 p = p0; p < p1; p++) {
      T* plane = gx + p * inPlane;
      std::fill(plane, plane + inPlane, T(0));
      for (i64 i = 0; i < s.out[0]; i++)
        for (i64 j = 0; j < s.out[1]; j++) {
          const T* g = gy + p * outPlane + (i * s.out[1] + j) * row;
          Window a = w.d[0][i], b = w.d[1][j];
          for (i64 k = 0; k < row; k++) share[k] = g[k] / (s.divisor ? (T)s.divisor : (T)(a.size * b.size * w.d[2][k].size));
          for (i64 c = a.from; c < a.to; c += a.step)
            for (i64 d = b.from; d < b.to; d += b.step) {
              T* line = plane + (c * s.in[1] + d) * s.in[2];
              if (s.adaptive) {
                for (i64 k = 0; k < row; k++)
                  for (i64 q = w.d[2][k].from; q < w.d[2][k].to; q++) line[q] += share[k];
                continue;
              }
              for (const Tap& t : taps)
                byStride(s.stride[2], [&](auto st) {
                  const i64 step = decltype(st)::value ? decltype(st)::value : s.stride[2], n = t.to - t.from;
                  T* to = line + t.first;
                  const T* from = share.data() + t.from;
                  for (i64 k = 0; k < n; k++) to[k * step] += from[k];
                });
            }
        }
    }
  });
}
template void avgPoolBackward<float>(const PoolShape&, const float*, float*);
template void avgPoolBackward<double>(const PoolShape&, const double*, double*);

namespace {

struct Call {
  int op;
  PoolShape s;
  Shape outShape, inShape;
  Operand out, in, index;
};
// Dense memory in lane T for an operand: its own, or a copy.
template <class T> T* lane(const Operand& o, const Shape& s, std::vector<T>& copy, bool read) {
  if (o.dtype == laneDType<T>() && o.dense) return (T*)o.p;
  copy.resize(s.numel);
  if (read) parallelFor(s.numel, 32768, [&](i64 a, i64 b) { loadBlock(copy.data() + a, o, s, a, b - a); });
  return copy.data();
}
template <class T> void give(const Operand& o, const Shape& s, const std::vector<T>& copy) {
  if (!copy.empty()) parallelFor(s.numel, 32768, [&](i64 a, i64 b) { storeBlock(copy.data() + a, o, s, a, b - a); });
}

template <class T> int run(const Call& c) {
  std::vector<T> in, out;
  std::vector<i64> at;
  T *x = lane(c.in, c.inShape, in, true), *y = lane(c.out, c.outShape, out, false);
  if (c.op == 0) {
    i64* index = lane(c.index, c.outShape, at, false);
    maxPool<T>(c.s, x, y, index);
    give(c.index, c.outShape, at);
  } else if constexpr (std::is_floating_point<T>::value) {
    if (c.op == 1) avgPool<T>(c.s, x, y);
    else avgPoolBackward<T>(c.s, x, y);
  } else return Unsupported;
  give(c.out, c.outShape, out);
  return OK;
}

// args: op (max, avg, avg backward), adaptive, count padding, divisor (0: window), dimensions, kernel, stride, padding,
// dilation, then shape, pointer, dtype and strides of the result and the operand, for max also of the indices.
int pooling(double* ring) {
  Args r(ring);
  Call c;
  PoolShape& s = c.s;
  c.op = (int)r.i();
  s.adaptive = r.i() != 0;
  s.countPad = r.i() != 0;
  s.divisor = r.d();
  int nd = (int)r.i();
  for (int d = 0; d < 3; d++) s.kernel[d] = s.stride[d] = s.dilation[d] = 1, s.padding[d] = 0;
  for (i64* to : {s.kernel, s.stride, s.padding, s.dilation})
    for (int d = 3 - nd; d < 3; d++) to[d] = r.i();
  c.outShape = readShape(r), c.out = readOperand(r, c.outShape);
  c.inShape = readShape(r), c.in = readOperand(r, c.inShape);
  if (c.op == 0) {
    Shape again = readShape(r);
    c.index = readOperand(r, again);
  }
  const Shape &x = c.op == 2 ? c.outShape : c.inShape, &y = c.op == 2 ? c.inShape : c.outShape;
  s.planes = x.n[0] * x.n[1];
  for (int d = 0; d < 3; d++) {
    s.in[d] = d < 3 - nd ? 1 : x.n[d - 3 + nd + 2];
    s.out[d] = d < 3 - nd ? 1 : y.n[d - 3 + nd + 2];
  }
  if (c.outShape.numel == 0) return OK;
  int dt = c.out.dtype;
  if (dt >= C64) return Unsupported;
  return dt == F64 ? run<double>(c) : dt <= I64 ? run<i64>(c) : run<float>(c);
}
Register reg(OpPool, pooling);

}  // namespace
}  // namespace fb
