// softmax(scale q kᵀ + mask) v without the matrix of scores: blocks of queries walk over tiles of keys with a running
// maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022). The backward pass recomputes the scores from lse:
// P = exp(S - lse), dS = P (go vᵀ - Σ go o), gv = Pᵀ go, gk = scale dSᵀ q, gq = scale dS k.
#include "attention.h"

namespace fb {
namespace attention {
namespace {

constexpr i64 Keys = 8 * MR;  // of a tile

Heads readHeads(Args& a) {
  Heads h;
  h.p = a.p<char>();
  for (int d = 0; d < 3; d++) h.s[d] = a.i();
  return h;
}
Job readJob(Args& a) {
  Job j;
  j.dtype = (int)a.i();
  j.B = a.i(), j.H = a.i(), j.Hkv = a.i(), j.Tq = a.i(), j.Tk = a.i(), j.D = a.i(), j.Dv = a.i();
  j.scale = a.d();
  const i64 causal = a.i();
  j.causal = causal != 0;
  j.shift = causal == 2 ? j.Tk - j.Tq : 0;
  j.q = readHeads(a), j.k = readHeads(a), j.v = readHeads(a);
  j.mask = a.p<char>();
  for (int d = 0; d < 4; d++) j.maskStrides[d] = a.i();
  return j;
}
// Pieces of one block of scratch, each on a cache line of its own.
template <class T> struct Carve {
  T* p;
  T* take(i64 n) {
    T* q = p;
    p += (n + 63) & ~(i64)63;
    return q;
  }
};
i64 panels(i64 n) { return (n + MR - 1) / MR * MR; }

// Queries [r0, r1) of one head.
template <class T> void forwardTask(const Job& j, const Heads& o, T* lse, i64 b, i64 h, i64 r0, i64 r1) {
  typedef Vector<T> V;
  constexpr int N = Lanes<T>::N, nr = NR<T>;
  const T low = -std::numeric_limits<T>::infinity();
  const i64 D = j.D, Dv = j.Dv, hk = h / (j.H / j.Hkv);
  const i64 all = j.seen(r1);  // keys that any of these queries sees
  Carve<T> c{(T*)threadScratch<2>(sizeof(T) * (panels(all) * D + panels(Dv) * all + (D + Dv + Keys) * nr + 5 * 64))};
  T *kp = c.take(panels(all) * D), *vp = c.take(panels(Dv) * all), *qT = c.take(D * nr), *oT = c.take(Dv * nr), *s = c.take(Keys * nr);
  packRows(at<T>(j.k, b, hk), j.k.s[2], all, D, kp);
  packColumns(at<T>(j.v, b, hk), j.v.s[2], all, Dv, vp);
  for (i64 i0 = r0; i0 < r1; i0 += nr) {
    const i64 count = r1 - i0 < nr ? r1 - i0 : nr;
    const i64 end = j.seen(i0 + count);
    transposeIn(at<T>(j.q, b, h, i0), j.q.s[2], count, D, (T)j.scale, qT);
    V m[NV], z[NV];
    for (int v = 0; v < NV; v++) m[v] = fb::all(low), z[v] = V{};
    if (end == 0) memset(oT, 0, sizeof(T) * Dv * nr);
    for (i64 k0 = 0; k0 < end; k0 += Keys) {
      const i64 keys = end - k0 < Keys ? end - k0 : Keys;
      product(keys, D, kp + k0 * D, MR * D, qT, s, false);
      maskScores(j, b, h, i0, count, k0, keys, s);
      V base[NV], factor[NV];
      for (int v = 0; v < NV; v++) {
        V best = m[v];
        for (i64 k = 0; k < keys; k++) {
          V x = *(V*)(s + k * nr + v * N);
          best = x > best ? x : best;
        }
        base[v] = best == low ? V{} : best;  // no key seen so far: all weights are 0
        factor[v] = expDown(m[v] - base[v]);
        m[v] = best;
        z[v] *= factor[v];
      }
      for (i64 k = 0; k < keys; k++)
        for (int v = 0; v < NV; v++) {
          V* x = (V*)(s + k * nr + v * N);
          V e = expDown(*x - base[v]);
          *x = e;
          z[v] += e;
        }
      if (k0 > 0)
        for (i64 d = 0; d < Dv; d++)
          for (int v = 0; v < NV; v++) *(V*)(oT + d * nr + v * N) *= factor[v];
      product(Dv, keys, vp + k0 * MR, MR * all, s, oT, k0 > 0);
    }
    T l[nr];
    for (int v = 0; v < NV; v++) {
      V scale = z[v] == T(0) ? V{} : T(1) / z[v];
      for (i64 d = 0; d < Dv; d++) *(V*)(oT + d * nr + v * N) *= scale;
      for (int i = 0; i < N; i++) l[v * N + i] = m[v][i] + std::log(z[v][i]);
    }
    transposeOut(oT, count, Dv, at<T>(o, b, h, i0), o.s[2]);
    memcpy(lse + (b * j.H + h) * j.Tq + i0, l, sizeof(T) * count);
  }
}

// One query: the scores of all its keys, then the weighted sum of values. For decoding, where packing would dominate.
template <class T> void forwardRow(const Job& j, const Heads& o, T* lse, i64 b, i64 h, i64 i) {
  const T low = -std::numeric_limits<T>::infinity();
  const i64 hk = h / (j.H / j.Hkv), n = j.seen(i + 1);
  const T *q = at<T>(j.q, b, h, i), *k = at<T>(j.k, b, hk), *v = at<T>(j.v, b, hk);
  T *s = (T*)threadScratch<2>(sizeof(T) * (n + 1)), *y = at<T>(o, b, h, i);
  const T* mask = j.mask ? (const T*)j.mask + b * j.maskStrides[0] + h * j.maskStrides[1] + i * j.maskStrides[2] : nullptr;
  for (i64 x = 0; x < n; x++) {
    const T* key = k + x * j.k.s[2];
    Vector<T> acc[4] = {};
    sweep<T>(j.D, [&](auto at, int u) FB_INLINE { acc[u] += at(q) * at(key); });
    s[x] = (T)(hsum((acc[0] + acc[1]) + (acc[2] + acc[3])) * j.scale) + (mask ? mask[x * j.maskStrides[3]] : T(0));
  }
  T m = rowMax(s, n), base = m == low ? T(0) : m;
  double z = sums<1, T>(n, [&](auto at, Vector<T>* acc) FB_INLINE {
    Vector<T> e = expDown(at(s, low) - base);
    at.put(s, e);
    acc[0] += at.keep(e);
  }).s[0];
  const T scale = z == 0 ? T(0) : (T)(1 / z);
  sweep<T>(j.Dv, [&](auto at, int) FB_INLINE {
    Vector<T> acc[2] = {};
    i64 x = 0;
    for (; x + 2 <= n; x += 2) acc[0] += at(v + x * j.v.s[2]) * s[x], acc[1] += at(v + (x + 1) * j.v.s[2]) * s[x + 1];
    if (x < n) acc[0] += at(v + x * j.v.s[2]) * s[x];
    at.put(y, (acc[0] + acc[1]) * scale);
  });
  lse[(b * j.H + h) * j.Tq + i] = (T)(m + std::log(z));
}

template <class T> int forward(const Job& j, const Heads& o, T* lse) {
  const i64 heads = j.B * j.H;
  if (j.Tq <= 4) {
    parallelFor(heads * j.Tq, rowGrain(j.Tk * (j.D + j.Dv)), [&](i64 begin, i64 end) {
      for (i64 t = begin; t < end; t++) forwardRow<T>(j, o, lse, t / j.Tq / j.H, t / j.Tq % j.H, t % j.Tq);
    });
    return OK;
  }
  // Heads are cut only where there are too few of them: each piece packs the keys anew.
  const i64 blocks = (j.Tq + NR<T> - 1) / NR<T>;
  i64 pieces = numThreads() == 1 ? 1 : (4 * numThreads() + heads - 1) / (heads + 1);
  if (pieces > (blocks + 3) / 4) pieces = (blocks + 3) / 4;
  if (pieces < 1) pieces = 1;
  parallelFor(heads * pieces, rowGrain(j.Tq * j.Tk * j.D / pieces, 65536), [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; t++) {
      i64 head = t / pieces, piece = t % pieces;
      i64 r0 = blocks * piece / pieces * NR<T>, r1 = blocks * (piece + 1) / pieces * NR<T>;
      forwardTask<T>(j, o, lse, head / j.H, head % j.H, r0, r1 < j.Tq ? r1 : j.Tq);
    }
  });
  return OK;
}

struct Gradients {
  Heads o, go, gq, gk, gv;
};

// One key head with all query heads that share it.
template <class T> void backwardTask(const Job& j, const Gradients& g, const T* lse, i64 b, i64 hk) {
  typedef Vector<T> V;
  constexpr int N = Lanes<T>::N, nr = NR<T>;
  const T inf = std::numeric_limits<T>::infinity();
  const i64 D = j.D, Dv = j.Dv, Tk = j.Tk, group = j.H / j.Hkv;
  const i64 Dp = (D + nr - 1) / nr * nr, Dvp = (Dv + nr - 1) / nr * nr;
  Carve<T> c{(T*)threadScratch<2>(sizeof(T) * (panels(Tk) * (D + Dv) + panels(D) * Tk + Tk * (Dp + Dvp) + nr * (2 * D + Dv + Dp + Dvp + 2 * Keys) + 13 * 64))};
  T *kRows = c.take(panels(Tk) * D), *vRows = c.take(panels(Tk) * Dv), *kColumns = c.take(panels(D) * Tk);
  T *gk = c.take(Tk * Dp), *gv = c.take(Tk * Dvp);
  T *qT = c.take(D * nr), *goT = c.take(Dv * nr), *gqT = c.take(D * nr), *q = c.take(nr * Dp), *go = c.take(nr * Dvp);
  T *s = c.take(Keys * nr), *ds = c.take(Keys * nr);
  packRows(at<T>(j.k, b, hk), j.k.s[2], Tk, D, kRows);
  packRows(at<T>(j.v, b, hk), j.v.s[2], Tk, Dv, vRows);
  packColumns(at<T>(j.k, b, hk), j.k.s[2], Tk, D, kColumns);
  memset(gk, 0, sizeof(T) * Tk * Dp);
  memset(gv, 0, sizeof(T) * Tk * Dvp);
  for (i64 h = hk * group; h < (hk + 1) * group; h++) {
    for (i64 i0 = 0; i0 < j.Tq; i0 += nr) {
      const i64 count = j.Tq - i0 < nr ? j.Tq - i0 : nr;
      const i64 end = j.seen(i0 + count);
      const T *goRows = at<T>(g.go, b, h, i0), *oRows = at<T>(g.o, b, h, i0);
      transposeIn(at<T>(j.q, b, h, i0), j.q.s[2], count, D, (T)j.scale, qT);
      transposeIn(goRows, g.go.s[2], count, Dv, T(1), goT);
      padRows(at<T>(j.q, b, h, i0), j.q.s[2], count, D, (T)j.scale, q, Dp);
      padRows(goRows, g.go.s[2], count, Dv, T(1), go, Dvp);
      alignas(64) T delta[nr], level[nr];
      for (i64 i = 0; i < nr; i++) {
        delta[i] = T(0), level[i] = inf;  // a query that is not there, or sees nothing, weighs 0
        if (i >= count) continue;
        const T *x = goRows + i * g.go.s[2], *y = oRows + i * g.o.s[2];
        delta[i] = (T)sums<1, T>(Dv, [&](auto at, Vector<T>* acc) FB_INLINE { acc[0] += at(x) * at(y); }).s[0];
        T l = lse[(b * j.H + h) * j.Tq + i0 + i];
        if (l != -inf) level[i] = l;
      }
      memset(gqT, 0, sizeof(T) * D * nr);
      for (i64 k0 = 0; k0 < end; k0 += Keys) {
        const i64 keys = end - k0 < Keys ? end - k0 : Keys;
        product(keys, D, kRows + k0 * D, MR * D, qT, s, false);
        maskScores(j, b, h, i0, count, k0, keys, s);
        product(keys, Dv, vRows + k0 * Dv, MR * Dv, goT, ds, false);
        for (int v = 0; v < NV; v++) {
          V l = *(V*)(level + v * N), d = *(V*)(delta + v * N);
          for (i64 k = 0; k < keys; k++) {
            V *x = (V*)(s + k * nr + v * N), *y = (V*)(ds + k * nr + v * N);
            V p = expDown(*x - l);
            *x = p;
            *y = p * (*y - d);
          }
        }
        product(D, keys, kColumns + k0 * MR, MR * Tk, ds, gqT, true);
        gradient(keys, s, go, Dvp, gv + k0 * Dvp);
        gradient(keys, ds, q, Dp, gk + k0 * Dp);
      }
      for (i64 i = 0; i < D * nr; i++) gqT[i] *= (T)j.scale;
      transposeOut(gqT, count, D, at<T>(g.gq, b, h, i0), g.gq.s[2]);
    }
  }
  for (i64 k = 0; k < Tk; k++) {
    memcpy(at<T>(g.gk, b, hk, k), gk + k * Dp, sizeof(T) * D);
    memcpy(at<T>(g.gv, b, hk, k), gv + k * Dvp, sizeof(T) * Dv);
  }
}
template <class T> int backward(const Job& j, const Gradients& g, const T* lse) {
  parallelFor(j.B * j.Hkv, rowGrain(j.Tq * j.Tk * j.D, 65536), [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; t++) backwardTask<T>(j, g, lse, t / j.Hkv, t % j.Hkv);
  });
  return OK;
}

// args: dtype, B, H, Hkv, Tq, Tk, D, Dv, scale, causal, q, k, v (address, strides of batch, head, row), mask (0: none) and
// four strides, o, lse
int run(double* ring) {
  Args a(ring);
  Job j = readJob(a);
  Heads o = readHeads(a);
  void* lse = a.p<void>();
  if (j.dtype == F32) return forward<float>(j, o, (float*)lse);
  if (j.dtype == F64) return forward<double>(j, o, (double*)lse);
  return Unsupported;
}
// args: as above to o, lse, then go, gq, gk, gv
int runBackward(double* ring) {
  Args a(ring);
  Job j = readJob(a);
  Gradients g;
  g.o = readHeads(a);
  void* lse = a.p<void>();
  g.go = readHeads(a), g.gq = readHeads(a), g.gk = readHeads(a), g.gv = readHeads(a);
  if (j.dtype == F32) return backward<float>(j, g, (const float*)lse);
  if (j.dtype == F64) return backward<double>(j, g, (const double*)lse);
  return Unsupported;
}
Register r1(OpAttention, run);
Register r2(OpAttentionBackward, runBackward);

}  // namespace
}  // namespace attention
}  // namespace fb
