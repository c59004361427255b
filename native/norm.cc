// Normalisations and their gradients over contiguous operands. layerNorm and rmsNorm: rows of n elements, affine per
// element. groupNorm and batchNorm: [N, C, S], statistics per group of channels or per channel, affine per channel.
// With h = (x - mean) rstd and u = w gy:  gx = rstd (u - mean(u) - h mean(u h)),  gw = Σ gy h,  gb = Σ gy.
#include <algorithm>

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

// Channels of [N, C, S], one after the other, their runs of S elements joined in double.
template <class T, class F> void overChannels(const Job& j, const F& f) {
  parallelFor(j.C, rowGrain(j.N * j.S), f);
}
// Short runs: a block of channels is a band of columns over the N rows, and all columns go at once.
constexpr i64 ShortRun = 32, Band = 128;
template <class T, class F> void overBands(const Job& j, const F& f) {
  const i64 per = std::max<i64>(1, Band / j.S);  // channels of a band
  parallelFor((j.C + per - 1) / per, rowGrain(j.N * Band), [&](i64 begin, i64 end) {
    for (i64 u = begin; u < end; u++) f(u * per, std::min(per, j.C - u * per));
  });
}
// The sum over the rows of each of `width` columns, in double; add(row, sums) adds a row.
template <class T, class F> void columnSums(i64 rows, i64 width, double* total, F add) {
  std::fill(total, total + width, 0.0);
  for (i64 b = 0; b < rows; b += 64) {
    T part[Band] = {};
    for (i64 r = b; r < rows && r < b + 64; r++) add(r, part);
    for (i64 i = 0; i < width; i++) total[i] += part[i];
  }
}
// Sums of a band's channels: those of their S columns.
inline void joinColumns(i64 channels, i64 S, double* total) {
  for (i64 c = 0; c < channels; c++) {
    double t = 0;
    for (i64 i = 0; i < S; i++) t += total[c * S + i];
    total[c] = t;
  }
}
// A value a channel, repeated for its columns.
template <class T, class F> void spread(i64 channels, i64 S, T* to, F value) {
  for (i64 c = 0; c < channels; c++) std::fill(to + c * S, to + (c + 1) * S, (T)value(c));
}

template <class T> void batchForward(const Job& j, const T* x, const T* w, const T* b, T* y, T* mean, T* variance) {
  const double n = (double)(j.N * j.S);
  if (j.S < ShortRun) {
    overBands<T>(j, [&](i64 c0, i64 channels) {
      const i64 width = channels * j.S, row = j.C * j.S;
      double t[Band];
      T m[Band], k[Band], shift[Band];
      const T* from = x + c0 * j.S;
      columnSums<T>(j.N, width, t, [&](i64 r, T* s) { for (i64 i = 0; i < width; i++) s[i] += from[r * row + i]; });
      joinColumns(channels, j.S, t);
      spread(channels, j.S, m, [&](i64 c) { return mean[c0 + c] = (T)(t[c] / n); });
      columnSums<T>(j.N, width, t, [&](i64 r, T* s) {
        for (i64 i = 0; i < width; i++) s[i] += (from[r * row + i] - m[i]) * (from[r * row + i] - m[i]);
      });
      joinColumns(channels, j.S, t);
      spread(channels, j.S, k, [&](i64 c) {
        variance[c0 + c] = (T)(t[c] / n);
        return (T)(1 / std::sqrt(t[c] / n + j.eps)) * (w ? w[c0 + c] : T(1));
      });
      spread(channels, j.S, shift, [&](i64 c) { return b ? b[c0 + c] : T(0); });
      for (i64 r = 0; r < j.N; r++) {
        T* q = y + r * row + c0 * j.S;
        for (i64 i = 0; i < width; i++) q[i] = (from[r * row + i] - m[i]) * k[i] + shift[i];
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
  if (j.S < ShortRun) {
    overBands<T>(j, [&](i64 c0, i64 channels) {
      const i64 width = channels * j.S, row = j.C * j.S;
      double sg[Band], sh[Band], rstd[Band];
      T m[Band], a[Band], slope[Band], k[Band];
      const T *g = gy + c0 * j.S, *p = x + c0 * j.S;
      spread(channels, j.S, m, [&](i64 c) { return mean[c0 + c]; });
      columnSums<T>(j.N, width, sg, [&](i64 r, T* s) { for (i64 i = 0; i < width; i++) s[i] += g[r * row + i]; });
      columnSums<T>(j.N, width, sh, [&](i64 r, T* s) { for (i64 i = 0; i < width; i++) s[i] += g[r * row + i] * (p[r * row + i] - m[i]); });
      joinColumns(channels, j.S, sg), joinColumns(channels, j.S, sh);
      for (i64 c = 0; c < channels; c++) {
        rstd[c] = 1 / std::sqrt((double)variance[c0 + c] + j.eps);
        if (gb) gb[c0 + c] = (T)sg[c];
        if (gw) gw[c0 + c] = (T)(sh[c] * rstd[c]);
      }
      spread(channels, j.S, a, [&](i64 c) { return sg[c] / n; });
      spread(channels, j.S, slope, [&](i64 c) { return sh[c] * rstd[c] * rstd[c] / n; });
      spread(channels, j.S, k, [&](i64 c) { return rstd[c] * (w ? (double)w[c0 + c] : 1.0); });
      for (i64 r = 0; r < j.N; r++) {
        T* q = gx + r * row + c0 * j.S;
        for (i64 i = 0; i < width; i++) q[i] = (g[r * row + i] - a[i] - (p[r * row + i] - m[i]) * slope[i]) * k[i];
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
