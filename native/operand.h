// Strided operands read and written a block at a time, converted between their element type and the lane type.
#pragma once
#include "base.h"
#include "vec.h"
#ifdef __F16C__
#include <immintrin.h>
#endif

namespace fb {

struct Operand {
  char* p;
  int dtype;
  i64 strides[MaxDims];
  bool dense;  // row-major over the iteration shape
};

struct Shape {
  int nd;
  i64 n[MaxDims];
  i64 numel;
};

inline Shape readShape(Args& a) {
  Shape s;
  s.nd = (int)a.i();
  s.numel = 1;
  for (int d = 0; d < s.nd; d++) s.numel *= s.n[d] = a.i();
  return s;
}
inline Operand readOperand(Args& a, const Shape& s) {
  Operand o;
  o.p = a.p<char>();
  o.dtype = (int)a.i();
  i64 step = 1;
  for (int d = 0; d < s.nd; d++) o.strides[d] = a.i();
  o.dense = true;
  for (int d = s.nd - 1; d >= 0; d--) {
    if (s.n[d] != 1 && o.strides[d] != step) o.dense = false;
    step *= s.n[d];
  }
  return o;
}

template <class T> constexpr int laneDType();
template <> constexpr int laneDType<float>() { return F32; }
template <> constexpr int laneDType<double>() { return F64; }
template <> constexpr int laneDType<i64>() { return I64; }
template <> constexpr int laneDType<std::complex<double>>() { return C128; }

// n elements from p with an element stride into dense lane values.
template <class T, class S, class F> inline void convertIn(T* dst, const S* src, i64 stride, i64 n, F f) {
  if (stride == 1)
    for (i64 i = 0; i < n; i++) dst[i] = f(src[i]);
  else
    for (i64 i = 0; i < n; i++) dst[i] = f(src[i * stride]);
}
// Dense float16: compilers do not find the instructions that convert eight at a time.
inline void halvesIn(float* dst, const uint16_t* src, i64 n) {
  i64 i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(src + i))));
#endif
  for (; i < n; i++) dst[i] = f16ToF32(src[i]);
}
inline void halvesOut(uint16_t* dst, const float* src, i64 n) {
  i64 i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8) _mm_storeu_si128((__m128i*)(dst + i), _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; i++) dst[i] = toF16(src[i]);
}
template <class T> inline T boolIn(uint8_t x) { return T(x != 0); }

template <class T> inline void loadRun(T* dst, const char* p, int dtype, i64 at, i64 stride, i64 n) {
  auto plain = [](auto x) { return (T)x; };
  if constexpr (std::is_same_v<T, float>)
    if (dtype == F16 && stride == 1) return halvesIn(dst, (const uint16_t*)p + at, n);
  switch (dtype) {
    case Bool: convertIn(dst, (const uint8_t*)p + at, stride, n, [](uint8_t x) { return (T)(x != 0); }); break;
    case U8: convertIn(dst, (const uint8_t*)p + at, stride, n, plain); break;
    case I8: convertIn(dst, (const int8_t*)p + at, stride, n, plain); break;
    case I16: convertIn(dst, (const int16_t*)p + at, stride, n, plain); break;
    case I32: convertIn(dst, (const int32_t*)p + at, stride, n, plain); break;
    case I64: convertIn(dst, (const i64*)p + at, stride, n, plain); break;
    case F16: convertIn(dst, (const uint16_t*)p + at, stride, n, [](uint16_t x) { return (T)f16ToF32(x); }); break;
    case BF16: convertIn(dst, (const uint16_t*)p + at, stride, n, [](uint16_t x) { return (T)bf16ToF32(x); }); break;
    case F32: convertIn(dst, (const float*)p + at, stride, n, plain); break;
    case F64: convertIn(dst, (const double*)p + at, stride, n, plain); break;
    case C64: convertIn(dst, (const float*)p + 2 * at, 2 * stride, n, plain); break;
    default: convertIn(dst, (const double*)p + 2 * at, 2 * stride, n, plain);
  }
}
template <> inline void loadRun(std::complex<double>* dst, const char* p, int dtype, i64 at, i64 stride, i64 n) {
  if (dtype == C64)
    for (i64 i = 0; i < n; i++) dst[i] = {((const float*)p)[2 * (at + i * stride)], ((const float*)p)[2 * (at + i * stride) + 1]};
  else if (dtype == C128)
    for (i64 i = 0; i < n; i++) dst[i] = {((const double*)p)[2 * (at + i * stride)], ((const double*)p)[2 * (at + i * stride) + 1]};
  else
    for (i64 i = 0; i < n; i++) dst[i] = {load1<double>(p, dtype, at + i * stride), 0.0};
}

