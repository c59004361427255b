// Gather and scatter by index tensors (contracts: GatherSpec, ScatterSpec), and the positions that a mask stands for.
#include <atomic>
#include <vector>

#include "operand.h"
#include "pool.h"

namespace fb {
namespace {

constexpr int MaxIndices = 16;
struct Index {
  const char* p;
  int dtype;
  i64 size, stride, lowest;  // indices from lowest on, which is -size or 0
  i64 strides[MaxDims];
  i64 at(i64 o) const { return dtype == I64 ? ((const i64*)p)[o] : ((const int32_t*)p)[o]; }
};
struct Job {
  Shape s;
  Operand out, src;
  int count;
  Index idx[MaxIndices];
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
    const i64 size = a.i();
    x.size = size < 0 ? -size : size, x.lowest = size < 0 ? 0 : -size;
    x.stride = a.i();
    for (int d = 0; d < j.s.nd; d++) x.strides[d] = a.i();
    if (j.s.nd && x.strides[j.s.nd - 1] != 0) j.rows = false;
  }
}

bool inside(const Index& x, i64 v) { return v >= x.lowest && v < x.size; }

// Every index is looked at before anything is written that must survive; where nothing must, this tells afterwards what was
// wrong. On failure: ring [which, value, size].
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
    if (s.nd == 1 && strides[0] == 1 && x.dtype == I64) {  // all good, as a rule: then no loop with branches
      std::atomic<bool> bad{false};
      parallelFor(s.numel, 32768, [&](i64 b, i64 e) {
        bool out = false;
        for (i64 i = b; i < e; i++) out |= !inside(x, ((const i64*)x.p)[i]);
        if (out) bad = true;
      });
      if (!bad) continue;
    }
    i64 index[MaxDims] = {}, at = 0;
    for (i64 i = 0; i < s.numel; i++) {
      i64 v = x.at(at);
      if (!inside(x, v)) {
        ring[0] = k, ring[1] = (double)v, ring[2] = (double)x.size, ring[3] = (double)x.lowest;
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

// The part [begin, end) of a dimension.
Job part(Job j, int d, i64 begin, i64 end) {
  j.s.n[d] = end - begin;
  j.out.p += begin * j.out.strides[d] * itemSize(j.out.dtype);
  j.src.p += begin * j.src.strides[d] * itemSize(j.src.dtype);
  for (int k = 0; k < j.count; k++) j.idx[k].p += begin * j.idx[k].strides[d] * itemSize(j.idx[k].dtype);
  return j;
}
template <class F> void shareOut(const Job& j, int d, F run) {
  i64 n = j.s.n[d], rest = j.s.numel / n;
  parallelFor(n, 16384 / (rest + 1) + 1, [&](i64 b, i64 e) { run(b == 0 && e == n ? j : part(j, d, b, e)); });
}

// The dimension along which indices are read together: the last one, or that before it where whole rows go by one index.
inline int walked(const Job& j) { return j.s.nd - (j.rows ? 2 : 1); }
// f(out offset, src offset, offsets of the indices) for every line along the walked dimension, in order.
template <class F> void eachLine(const Job& j, F f) {
  const int dims = walked(j);
  i64 index[MaxDims] = {}, oo = 0, so = 0, io[MaxIndices] = {}, count = 1;
  for (int d = 0; d < dims; d++) count *= j.s.n[d];
  for (i64 k = 0; k < count; k++) {
    f(oo, so, (const i64*)io);
    for (int d = dims - 1; d >= 0; d--) {
      i64 back = ++index[d] < j.s.n[d] ? 0 : j.s.n[d];
      oo += j.out.strides[d] * (1 - back), so += j.src.strides[d] * (1 - back);
      for (int q = 0; q < j.count; q++) io[q] += j.idx[q].strides[d] * (1 - back);
      if (!back) break;
      index[d] = 0;
    }
  }
}
constexpr i64 Chunk = 512;
// What the indices of elements [from, from + n) of a line, a chunk at most, add to the offset. False when one is outside, which
// then counts as 0. Loops without branches, so that they are done in vectors: v or last - v is negative where v is not in [0, last].
bool offsets(const Job& j, const i64* io, i64 from, i64 n, i64* to) {
  bool good = true;
  if (j.count == 0) memset(to, 0, n * sizeof(i64));
  for (int q = 0; q < j.count; q++) {
    const Index& x = j.idx[q];
    const i64 step = x.strides[walked(j)], at = io[q] + from * step, last = x.size - 1;
    i64 own[Chunk];
    i64* v = q ? own : to;
    if (x.dtype == I64 && step == 1) memcpy(v, (const i64*)x.p + at, n * sizeof(i64));
    else
      for (i64 i = 0; i < n; i++) v[i] = x.at(at + i * step);
    i64 odd = 0;
    for (i64 i = 0; i < n; i++) odd |= v[i] | (last - v[i]);
    if (odd < 0)
      for (i64 i = 0; i < n; i++) {
        const i64 w = v[i] < 0 ? v[i] + x.size : v[i];
        const bool in = (v[i] >= x.lowest) & (w <= last);
        good &= in;
        v[i] = in ? w : 0;
      }
    const i64 stride = x.stride;
    for (i64 i = 0; i < n; i++) to[i] = (q ? to[i] : 0) + v[i] * stride;
  }
  return good;
}
// f(first element, how many, what their indices add to the offset) for the chunks of a line. False when an index is outside.
template <class F> inline bool eachChunk(const Job& j, const i64* io, F f) {
  const i64 n = j.s.n[walked(j)];
  i64 shift[Chunk];
  bool good = true;
  for (i64 b = 0; b < n; b += Chunk) {
    const i64 m = n - b < Chunk ? n - b : Chunk;
    good &= offsets(j, io, b, m, shift);
    f(b, m, (const i64*)shift);
  }
  return good;
}
// The beginning of a row that is copied next: the processor fetches the rest of a row itself once it has seen it begin.
inline void fetchAhead(const void* p, size_t bytes) {
  for (size_t k = 0; k < bytes && k < 256; k += 64) __builtin_prefetch((const char*)p + k);
}
template <class S> void copyAt(S* o, const S* p, const i64* shift, i64 n) {
  for (i64 i = 0; i < n; i++) o[i] = p[shift[i]];
}
template <class T> void addRow(T* o, i64 os, const T* p, i64 ss, i64 n) {
  if (os == 1 && ss == 1)
    for (i64 i = 0; i < n; i++) o[i] += p[i];
  else
    for (i64 i = 0; i < n; i++) o[i * os] += p[i * ss];
}
template <class S> bool gatherAs(const Job& j) {
  const int last = j.s.nd - 1, d = walked(j);
  const i64 n = j.s.n[last], os = j.out.strides[last], ss = j.src.strides[last], od = j.out.strides[d], sd = j.src.strides[d];
  bool good = true;
  eachLine(j, [&](i64 oo, i64 so, const i64* io) {
    good &= eachChunk(j, io, [&](i64 b, i64 m, const i64* shift) {
      S* o = (S*)j.out.p + oo + b * od;
      const S* p = (const S*)j.src.p + so + b * sd;
      if (j.rows && os == 1 && ss == 1)
        for (i64 i = 0; i < m; i++) {
          if (i + 1 < m) fetchAhead(p + (i + 1) * sd + shift[i + 1], n * sizeof(S));
          memcpy(o + i * od, p + i * sd + shift[i], n * sizeof(S));
        }
      else if (j.rows)
        for (i64 i = 0; i < m; i++, o += od, p += sd)
          for (i64 k = 0; k < n; k++) o[k * os] = p[shift[i] + k * ss];
      else if (os == 1 && ss == 0) copyAt(o, p, shift, m);
      else
        for (i64 i = 0; i < m; i++) o[i * os] = p[i * ss + shift[i]];
    });
  });
  return good;
}
struct Pair { uint64_t a, b; };

// There is a dimension to walk: else one of size 1 is put in front.
void addDimensions(Job& j) {
  for (; walked(j) < 0; j.s.nd++)
    for (int d = j.s.nd; d >= 0; d--) {
      auto moved = [&](i64* strides) { strides[d] = d > 0 ? strides[d - 1] : 0; };
      j.s.n[d] = d > 0 ? j.s.n[d - 1] : 1;
      moved(j.out.strides), moved(j.src.strides);
      for (int k = 0; k < j.count; k++) moved(j.idx[k].strides);
    }
}

int gather(double* ring) {
  Args a(ring);
  Job j;
  readJob(a, j);
  if (j.s.numel == 0) return OK;
  addDimensions(j);
  int longest = 0;
  for (int d = 1; d < j.s.nd - 1; d++)
    if (j.s.n[d] > j.s.n[longest]) longest = d;
  if (j.s.n[longest] < 8) longest = j.s.nd - 1;
  std::atomic<bool> good{true};
  shareOut(j, longest, [&](const Job& j) {
    auto run = [&] {
      switch (itemSize(j.out.dtype)) {
        case 1: return gatherAs<uint8_t>(j);
        case 2: return gatherAs<uint16_t>(j);
        case 4: return gatherAs<uint32_t>(j);
        case 8: return gatherAs<uint64_t>(j);
        default: return gatherAs<Pair>(j);
      }
    };
    if (!run()) good = false;
  });
  return good ? OK : check(j, ring);
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
// Operands of dtype T, sums: what gradients need.
template <class T> bool addAs(const Job& j) {
  const int last = j.s.nd - 1, d = walked(j);
  const i64 n = j.s.n[last], os = j.out.strides[last], ss = j.src.strides[last], od = j.out.strides[d], sd = j.src.strides[d];
  bool good = true;
  eachLine(j, [&](i64 oo, i64 so, const i64* io) {
    good &= eachChunk(j, io, [&](i64 b, i64 m, const i64* shift) {
      T* o = (T*)j.out.p + oo + b * od;
      const T* p = (const T*)j.src.p + so + b * sd;
      if (j.rows)
        for (i64 i = 0; i < m; i++, o += od, p += sd) addRow(o + shift[i], os, p, ss, n);
      else if (os == 0 && ss == 1)
        for (i64 i = 0; i < m; i++) o[shift[i]] += p[i];
      else
        for (i64 i = 0; i < m; i++) o[i * os + shift[i]] += p[i * ss];
    });
  });
  return good;
}
// Computed in lane T, whatever the dtypes.
template <class T> bool scatterAs(const Job& j, int mode) {
  const int last = j.s.nd - 1, d = walked(j);
  const i64 n = j.rows ? j.s.n[last] : 1, os = j.out.strides[last], ss = j.src.strides[last], od = j.out.strides[d], sd = j.src.strides[d];
  bool good = true;
  eachLine(j, [&](i64 oo, i64 so, const i64* io) {
    good &= eachChunk(j, io, [&](i64 b, i64 m, const i64* shift) {
      for (i64 i = 0; i < m; i++)
        for (i64 k = 0; k < n; k++) {
          T x, y;
          const i64 from = so + (b + i) * sd + k * ss, at = oo + (b + i) * od + k * os + shift[i];
          loadRun(&y, j.src.p, j.src.dtype, from, 1, 1);
          if (mode != Set) {
            loadRun(&x, j.out.p, j.out.dtype, at, 1, 1);
            y = combine<T>(mode, x, y);
          }
          storeRun(&y, j.out.p, j.out.dtype, at, 1, 1);
        }
    });
  });
  return good;
}

// A dimension whose parts write to places of their own, or -1: its steps leap over all that the others and the indices reach,
// or all of its steps together fit between theirs. Strides are not negative.
int apart(const Job& j) {
  for (int d = 0; d < j.s.nd; d++) {
    i64 own = j.out.strides[d], reach = 1, between = 0;
    auto other = [&](i64 n, i64 stride) {
      reach += (n - 1) * stride;
      for (i64 a = stride, b; a; a = b) b = between % a, between = a;  // the greatest common divisor
    };
    for (int e = 0; e < j.s.nd; e++)
      if (e != d && j.s.n[e] > 1) other(j.s.n[e], j.out.strides[e]);
    for (int k = 0; k < j.count; k++) other(j.idx[k].size, j.idx[k].stride);
    if (own > 0 && j.s.n[d] > 1 && (own >= reach || j.s.n[d] * own <= between)) return d;
  }
  return -1;
}

int scatter(double* ring) {
  Args a(ring);
  int mode = (int)a.i();
  bool fresh = a.i() != 0;
  Job j;
  readJob(a, j);
  if (j.s.numel == 0) return OK;
  if (int st = fresh ? OK : check(j, ring)) return st;
  addDimensions(j);
  std::atomic<bool> good{true};
  auto run = [&](const Job& j) {
    auto chosen = [&] {
      bool add = mode == Add && j.src.dtype == j.out.dtype;
      if (add && j.out.dtype == F32) return addAs<float>(j);
      if (add && j.out.dtype == F64) return addAs<double>(j);
      if (j.out.dtype >= C64) return scatterAs<std::complex<double>>(j, mode);
      if (j.out.dtype <= I64) return scatterAs<i64>(j, mode);
      return j.out.dtype == F64 ? scatterAs<double>(j, mode) : scatterAs<float>(j, mode);
    };
    if (!chosen()) good = false;
  };
  int d = apart(j);
  if (d < 0) run(j);
  else shareOut(j, d, run);
  return good ? OK : check(j, ring);
}
Register r2(OpScatter, scatter);

// args: n, bytes of 0 and 1, positions of those that are 1. They are counted a piece at a time first, so that every piece knows
// where its positions go.
int nonzero(double* ring) {
  Args a(ring);
  const i64 n = a.i();
  const uint8_t* mask = a.p<uint8_t>();
  i64* out = a.p<i64>();
  constexpr i64 Piece = 2048;
  const i64 pieces = (n + Piece - 1) / Piece;
  std::vector<i64> first(pieces + 1);
  auto end = [&](i64 k) { return (k + 1) * Piece < n ? (k + 1) * Piece : n; };
  parallelFor(pieces, 64, [&](i64 b, i64 e) {
    for (i64 k = b; k < e; k++) {
      uint32_t count = 0;
      for (i64 i = k * Piece; i < end(k); i++) count += mask[i];
      first[k + 1] = count;
    }
  });
  for (i64 k = 0; k < pieces; k++) first[k + 1] += first[k];
  parallelFor(pieces, 16, [&](i64 b, i64 e) {
    i64 found[Piece + 1];
    for (i64 k = b; k < e; k++) {
      i64 count = 0;
      // Every position is written, and the next one over it unless it counts: half of the branches would be guessed wrong.
      for (i64 i = k * Piece; i < end(k); i++) found[count] = i, count += mask[i];
      memcpy(out + first[k], found, count * sizeof(i64));
    }
  });
  return OK;
}
Register r3(OpNonzero, nonzero);

}  // namespace
}  // namespace fb
