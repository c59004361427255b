// What the fused kernels share: rows swept in vectors with a masked tail, sums that do not lose accuracy with length,
// scratch memory. Everything is a template on float and double.
#pragma once
#include <cstdlib>

#include "base.h"
#include "pool.h"
#include "vec.h"

namespace fb {

#define FB_INLINE __attribute__((always_inline))

template <class T> struct Lanes;
template <> struct Lanes<float> {
  typedef VF V;
  typedef VI I;
  typedef VFu U;
  static constexpr int N = W;
};
template <> struct Lanes<double> {
  typedef double V __attribute__((vector_size(FB_VEC_BYTES)));
  typedef i64 I __attribute__((vector_size(FB_VEC_BYTES)));
  typedef double U __attribute__((vector_size(FB_VEC_BYTES), aligned(8)));
  static constexpr int N = W / 2;
};
template <class T> using Vector = typename Lanes<T>::V;

template <class T> inline Vector<T> all(T x) { return x - Vector<T>{}; }
template <class T> inline Vector<T> loadv(const T* p) { return (Vector<T>)*(const typename Lanes<T>::U*)p; }
template <class T> inline void storev(T* p, Vector<T> v) { *(typename Lanes<T>::U*)p = (typename Lanes<T>::U)v; }

// e^x where x is at most a little above 0: below the normal numbers it is 0, so a masked score weighs nothing.
inline VF expDown(VF x) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: the integer appears in the low bits
  VF t = x * 1.44269504088896341f + magic;
  VF n = t - magic;
  VF r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  VF p = 1.381465217e-03f + (VF){};
  p = p * r + 8.368713879e-03f;
  p = p * r + 4.166838680e-02f;
  p = p * r + 1.666652065e-01f;
  p = p * r + 4.999999345e-01f;
  p = p * r * r + r + 1.0f;
  VF y = p * (VF)(((VI)t + 127) << 23);
  return x < -87.0f ? VF{} : y;
}
inline Vector<double> expDown(Vector<double> x) {
  for (int i = 0; i < Lanes<double>::N; i++) x[i] = std::exp(x[i]);
  return x;
}

// A position in a row: `at(p)` reads a vector there, `at.put(p, v)` writes one, `at.keep(v)` zeroes lanes beyond the end.
template <class T> struct Full {
  i64 i;
  Vector<T> operator()(const T* p, T = T(0)) const { return loadv(p + i); }
  void put(T* p, Vector<T> v) const { storev(p + i, v); }
  Vector<T> keep(Vector<T> v) const { return v; }
};
template <class T> struct Part {
  i64 i;
  int n;
  Vector<T> operator()(const T* p, T pad = T(0)) const {
    Vector<T> v = all(pad);
    for (int k = 0; k < n; k++) v[k] = p[i + k];
    return v;
  }
  void put(T* p, Vector<T> v) const {
    for (int k = 0; k < n; k++) p[i + k] = v[k];
  }
  Vector<T> keep(Vector<T> v) const {
    for (int k = n; k < Lanes<T>::N; k++) v[k] = 0;
    return v;
  }
};

// f(position, which of four accumulators).
template <class T, class F> FB_INLINE inline void sweep(i64 n, F f) {
  constexpr int N = Lanes<T>::N;
  i64 i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
    f(Full<T>{i}, 0);
    f(Full<T>{i + N}, 1);
    f(Full<T>{i + 2 * N}, 2);
    f(Full<T>{i + 3 * N}, 3);
  }
  for (; i + N <= n; i += N) f(Full<T>{i}, 0);
  if (i < n) f(Part<T>{i, (int)(n - i)}, 0);
}

template <int K> struct Sums {
  double s[K];
};
// K sums over a row: f(position, accumulators) adds to each. Blocks are joined in double.
template <int K, class T, class F> FB_INLINE inline Sums<K> sums(i64 n, F f) {
  constexpr i64 Block = 4096;
  Sums<K> out{};
  for (i64 b = 0; b < n; b += Block) {
    Vector<T> acc[4][K] = {};
    i64 len = n - b < Block ? n - b : Block;
    sweep<T>(len, [&](auto at, int u) FB_INLINE {
      at.i += b;
      f(at, acc[u]);
    });
    for (int k = 0; k < K; k++) out.s[k] += hsum((acc[0][k] + acc[1][k]) + (acc[2][k] + acc[3][k]));
  }
  return out;
}

template <class T> inline T rowMax(const T* p, i64 n) {
  Vector<T> m[4];
  for (auto& v : m) v = all(-std::numeric_limits<T>::infinity());
  sweep<T>(n, [&](auto at, int u) FB_INLINE {
    Vector<T> x = at(p, -std::numeric_limits<T>::infinity());
    m[u] = x > m[u] ? x : m[u];
  });
  for (int u = 1; u < 4; u++) m[0] = m[u] > m[0] ? m[u] : m[0];
  return hmax(m[0]);
}

// Memory that a thread keeps for its kernels; `Which` tells buffers in use at once apart.
template <int Which> inline void* threadScratch(size_t bytes) {
  static thread_local struct Buffer {
    void* p = nullptr;
    size_t size = 0;
    ~Buffer() { free(p); }
  } b;
  if (bytes > b.size) {
    free(b.p);
    b.size = (bytes + 0xffff) & ~(size_t)0xffff;
    b.p = aligned_alloc(64, b.size);
  }
  return b.p;
}

// Rows that make a part worth its claim.
inline i64 rowGrain(i64 n, i64 elements = 8192) { return (elements + n) / (n + 1) + 1; }

}  // namespace fb
