// What every kernel file shares: number types, element types, the argument ring and kernel registration.
#pragma once
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>

namespace fb {

typedef int64_t i64;

// Element types, numbered as in src/core/dtype.ts.
enum DType : int { Bool, U8, I8, I16, I32, I64, F16, BF16, F32, F64, C64, C128 };
inline int itemSize(int d) {
  static const int size[] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return size[d];
}

// A kernel reads its arguments from the ring, all doubles (pointers fit: 48 bits), and returns 0 or an error code.
// Errors leave details in a[1], a[2], … (see src/backends/cpu/host.ts).
typedef int (*Kernel)(double* a);
enum Status { OK = 0, IndexOutOfRange = 1, DivisionByZero = 2, Unsupported = 3, OutOfMemory = 4 };

// Opcodes: the order of src/backends/cpu/abi.ts.
enum Op : int {
  OpProgram, OpPointwise, OpCopy, OpReduce, OpArgReduce, OpScan, OpMatmul, OpGather, OpScatter, OpSort, OpTopk,
  OpConv, OpPool, OpRandom, OpSoftmax, OpSoftmaxBackward, OpNorm, OpNormBackward, OpCrossEntropy, OpCrossEntropyBackward,
  OpAttention, OpAttentionBackward, OpAdam, OpSgd, OpGelu, OpQuantizedLinear, OpDequantize, OpNonzero, OpThreads, OpCount
};
extern Kernel kernels[OpCount];
struct Register {
  Register(Op op, Kernel k) { kernels[op] = k; }
};

template <class T> inline T* ptr(double a) { return (T*)(uintptr_t)a; }

// A reader over the ring.
struct Args {
  double* a;
  explicit Args(double* at) : a(at) {}
  i64 i() { return (i64)*a++; }
  double d() { return *a++; }
  template <class T> T* p() { return ptr<T>(*a++); }
};

constexpr int MaxDims = 32;

// 16-bit floats.
inline float bf16ToF32(uint16_t h) {
  uint32_t u = (uint32_t)h << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}
inline uint16_t f32ToBf16(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)((u >> 16) | 0x40);
  return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
#if defined(__FLT16_MANT_DIG__) && !defined(__wasm__)
inline float f16ToF32(uint16_t h) {
  _Float16 x;
  memcpy(&x, &h, 2);
  return (float)x;
}
template <class T> inline uint16_t toF16(T f) {
  _Float16 x = (_Float16)f;
  uint16_t h;
  memcpy(&h, &x, 2);
  return h;
}
#else
inline float f16ToF32(uint16_t h) {
  uint32_t u = (uint32_t)(h & 0x7fff) << 13;
  float f;
  memcpy(&f, &u, 4);
  f *= 0x1p112f;  // the exponent's bias is 112 larger; subnormals are mended too
  memcpy(&u, &f, 4);
  u |= ((h & 0x7c00) == 0x7c00 ? 0x7f800000u : 0u) | (uint32_t)(h & 0x8000) << 16;
  memcpy(&f, &u, 4);
  return f;
}
template <class T> inline uint16_t toF16(T f) {
  uint16_t sign = std::signbit(f) ? 0x8000 : 0;
  T x = std::fabs(f);
  if (x != x) return 0x7e00;
  if (x >= T(65520)) return sign | 0x7c00;
  if (x < T(6.103515625e-05)) return sign | (uint16_t)nearbyint((double)x * 16777216.0);
  int e;
  double m = frexp((double)x, &e);  // x = m 2^e, m in [.5, 1)
  return sign | (uint16_t)(((e + 14) << 10) + (int)nearbyint(m * 2048.0) - 1024);
}
#endif

// Floats to integers as C does, but defined for every value: NaN and out of range give the smallest number.
inline i64 toInt(double x) { return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (i64)x : INT64_MIN; }
inline i64 toInt(float x) { return toInt((double)x); }
inline i64 toInt(i64 x) { return x; }

// To 32 bits: out of range and NaN give the smallest number, as x86 converts.
template <class T> inline int32_t toInt32(T x) { return x >= T(-2147483648.0) && x < T(2147483648.0) ? (int32_t)x : INT32_MIN; }
inline int32_t toInt32(i64 x) { return (int32_t)x; }

template <class T> inline T load1(const void* base, int dtype, i64 i) {
  switch (dtype) {
    case Bool: return (T)(((const uint8_t*)base)[i] != 0);
    case U8: return (T)((const uint8_t*)base)[i];
    case I8: return (T)((const int8_t*)base)[i];
    case I16: return (T)((const int16_t*)base)[i];
    case I32: return (T)((const int32_t*)base)[i];
    case I64: return (T)((const i64*)base)[i];
    case F16: return (T)f16ToF32(((const uint16_t*)base)[i]);
    case BF16: return (T)bf16ToF32(((const uint16_t*)base)[i]);
    case F32: return (T)((const float*)base)[i];
    case F64: return (T)((const double*)base)[i];
    case C64: return (T)((const float*)base)[2 * i];
    default: return (T)((const double*)base)[2 * i];
  }
}
template <class T> inline void store1(void* base, int dtype, i64 i, T v) {
  switch (dtype) {
    case Bool: ((uint8_t*)base)[i] = v != T(0); break;
    case U8: ((uint8_t*)base)[i] = (uint8_t)toInt(v); break;
    case I8: ((int8_t*)base)[i] = (int8_t)toInt(v); break;
    case I16: ((int16_t*)base)[i] = (int16_t)toInt(v); break;
    case I32: ((int32_t*)base)[i] = toInt32(v); break;
    case I64: ((i64*)base)[i] = toInt(v); break;
    case F16: ((uint16_t*)base)[i] = toF16(v); break;
    case BF16: ((uint16_t*)base)[i] = f32ToBf16((float)v); break;
    case F32: ((float*)base)[i] = (float)v; break;
    case F64: ((double*)base)[i] = (double)v; break;
    case C64: ((float*)base)[2 * i] = (float)v; ((float*)base)[2 * i + 1] = 0; break;
    default: ((double*)base)[2 * i] = (double)v; ((double*)base)[2 * i + 1] = 0;
  }
}

}  // namespace fb
