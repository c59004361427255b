// Normalisations and their gradients over contiguous operands. layerNorm and rmsNorm: rows of n elements, affine per
// element. groupNorm and batchNorm: [N, C, S], statistics per group of channels or per channel, affine per channel.
// With h = (x - mean) rstd and u = w gy:  gx = rstd (u - mean(u) - h mean(u h)),  gw = Σ gy h,  gb = Σ gy.
#include "fused.h"

namespace fb {
namespace {

enum Kind { Layer, Rms, Group, Batch };

struct Job {
  int kind, dtype;
  i64 N, C, G, S;  // layer, rms: N rows of S elements
  double eps;
};

template <class T> double sumOf(const T* x, i64 n) {
  return sums<1, T>(n, [&](auto at, Vector<T>* s) FB_INLINE { s[0] += at(x); }).s[0];
}
template <class T> double squaresAround(const T* x, i64 n, T mean) {
  return sums<1, T>(n, [&](auto at, Vector<T>* s) FB_INLINE {
    Vector<T> d = at.keep(at(x) - mean);
    s[0] += d * d;
  }).s[0];
}

template <class T> void rowsForward(const Job& j, const T* x, const T* w, const T* b, T* y, T* mean, T* rstd) {
  const i64 n = j.S;
  parallelFor(j.N, rowGrain(n), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      const T* p = x + r * n;
      T* q = y + r * n;
      T m = j.kind == Layer ? (T)(sumOf(p, n) / n) : T(0);
      T k = (T)(1 / std::sqrt(squaresAround(p, n, m) / n + j.eps));
      if (mean) mean[r] = m;
      rstd[r] = k;
      if (w && b) sweep<T>(n, [&](auto at, int) FB_INLINE { at.put(q, (at(p) - m) * k * at(w) + at(b)); });
      else if (w) sweep<T>(n, [&](auto at, int) FB_INLINE { at.put(q, (at(p) - m) * k * at(w)); });
      else if (b) sweep<T>(n, [&](auto at, int) FB_INLINE { at.put(q, (at(p) - m) * k + at(b)); });
      else sweep<T>(n, [&](auto at, int) FB_INLINE { at.put(q, (at(p) - m) * k); });
    }
  });
}

// gw and gb are added up per part, then over the parts: the order depends on the number of threads alone.
template <class T>
void rowsBackward(const Job& j, const T* gy, const T* x, const T* mean, const T* rstd, const T* w, T* gx, T* gw, T* gb) {
  const i64 n = j.S;
  i64 parts = j.N * n < 16384 ? 1 : 4 * numThreads();
  if (parts > (j.N + 15) / 16) parts = (j.N + 15) / 16;
  T* sumsOfParts = (T*)threadScratch<1>((2 * parts * n + 1) * sizeof(T));
  parallelFor(parts, 1, [&](i64 p0, i64 p1) {
    for (i64 part = p0; part < p1; part++) {
      T *sw = gw ? sumsOfParts + 2 * part * n : nullptr, *sb = gb ? sumsOfParts + (2 * part + 1) * n : nullptr;
      if (sw) memset(sw, 0, n * sizeof(T));
      if (sb) memset(sb, 0, n * sizeof(T));
      for (i64 r = j.N * part / parts; r < j.N * (part + 1) / parts; r++) {
        const T *g = gy + r * n, *p = x + r * n;
        T* o = gx + r * n;
        T m = mean ? mean[r] : T(0), k = rstd[r];
        Sums<2> s;
        if (w) s = sums<2, T>(n, [&](auto at, Vector<T>* s) FB_INLINE {
          Vector<T> u = at(g) * at(w);
          s[0] += u;
          s[1] += u * (at(p) - m);
        });
        else s = sums<2, T>(n, [&](auto at, Vector<T>* s) FB_INLINE {
          Vector<T> u = at(g);
          s[0] += u;
          s[1] += u * (at(p) - m);
        });
        T a = j.kind == Layer ? (T)(s.s[0] / n) : T(0), c = (T)(s.s[1] * k * k / n);
        // gx = k (u - a - (x - m) c)
        auto pass = [&](auto weighted, auto wantW, auto wantB) FB_INLINE {
          sweep<T>(n, [&](auto at, int) FB_INLINE {
            Vector<T> v = at(g), d = at(p) - m, u = v;
            if constexpr (weighted) u = v * at(w);
            at.put(o, (u - a - d * c) * k);
            if constexpr (wantW) at.put(sw, at(sw) + v * d * k);
            if constexpr (wantB) at.put(sb, at(sb) + v);
          });
        };
        std::true_type yes;
        std::false_type no;
        if (w && sw && sb) pass(yes, yes, yes);
        else if (w && sw) pass(yes, yes, no);
        else if (sb) pass(no, no, yes);
        else pass(no, no, no);
      }
    }
  });
  for (int which = 0; which < 2; which++) {
    T* out = which ? gb : gw;
    if (!out) continue;
    for (i64 i = 0; i < n; i++) {
      double t = 0;
      for (i64 part = 0; part < parts; part++) t += sumsOfParts[(2 * part + which) * n + i];
      out[i] = (T)t;
    }
  }
}

