// Vectors of floats and the functions on them that libm has only one by one. GCC/Clang vector extensions, no intrinsics:
// the same source serves AVX-512, AVX2, NEON and WASM simd128. Polynomials: tools/record/polynomials.py; errors ~1 ulp.
#pragma once
#include "base.h"

namespace fb {

#if defined(__AVX512F__)
#define FB_VEC_BYTES 64
#elif defined(__AVX__)
#define FB_VEC_BYTES 32
#else
#define FB_VEC_BYTES 16
#endif

typedef float VF __attribute__((vector_size(FB_VEC_BYTES)));
typedef int32_t VI __attribute__((vector_size(FB_VEC_BYTES)));
typedef uint32_t VU __attribute__((vector_size(FB_VEC_BYTES)));
typedef float VFu __attribute__((vector_size(FB_VEC_BYTES), aligned(4)));
constexpr int W = FB_VEC_BYTES / 4;

inline VF loadu(const float* p) { return (VF) * (const VFu*)p; }
inline void storeu(float* p, VF v) { *(VFu*)p = (VFu)v; }
inline VF splat(float x) { return x - (VF){}; }
inline VF select(VI mask, VF a, VF b) { return (VF)((mask & (VI)a) | (~mask & (VI)b)); }
inline VF vmax(VF a, VF b) { return select(a > b, a, b); }
inline VF vmin(VF a, VF b) { return select(a < b, a, b); }
inline VF vabs(VF x) { return (VF)((VI)x & 0x7fffffff); }
inline VF copysign(VF mag, VF sign) { return (VF)(((VI)mag & 0x7fffffff) | ((VI)sign & (int)0x80000000)); }
// c + a b, rounded once where the processor can; in WebAssembly it has to be told.
template <class V> inline V madd(V a, V b, V c) {
#ifdef __wasm_relaxed_simd__
  if constexpr (sizeof(a[0]) == 4) return __builtin_wasm_relaxed_madd_f32x4(a, b, c);
#endif
  return c + a * b;
}
// Is a lane of the mask set?
inline bool any(VI mask) {
  typedef i64 Longs __attribute__((vector_size(FB_VEC_BYTES)));
  Longs m = (Longs)mask;
  i64 bits = 0;
  for (int k = 0; k < W / 2; k++) bits |= m[k];
  return bits != 0;
}
inline VI roundToInt(VF x) { return __builtin_convertvector(x + copysign(splat(0.5f), x), VI); }

// The lanes joined: one half with the other, until two are left. A chain over the lanes would wait for every step.
template <class V, class F> inline auto folded(V v, F join) {
  constexpr int N = sizeof(V) / sizeof(v[0]);
  if constexpr (N == 2) return join(v[0], v[1]);
  else {
    typedef decltype(v[0] + v[0]) Half __attribute__((vector_size(sizeof(V) / 2)));
    Half low, high;
    memcpy(&low, &v, sizeof low), memcpy(&high, (const char*)&v + sizeof low, sizeof high);
    return folded(join(low, high), join);
  }
}
template <class V> inline auto hsum(V v) {
  return folded(v, [](auto a, auto b) { return a + b; });
}
template <class V> inline auto hmax(V v) {
  return folded(v, [](auto a, auto b) { return a > b ? a : b; });
}

// e^x = 2^n e^r, |r| <= ln2/2. 2^n is applied in two halves so that results may be subnormal or overflow.
inline VF vexp(VF x) {
  VF c = select(x > 89.0f, splat(89.0f), select(x < -104.0f, splat(-104.0f), x));
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits
  VF m = c * 1.44269504088896341f + magic, n = m - magic;
  VF r = c - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  VF p = 1.381465217e-03f + (VF){};
  p = p * r + 8.368713879e-03f;
  p = p * r + 4.166838680e-02f;
  p = p * r + 1.666652065e-01f;
  p = p * r + 4.999999345e-01f;
  p = p * r * r + r + 1.0f;
  VI k = (VI)m - (VI)splat(magic), a = k >> 1, b = k - a;
  return p * (VF)((a + 127) << 23) * (VF)((b + 127) << 23);
}

inline VF vlog(VF x) {
  VI tiny = x < 1.17549435e-38f;
  VF y = select(tiny, x * 8388608.0f, x);
  VI bits = (VI)y;
  VI e = ((bits - 0x3f3504f3) >> 23);  // exponent relative to sqrt(1/2)
  VF m = (VF)(bits - (e << 23));       // in [sqrt(.5), sqrt(2))
  VF f = m - 1.0f;
  VF p = 6.746408564e-02f + (VF){};
  p = p * f + -1.167553098e-01f;
  p = p * f + 1.188820296e-01f;
  p = p * f + -1.240561224e-01f;
  p = p * f + 1.421954971e-01f;
  p = p * f + -1.666799442e-01f;
  p = p * f + 2.000211875e-01f;
  p = p * f + -2.500000963e-01f;
  p = p * f + 3.333331260e-01f;
  VF n = __builtin_convertvector(e, VF) - select(tiny, splat(23.0f), splat(0.0f));
  VF q = p * f * f * f + n * -2.12194440e-4f - 0.5f * f * f;
  VF r = f + q + n * 0.693359375f;
  r = select(x == INFINITY, x, r);
  r = select(x == 0.0f, splat(-INFINITY), r);
  return select(x < 0.0f, splat(NAN), select(x == x, r, x));
}

inline VF vtanh(VF x) {
  VF a = vabs(x), s = x * x;
  VF p = -5.717017501e-03f + (VF){};
  p = p * s + 2.065056034e-02f;
  p = p * s + -5.374348889e-02f;
  p = p * s + 1.333149116e-01f;
  p = p * s + -3.333328392e-01f;
  VF small = copysign(x + x * s * p, x);  // keeps the sign of zero
  VF e = vexp(2.0f * vmin(a, splat(20.0f)));
  VF large = copysign(1.0f - 2.0f / (e + 1.0f), x);
  VF r = select(a < 0.625f, small, large);
  return select(x == x, r, x);
}

inline VF verf(VF x) {
  VF a = vmin(vabs(x), splat(4.0f)), s = a * a;
  VF p = 7.888498060e-05f + (VF){};
  p = p * s + -8.020655417e-04f;
  p = p * s + 5.189514507e-03f;
  p = p * s + -2.685443384e-02f;
  p = p * s + 1.128359993e-01f;
  p = p * s + -3.761262711e-01f;
  p = p * s + 1.128379166e+00f;
  VF q = 3.850315390e-06f + (VF){};
  q = q * a + -3.213677863e-05f;
  q = q * a + -1.191624114e-04f;
  q = q * a + 3.125657348e-03f;
  q = q * a + -2.299638622e-02f;
  q = q * a + 1.055744442e-01f;
  q = q * a + 6.354612865e-01f;
  q = q * a + 1.128587957e+00f;
  VF r = select(a < 1.0f, a * p, 1.0f - vexp(-q * a));
  return select(x == x, copysign(r, x), x);
}

// sin and cos by quadrant; arguments beyond 8192 go through libm, which reduces them exactly.
template <int Shift> inline VF vsincos(VF x) {
  VF k = x * 0.636619772367581343f;
  const float magic = 12582912.0f;
  k = (k + magic) - magic;
  VI q = __builtin_convertvector(select(vabs(x) < 8192.0f, k, splat(0.0f)), VI) + Shift;
  VF r = x - k * 1.5703125f;
  r = r - k * 4.837512969970703125e-4f;
  r = r - k * 7.54978995489188216e-8f;
  VF s = r * r;
  VF ps = -1.951728416e-04f + (VF){};
  ps = ps * s + 8.332178010e-03f;
  ps = ps * s + -1.666665494e-01f;
  ps = r + r * s * ps;
  VF pc = 2.443844589e-05f + (VF){};
  pc = pc * s + -1.388736746e-03f;
  pc = pc * s + 4.166664687e-02f;
  pc = 1.0f - 0.5f * s + s * s * pc;
  VF v = select((q & 1) != 0, pc, ps);
  v = select((q & 2) != 0, -v, v);
  VI far = ~(vabs(x) < 8192.0f);
  bool any = false;
  for (int i = 0; i < W; i++) any |= far[i] != 0;
  if (any)
    for (int i = 0; i < W; i++)
      if (far[i]) v[i] = Shift ? cosf(x[i]) : sinf(x[i]);
  return v;
}
inline VF vsin(VF x) { return select(x == 0.0f, x, vsincos<0>(x)); }  // keeps the sign of zero
inline VF vcos(VF x) { return vsincos<1>(x); }
inline VF vsigmoid(VF x) { return 1.0f / (1.0f + vexp(-x)); }

}  // namespace fb