template <class S, class T, class F> inline void convertOut(S* dst, const T* src, i64 stride, i64 n, F f) {
  if (stride == 1)
    for (i64 i = 0; i < n; i++) dst[i] = f(src[i]);
  else
    for (i64 i = 0; i < n; i++) dst[i * stride] = f(src[i]);
}
template <class T> inline void storeRun(const T* src, char* p, int dtype, i64 at, i64 stride, i64 n) {
  if constexpr (std::is_same_v<T, float>)
    if (dtype == F16 && stride == 1) return halvesOut((uint16_t*)p + at, src, n);
  switch (dtype) {
    case Bool: convertOut((uint8_t*)p + at, src, stride, n, [](T x) { return (uint8_t)(x != T(0)); }); break;
    case U8: convertOut((uint8_t*)p + at, src, stride, n, [](T x) { return (uint8_t)toInt(x); }); break;
    case I8: convertOut((int8_t*)p + at, src, stride, n, [](T x) { return (int8_t)toInt(x); }); break;
    case I16: convertOut((int16_t*)p + at, src, stride, n, [](T x) { return (int16_t)toInt(x); }); break;
    case I32: convertOut((int32_t*)p + at, src, stride, n, [](T x) { return toInt32(x); }); break;
    case I64: convertOut((i64*)p + at, src, stride, n, [](T x) { return toInt(x); }); break;
    case F16: convertOut((uint16_t*)p + at, src, stride, n, [](T x) { return toF16((float)x); }); break;
    case BF16: convertOut((uint16_t*)p + at, src, stride, n, [](T x) { return f32ToBf16((float)x); }); break;
    case F32: convertOut((float*)p + at, src, stride, n, [](T x) { return (float)x; }); break;
    case F64: convertOut((double*)p + at, src, stride, n, [](T x) { return (double)x; }); break;
    default:
      for (i64 i = 0; i < n; i++) store1(p, dtype, at + i * stride, src[i]);
  }
}
template <> inline void storeRun(const std::complex<double>* src, char* p, int dtype, i64 at, i64 stride, i64 n) {
  for (i64 i = 0; i < n; i++) {
    i64 k = at + i * stride;
    if (dtype == C64) ((float*)p)[2 * k] = (float)src[i].real(), ((float*)p)[2 * k + 1] = (float)src[i].imag();
    else if (dtype == C128) ((double*)p)[2 * k] = src[i].real(), ((double*)p)[2 * k + 1] = src[i].imag();
    else if (dtype == Bool) ((uint8_t*)p)[k] = src[i] != 0.0;
    else store1(p, dtype, k, src[i].real());
  }
}

// Visits the runs along the last dimension that make up flat positions [from, from + n): f(position in block, offset, length).
template <class F> inline void forRuns(const Shape& s, const Operand& o, i64 from, i64 n, F f) {
  if (s.nd == 0) {
    f((i64)0, (i64)0, n);
    return;
  }
  i64 index[MaxDims];
  i64 rest = from, at = 0;
  for (int d = s.nd - 1; d >= 0; d--) {
    index[d] = rest % s.n[d];
    rest /= s.n[d];
    at += index[d] * o.strides[d];
  }
  int last = s.nd - 1;
  i64 done = 0;
  while (done < n) {
    i64 len = s.n[last] - index[last];
    if (len > n - done) len = n - done;
    f(done, at, len);
    done += len;
    index[last] += len;
    at += len * o.strides[last];
    for (int d = last; d > 0 && index[d] == s.n[d]; d--) {
      at += o.strides[d - 1] - index[d] * o.strides[d];
      index[d] = 0;
      index[d - 1]++;
    }
  }
}

template <class T> inline void loadBlock(T* dst, const Operand& o, const Shape& s, i64 from, i64 n) {
  if (o.dense) {
    loadRun(dst, o.p, o.dtype, from, 1, n);
    return;
  }
  i64 stride = s.nd ? o.strides[s.nd - 1] : 0;
  forRuns(s, o, from, n, [&](i64 pos, i64 at, i64 len) {
    if (stride == 0) {
      loadRun(dst + pos, o.p, o.dtype, at, 1, 1);
      T v = dst[pos];
      for (i64 i = 1; i < len; i++) dst[pos + i] = v;
    } else loadRun(dst + pos, o.p, o.dtype, at, stride, len);
  });
}
template <class T> inline void storeBlock(const T* src, const Operand& o, const Shape& s, i64 from, i64 n) {
  if (o.dense) {
    storeRun(src, o.p, o.dtype, from, 1, n);
    return;
  }
  i64 stride = s.nd ? o.strides[s.nd - 1] : 0;
  forRuns(s, o, from, n, [&](i64 pos, i64 at, i64 len) { storeRun(src + pos, o.p, o.dtype, at, stride, len); });
}

}  // namespace fb
