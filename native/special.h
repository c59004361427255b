// Special functions that libm lacks, in double.
#pragma once
#include "base.h"

namespace fb {

// Giles' starting value, then two Newton steps on erf(y) = x.
inline double erfinv(double x) {
  if (!(x >= -1 && x <= 1)) return NAN;
  if (x == 1 || x == -1) return x * INFINITY;
  double w = -std::log((1 - x) * (1 + x)), y;
  // Winitzki's closed form (a = 0.147) is good to 2e-3: three Newton steps reach double precision.
  double t = 4.330746750799873 - w / 2;
  y = std::copysign(std::sqrt(std::sqrt(t * t + w / 0.147) - t), x);
  for (int i = 0; i < 4; i++) {
    double err = std::fabs(x) < 0.5 ? std::erf(y) - x : (x > 0 ? (1 - x) - std::erfc(y) : std::erfc(-y) - (1 + x));
    double d = 1.1283791670955126 * std::exp(-y * y);
    if (d == 0) break;
    double s = err / d;
    y -= s / (1 + y * s);  // Halley
  }
  return y;
}

// std::lgamma writes a global: lgamma_r where there is one.
inline double lgammaPure(double x) {
#if defined(__GLIBC__)
  int sign;
  return ::lgamma_r(x, &sign);
#else
  return std::lgamma(x);
#endif
}

// Reflection for x < 0, recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 6.3.18).
inline double digamma(double x) {
  if (x == 0) return std::copysign(INFINITY, -x);
  double r = 0;
  if (x < 0) {
    if (x == std::floor(x)) return NAN;
    double whole;
    return digamma(1 - x) - 3.14159265358979323846 / std::tan(3.14159265358979323846 * std::modf(x, &whole));
  }
  while (x < 10) {
    r -= 1 / x;
    x += 1;
  }
  double y = 1 / (x * x);
  return r + std::log(x) - 0.5 / x -
         y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * (1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y / 12))))));
}

}  // namespace fb