template <class T> void groupForward(const Job& j, const T* x, const T* w, const T* b, T* y, T* mean, T* rstd) {
  const i64 per = j.C / j.G, n = per * j.S;
  parallelFor(j.N * j.G, rowGrain(n), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      const T* p = x + r * n;
      T m = (T)(sumOf(p, n) / n), k = (T)(1 / std::sqrt(squaresAround(p, n, m) / n + j.eps));
      mean[r] = m, rstd[r] = k;
      for (i64 c = 0; c < per; c++) {
        i64 channel = r % j.G * per + c;
        T scale = w ? k * w[channel] : k, shift = b ? b[channel] : T(0);
        const T* from = p + c * j.S;
        T* to = y + r * n + c * j.S;
        sweep<T>(j.S, [&](auto at, int) FB_INLINE { at.put(to, (at(from) - m) * scale + shift); });
      }
    }
  });
}
template <class T> Sums<2> gradientSums(const T* g, const T* x, T m, i64 n) {
  return sums<2, T>(n, [&](auto at, Vector<T>* s) FB_INLINE {
    s[0] += at(g);
    s[1] += at(g) * (at(x) - m);
  });
}
template <class T>
void groupBackward(const Job& j, const T* gy, const T* x, const T* mean, const T* rstd, const T* w, T* gx, T* gw, T* gb) {
  const i64 per = j.C / j.G, n = per * j.S;
  double* channels = (double*)threadScratch<1>((2 * j.N * j.C + 1) * sizeof(double));  // Σ gy and Σ gy h of each (n, c)
  parallelFor(j.N * j.G, rowGrain(n), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      T m = mean[r], k = rstd[r];
      double a = 0, b = 0;
      for (i64 c = 0; c < per; c++) {
        i64 channel = r % j.G * per + c;
        Sums<2> s = gradientSums(gy + r * n + c * j.S, x + r * n + c * j.S, m, j.S);
        channels[2 * (r * per + c)] = s.s[0], channels[2 * (r * per + c) + 1] = s.s[1] * k;
        double weight = w ? (double)w[channel] : 1;
        a += weight * s.s[0], b += weight * s.s[1];
      }
      T shift = (T)(a / n), slope = (T)(b * k * k / n);
      for (i64 c = 0; c < per; c++) {
        T weight = w ? w[r % j.G * per + c] : T(1);
        const T *g = gy + r * n + c * j.S, *p = x + r * n + c * j.S;
        T* o = gx + r * n + c * j.S;
        sweep<T>(j.S, [&](auto at, int) FB_INLINE { at.put(o, (at(g) * weight - shift - (at(p) - m) * slope) * k); });
      }
    }
  });
  for (i64 c = 0; c < j.C; c++) {
    double a = 0, b = 0;
    for (i64 i = 0; i < j.N; i++) a += channels[2 * (i * j.C + c)], b += channels[2 * (i * j.C + c) + 1];
    if (gb) gb[c] = (T)a;
    if (gw) gw[c] = (T)b;
  }
}

