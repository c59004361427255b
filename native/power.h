// x^y of floats, by x^y = 2^(y log2 x) in double: exact to the last bit of a float but for rare ties. What is no
// finite power of a positive number is left to libm.
#pragma once
#include <cmath>

#include "lanes.h"

namespace fb {

typedef Simd<double>::V VD;
typedef Simd<double>::I VL;
constexpr int WD = Width<double>;
typedef float HalfF __attribute__((vector_size(FB_VEC_BYTES / 2)));  // as many floats as a vector has doubles

// log2 of a positive, finite double: 2^e m with m in [√½, √2), log2 m by the series of atanh((m - 1) / (m + 1)).
inline VD log2Positive(VD x) {
  const i64 half = 0x3fe6a09e667f3bcd;  // √½
  VL bits = (VL)x - half;
  // Adding the integer to the bits of 2^52 makes a double of it without a conversion, which older vectors lack. It is biased to be positive.
  VD e = (VD)((((bits >> 52) + 2048) & 0xfff) | 0x4330000000000000) - (4503599627370496.0 + 2048);
  VD m = (VD)((bits & 0x000fffffffffffff) + half);
  VD z = (m - 1) / (m + 1), s = z * z;  // |z| <= 0.1716, so the next term would add 2e-13 of the sum
  // Estrin's order: terms in pairs, so that few operations wait for one another.
  VD s2 = s * s;
  VD p = ((s * (2.0 / 3) + 2.0) + (s * (2.0 / 7) + 2.0 / 5) * s2) + ((s * (2.0 / 11) + 2.0 / 9) + s2 * (2.0 / 13)) * (s2 * s2);
  return e + (z * p) * 1.4426950408889634;
}
// 2^t for |t| <= 1000: 2^k e^r, |r| <= ln2 / 2, Taylor's series.
inline VD exp2Bounded(VD t) {
  const double magic = 6755399441055744.0;  // 1.5 · 2^52: adding it rounds to an integer, which then stands in the low bits
  VD m = t + magic, r = (t - (m - magic)) * 0.6931471805599453;
  VD r2 = r * r, r4 = r2 * r2;
  VD low = ((r + 1.0) + (r * (1.0 / 6) + 0.5) * r2) + ((r * (1.0 / 120) + 1.0 / 24) + (r * (1.0 / 5040) + 1.0 / 720) * r2) * r4;
  VD p = low + ((r * (1.0 / 362880) + 1.0 / 40320) + r2 * (1.0 / 3628800)) * (r4 * r4);
  return (VD)((VL)p + ((VL)m << 52));
}
inline void powers(float* d, const float* a, const float* b, i64 n) {
  i64 i = 0;
  for (; i + W <= n; i += W) {
    VF x = loadu(a + i), y = loadu(b + i), out;
    VI unusual = ~((x > 0.f) & (x < INFINITY) & (vabs(y) < INFINITY));
    if (any(unusual))
      for (int k = 0; k < W; k++) out[k] = std::pow(x[k], y[k]);
    else
      for (int h = 0; h < 2; h++) {
        HalfF xh, yh;
        memcpy(&xh, (float*)&x + h * WD, sizeof xh);
        memcpy(&yh, (float*)&y + h * WD, sizeof yh);
        VD t = __builtin_convertvector(yh, VD) * log2Positive(__builtin_convertvector(xh, VD));
        t = t > 1000 ? t * 0 + 1000 : t < -1000 ? t * 0 - 1000 : t;
        HalfF z = __builtin_convertvector(exp2Bounded(t), HalfF);
        memcpy((float*)&out + h * WD, &z, sizeof z);
      }
    storeu(d + i, out);
  }
  for (; i < n; i++) d[i] = std::pow(a[i], b[i]);
}

}  // namespace fb
