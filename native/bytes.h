// Vectors of bytes, and sums of products of unsigned with signed bytes in groups of four: what quantised products are made of.
#pragma once
#include <utility>

#include "vec.h"
#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace fb {

typedef uint8_t B16 __attribute__((vector_size(16)));
typedef uint8_t B16u __attribute__((vector_size(16), aligned(1)));
typedef uint8_t B32 __attribute__((vector_size(32)));
typedef uint8_t B32u __attribute__((vector_size(32), aligned(1)));
typedef int32_t I32x8 __attribute__((vector_size(32)));
typedef float F32x8 __attribute__((vector_size(32)));
typedef float F32x8u __attribute__((vector_size(32), aligned(4)));
typedef uint64_t U64x4 __attribute__((vector_size(32)));
// As wide as the processor's registers.
typedef uint8_t VB __attribute__((vector_size(FB_VEC_BYTES)));

typedef uint16_t U16x8 __attribute__((vector_size(16)));
typedef uint16_t U16x16 __attribute__((vector_size(32)));
typedef uint8_t B8 __attribute__((vector_size(8)));
typedef int8_t S8 __attribute__((vector_size(8)));

inline B16 load16(const void* p) { return (B16) * (const B16u*)p; }
inline B32 load32(const void* p) { return (B32) * (const B32u*)p; }
inline F32x8 load8(const float* p) { return (F32x8) * (const F32x8u*)p; }
inline void store8(float* p, F32x8 v) { *(F32x8u*)p = (F32x8u)v; }

#if defined(__clang__) || __GNUC__ >= 12
inline B32 join(B16 a, B16 b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}
#else
inline B32 join(B16 a, B16 b) {
  B32 v;
  memcpy(&v, &a, 16), memcpy((char*)&v + 16, &b, 16);
  return v;
}
#endif

// Bytes shifted to the right (left where n is negative) and masked: nothing of a neighbour may come through the mask.
inline B32 shift(B32 v, int n, int mask) { return (B32)(n < 0 ? (U16x16)v << -n : (U16x16)v >> n) & (uint8_t)mask; }
// Nibbles of sixteen bytes: the low ones are the first half.
inline B32 nibbles(const uint8_t* p) {
#ifdef __AVX2__
  __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)p));
  return (B32)_mm256_srlv_epi32(twice, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4)) & 15;
#else
  B16 q = load16(p);
  return shift(join(q, (B16)((U16x8)q >> 4)), 0, 15);
#endif
}
// Eight bytes as floats.
inline F32x8 floats(uint64_t eight) {
#ifdef __AVX2__
  return (F32x8)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)eight)));
#endif
  B8 b;
  memcpy(&b, &eight, 8);
  return __builtin_convertvector(__builtin_convertvector(b, I32x8), F32x8);
}
inline F32x8 signedFloats(const void* p) {
#ifdef __AVX2__
  return (F32x8)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
#endif
  S8 b;
  memcpy(&b, p, 8);
  return __builtin_convertvector(__builtin_convertvector(b, I32x8), F32x8);
}
// Eight float16 numbers that are `step` bytes apart.
inline F32x8 halves(const uint8_t* p, int step) {
  uint16_t h[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) memcpy(h + i, p + i * step, 2);
#if defined(__F16C__) && defined(__AVX__)
  U16x8 v = {h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]};
  return (F32x8)_mm256_cvtph_ps((__m128i)v);
#else
  return F32x8{f16ToF32(h[0]), f16ToF32(h[1]), f16ToF32(h[2]), f16ToF32(h[3]), f16ToF32(h[4]), f16ToF32(h[5]), f16ToF32(h[6]), f16ToF32(h[7])};
#endif
}

// Vectors folded in half until one lane is left: GCC adds lane by lane otherwise.
template <int half, class V> inline V swapped(V v) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(v, v, 0 ^ half, 1 ^ half, 2 ^ half, 3 ^ half, 4 ^ half, 5 ^ half, 6 ^ half, 7 ^ half);
#else
  return __builtin_shuffle(v, I32x8{0 ^ half, 1 ^ half, 2 ^ half, 3 ^ half, 4 ^ half, 5 ^ half, 6 ^ half, 7 ^ half});
#endif
}
template <class V> inline auto sum8(V v) {
  v += swapped<4>(v);
  v += swapped<2>(v);
  return v[0] + v[1];
}
inline float largest(F32x8 v) {
  F32x8 w = swapped<4>(v);
  v = v > w ? v : w;
  w = swapped<2>(v);
  v = v > w ? v : w;
  return v[0] > v[1] ? v[0] : v[1];
}
// The low bytes of eight numbers.
inline void storeBytes(int8_t* p, I32x8 v) {
#if defined(__AVX512VL__)
  _mm_storel_epi64((__m128i*)p, _mm256_maskz_cvtepi32_epi8((__mmask8)-1, (__m256i)v));
#else
  S8 b = __builtin_convertvector(v, S8);
  memcpy(p, &b, 8);
#endif
}