// Channels of [N, C, S], one after the other, their runs of S elements joined in double. With S = 1 a channel is a column:
// a vector of channels is taken at a time.
template <class T, class F> void overChannels(const Job& j, const F& f) {
  parallelFor(j.C, rowGrain(j.N * j.S), f);
}
template <class T> struct Columns {
  static constexpr int N = Lanes<T>::N;
  typedef double D __attribute__((vector_size(N * 8)));
  // Σ over the rows of K terms in double; f(row, terms).
  template <int K, class F> FB_INLINE static inline void add(i64 rows, D* total, F f) {
    for (int k = 0; k < K; k++) total[k] = D{};
    for (i64 b = 0; b < rows; b += 64) {
      Vector<T> acc[K] = {};
      for (i64 r = b; r < rows && r < b + 64; r++) f(r, acc);
      for (int k = 0; k < K; k++) total[k] += __builtin_convertvector(acc[k], D);
    }
  }
  static Vector<T> narrow(D d) { return __builtin_convertvector(d, Vector<T>); }
};

template <class T> void batchForward(const Job& j, const T* x, const T* w, const T* b, T* y, T* mean, T* variance) {
  const double n = (double)(j.N * j.S);
  if (j.S == 1) {
    parallelFor((j.C + Lanes<T>::N - 1) / Lanes<T>::N, rowGrain(j.N * Lanes<T>::N), [&](i64 begin, i64 end) {
      typedef Columns<T> L;
      auto work = [&](auto at) {
        typename L::D t;
        L::template add<1>(j.N, &t, [&](i64 r, Vector<T>* s) FB_INLINE { s[0] += at(x + r * j.C); });
        Vector<T> m = L::narrow(t / n);
        L::template add<1>(j.N, &t, [&](i64 r, Vector<T>* s) FB_INLINE {
          Vector<T> d = at(x + r * j.C) - m;
          s[0] += d * d;
        });
        at.put(mean, m);
        at.put(variance, L::narrow(t / n));
        Vector<T> k = at(variance) + (T)j.eps, shift = b ? at(b) : Vector<T>{};
        for (int i = 0; i < Lanes<T>::N; i++) k[i] = 1 / std::sqrt(k[i]);
        if (w) k = k * at(w);
        for (i64 r = 0; r < j.N; r++) at.put(y + r * j.C, (at(x + r * j.C) - m) * k + shift);
      };
      for (i64 u = begin; u < end; u++) {
        i64 first = u * Lanes<T>::N;
        if (j.C - first >= Lanes<T>::N) work(Full<T>{first});
        else work(Part<T>{first, (int)(j.C - first)});
      }
    });
    return;
  }
  overChannels<T>(j, [&](i64 begin, i64 end) {
    for (i64 c = begin; c < end; c++) {
      double t = 0;
      for (i64 i = 0; i < j.N; i++) t += sumOf(x + (i * j.C + c) * j.S, j.S);
      T m = (T)(t / n);
      t = 0;
      for (i64 i = 0; i < j.N; i++) t += squaresAround(x + (i * j.C + c) * j.S, j.S, m);
      mean[c] = m, variance[c] = (T)(t / n);
      T k = (T)(1 / std::sqrt(t / n + j.eps)) * (w ? w[c] : T(1)), shift = b ? b[c] : T(0);
      for (i64 i = 0; i < j.N; i++) {
        const T* p = x + (i * j.C + c) * j.S;
        T* q = y + (i * j.C + c) * j.S;
        sweep<T>(j.S, [&](auto at, int) FB_INLINE { at.put(q, (at(p) - m) * k + shift); });
      }
    }
  });
}
template <class T>
void batchBackward(const Job& j, const T* gy, const T* x, const T* mean, const T* variance, const T* w, T* gx, T* gw, T* gb) {
  const double n = (double)(j.N * j.S);
  if (j.S == 1) {
    parallelFor((j.C + Lanes<T>::N - 1) / Lanes<T>::N, rowGrain(j.N * Lanes<T>::N), [&](i64 begin, i64 end) {
      typedef Columns<T> L;
      auto work = [&](auto at) {
        Vector<T> m = at(mean), k = at(variance, T(1)) + (T)j.eps;
        for (int i = 0; i < Lanes<T>::N; i++) k[i] = 1 / std::sqrt(k[i]);
        typename L::D t[2];
        L::template add<2>(j.N, t, [&](i64 r, Vector<T>* s) FB_INLINE {
          s[0] += at(gy + r * j.C);
          s[1] += at(gy + r * j.C) * (at(x + r * j.C) - m);
        });
        if (gb) at.put(gb, L::narrow(t[0]));
        if (gw) at.put(gw, L::narrow(t[1]) * k);
        Vector<T> a = L::narrow(t[0] / n), c = L::narrow(t[1] / n) * k * k;
        if (w) k = k * at(w);
        for (i64 r = 0; r < j.N; r++) at.put(gx + r * j.C, (at(gy + r * j.C) - a - (at(x + r * j.C) - m) * c) * k);
      };
      for (i64 u = begin; u < end; u++) {
        i64 first = u * Lanes<T>::N;
        if (j.C - first >= Lanes<T>::N) work(Full<T>{first});
        else work(Part<T>{first, (int)(j.C - first)});
      }
    });
    return;
  }
  overChannels<T>(j, [&](i64 begin, i64 end) {
    for (i64 ch = begin; ch < end; ch++) {
      T m = mean[ch];
      double k = 1 / std::sqrt((double)variance[ch] + j.eps), s0 = 0, s1 = 0;
      for (i64 i = 0; i < j.N; i++) {
        i64 o = (i * j.C + ch) * j.S;
        Sums<2> s = gradientSums(gy + o, x + o, m, j.S);
        s0 += s.s[0], s1 += s.s[1];
      }
      if (gb) gb[ch] = (T)s0;
      if (gw) gw[ch] = (T)(s1 * k);
      T a = (T)(s0 / n), c = (T)(s1 * k * k / n), scale = (T)(k * (w ? (double)w[ch] : 1));
      for (i64 i = 0; i < j.N; i++) {
        i64 o = (i * j.C + ch) * j.S;
        const T *g = gy + o, *p = x + o;
        T* q = gx + o;
        sweep<T>(j.S, [&](auto at, int) FB_INLINE { at.put(q, (at(g) - a - (at(p) - m) * c) * scale); });
      }
    }
  });
}

Job readJob(Args& a) {
  Job j;
  j.kind = (int)a.i(), j.dtype = (int)a.i();
  j.N = a.i(), j.C = a.i(), j.G = a.i(), j.S = a.i();
  j.eps = a.d();
  return j;
}

// args: job, x, weight, bias, y, mean, statistic (rstd, or the variance of batchNorm); absent ones are 0
template <class T> void forward(const Job& j, Args a) {
  const T *x = a.p<T>(), *w = a.p<T>(), *b = a.p<T>();
  T *y = a.p<T>(), *mean = a.p<T>(), *stat = a.p<T>();
  if (j.kind == Group) groupForward(j, x, w, b, y, mean, stat);
  else if (j.kind == Batch) batchForward(j, x, w, b, y, mean, stat);
  else rowsForward(j, x, w, b, y, mean, stat);
}
// args: job, gy, x, mean, statistic, weight, gx, gw, gb
template <class T> void backward(const Job& j, Args a) {
  const T *gy = a.p<T>(), *x = a.p<T>(), *mean = a.p<T>(), *stat = a.p<T>(), *w = a.p<T>();
  T *gx = a.p<T>(), *gw = a.p<T>(), *gb = a.p<T>();
  if (j.kind == Group) groupBackward(j, gy, x, mean, stat, w, gx, gw, gb);
  else if (j.kind == Batch) batchBackward(j, gy, x, mean, stat, w, gx, gw, gb);
  else rowsBackward(j, gy, x, mean, stat, w, gx, gw, gb);
}

int run(double* ring) {
  Args a(ring);
  Job j = readJob(a);
  if (j.dtype == F32) forward<float>(j, a);
  else if (j.dtype == F64) forward<double>(j, a);
  else return Unsupported;
  return OK;
}
int runBackward(double* ring) {
  Args a(ring);
  Job j = readJob(a);
  if (j.dtype == F32) backward<float>(j, a);
  else if (j.dtype == F64) backward<double>(j, a);
  else return Unsupported;
  return OK;
}
Register r1(OpNorm, run);
Register r2(OpNormBackward, runBackward);

}  // namespace
}  // namespace fb