// v in a register: the compiler would read it from memory once for every use, and loads are the limit.
template <class V> inline V held(V v) {
#if defined(__AVX512VL__)
  asm("" : "+v"(v));
#elif defined(__AVX__)
  asm("" : "+x"(v));
#endif
  return v;
}
// Lane i eight times.
template <int i> inline F32x8 spread8(F32x8 v) {
#if defined(__AVX2__)
  return (F32x8)_mm256_permutevar8x32_ps((__m256)v, _mm256_set1_epi32(i));
#else
  return v[i] - F32x8{};
#endif
}
// Lane a four times, lane b four times.
template <int a, int b> inline F32x8 fourOf(F32x8 v) {
#if defined(__AVX2__)
  return (F32x8)_mm256_permutevar8x32_ps((__m256)v, _mm256_setr_epi32(a, a, a, a, b, b, b, b));
#elif defined(__clang__)
  return __builtin_shufflevector(v, v, a, a, a, a, b, b, b, b);
#else
  return F32x8{v[a], v[a], v[a], v[a], v[b], v[b], v[b], v[b]};
#endif
}
// f(0), f(1), … f(N - 1) with numbers that are known to the compiler.
template <int N, class F> __attribute__((always_inline)) inline void unrolled(const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) { (f(std::integral_constant<int, i>()), ...); }(std::make_integer_sequence<int, N>());
}

// Byte i is 255 where bit i of the 32 at p is set.
inline B32 spread(const uint8_t* p) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  uint32_t bits;
  memcpy(&bits, p, 4);
  return (B32)_mm256_movm_epi8(bits);
#else
  const uint64_t ones = 0x0101010101010101;
  U64x4 copies = {p[0] * ones, p[1] * ones, p[2] * ones, p[3] * ones};
  return (B32)((B32)(copies & 0x8040201008040201) != 0);
#endif
}

// table[index[i]], indices below 16.
inline B32 lookup(B16 table, B32 index) {
#if defined(__AVX2__)
  return (B32)_mm256_shuffle_epi8((__m256i)join(table, table), (__m256i)index);
#elif defined(__wasm__)
  B16 low = __builtin_shufflevector(index, index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  B16 high = __builtin_shufflevector(index, index, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
  typedef int8_t S16 __attribute__((vector_size(16)));
  return join((B16)__builtin_wasm_swizzle_i8x16((S16)table, (S16)low), (B16)__builtin_wasm_swizzle_i8x16((S16)table, (S16)high));
#else
  B32 v;
  for (int i = 0; i < 32; i++) v[i] = table[index[i]];
  return v;
#endif
}

// acc[i] + Σ_j u[4i + j] s[4i + j], u unsigned and s signed. `Small`: u is below 128, so that two products fit 16 bits.
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
constexpr bool DotsAnyByte = true;  // `Small` makes no difference
template <bool Small> inline I32x8 dot4(I32x8 acc, B32 u, B32 s) { return (I32x8)_mm256_dpbusd_epi32((__m256i)acc, (__m256i)u, (__m256i)s); }
template <bool Small> inline VI dot4(VI acc, VB u, VB s) { return (VI)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)u, (__m512i)s); }
#else
constexpr bool DotsAnyByte = false;
#if defined(__AVX2__)
template <bool Small> inline I32x8 dot4(I32x8 acc, B32 u_, B32 s_) {
  __m256i u = (__m256i)u_, s = (__m256i)s_;
#ifdef __AVXVNNI__
  return (I32x8)_mm256_dpbusd_avx_epi32((__m256i)acc, u, s);
#else
  if constexpr (Small) return acc + (I32x8)_mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1));
  __m256i even = _mm256_madd_epi16(_mm256_and_si256(u, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(u, 8), _mm256_srai_epi16(s, 8));
  return acc + (I32x8)even + (I32x8)odd;
#endif
}
#if FB_VEC_BYTES == 64
template <bool Small> inline VI dot4(VI acc, VB u, VB s) {
  I32x8 a[2];
  B32 x[2], y[2];
  memcpy(a, &acc, 64), memcpy(x, &u, 64), memcpy(y, &s, 64);
  for (int h = 0; h < 2; h++) a[h] = dot4<Small>(a[h], x[h], y[h]);
  memcpy(&acc, a, 64);
  return acc;
}
#endif
#else
template <bool Small, class I, class B> inline I dot4(I acc, B u, B s) {
#ifdef __wasm__
  typedef int16_t S8 __attribute__((vector_size(16)));
  typedef uint16_t U8x __attribute__((vector_size(16)));
  if constexpr (sizeof(I) == 32) {
    VI al = __builtin_shufflevector(acc, acc, 0, 1, 2, 3), ah = __builtin_shufflevector(acc, acc, 4, 5, 6, 7);
#define FB_LOW(v) __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define FB_HIGH(v) __builtin_shufflevector(v, v, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31)
    al = dot4<Small>(al, (VB)FB_LOW(u), (VB)FB_LOW(s)), ah = dot4<Small>(ah, (VB)FB_HIGH(u), (VB)FB_HIGH(s));
    return __builtin_shufflevector(al, ah, 0, 1, 2, 3, 4, 5, 6, 7);
  } else {
#ifdef __wasm_relaxed_simd__
    typedef int8_t S16 __attribute__((vector_size(16)));
    if constexpr (Small) return (I)__builtin_wasm_relaxed_dot_i8x16_i7x16_add_s_i32x4((S16)s, (S16)u, acc);
#endif
    S8 even = (S8)((U8x)u & 255), odd = (S8)((U8x)u >> 8);
    return acc + (I)__builtin_wasm_dot_s_i32x4_i16x8(even, (S8)s << 8 >> 8) + (I)__builtin_wasm_dot_s_i32x4_i16x8(odd, (S8)s >> 8);
  }
#else
  I x = (I)u, y = (I)s;
  for (int j = 0; j < 4; j++) acc += (x >> 8 * j & 255) * (y << (24 - 8 * j) >> 24);
  return acc;
#endif
}
#endif
#endif

}  // namespace fb
