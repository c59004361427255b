// What products read: numbers as they lie in memory, how a vector of them comes into registers, and how two vectors meet there.
// 16-bit floats are widened as they are read. Where the processor multiplies pairs of bfloat16 (AVX512-BF16), two neighbours
// along the sum are one element: they move as a float would, and only their products differ.
#pragma once
#include "lanes.h"
#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace fb {

struct Half {
  uint16_t bits;
  operator float() const { return f16ToF32(bits); }
};
struct BHalf {
  uint16_t bits;
  operator float() const { return bf16ToF32(bits); }
};
struct Pair {
  float both;
  operator float() const { return both; }
};

// A pair of which the halves lie in rows half a stride apart: what a matrix whose rows are contiguous has. It is put together while it is packed.
struct Split {
  uint16_t bits;
};

template <> struct Widen<Half> { typedef float type; };
template <> struct Widen<BHalf> { typedef float type; };
template <> struct Widen<Pair> { typedef float type; };
template <> struct Widen<Split> { typedef float type; };
// In which type an element is in registers and packed panels.
template <class E> using Wide = typename Widen<E>::type;

typedef uint16_t VHalves __attribute__((vector_size(FB_VEC_BYTES / 2)));
typedef uint16_t VHalvesU __attribute__((vector_size(FB_VEC_BYTES / 2), aligned(2)));

inline VF load(const Pair* p) { return loadu(&p->both); }
inline VF load(const BHalf* p) { return (VF)(__builtin_convertvector((VHalves) * (const VHalvesU*)p, VU) << 16); }
inline VF load(const Half* p) {
#if defined(__AVX512F__)
  return (VF)_mm512_maskz_cvtph_ps((__mmask16)-1, _mm256_loadu_si256((const __m256i*)p));
#elif defined(__F16C__) && defined(__AVX__)
  return (VF)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#else
  // Shifted into place the exponent is 112 too small: a multiplication mends it, subnormals too.
  VU h = __builtin_convertvector((VHalves) * (const VHalvesU*)p, VU);
  VF x = (VF)((h & 0x7fff) << 13) * 0x1p112f;
  VI huge = (VI)((h & 0x7c00) == 0x7c00);
  return (VF)((VU)x | ((VU)huge & 0x7f800000) | (h & 0x8000) << 16);
#endif
}

// The pairs of which the first halves lie at x, the second at y.
inline VF joined(const Split* x, const Split* y) {
  VU low = __builtin_convertvector((VHalves) * (const VHalvesU*)x, VU), high = __builtin_convertvector((VHalves) * (const VHalvesU*)y, VU);
  return (VF)(low | high << 16);
}

// c + a b, lane by lane; of pairs, both products.
template <class E, class V> inline V meet(V a, V b, V c) {
#ifdef __AVX512BF16__
  if constexpr (std::is_same_v<E, Pair>) return (V)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
#endif
  return madd(a, b, c);
}
template <class A, class B> inline Wide<B> times(A a, B b) { return (Wide<B>)a * (Wide<B>)b; }
inline float times(Pair a, Pair b) {
  uint32_t x, y;
  memcpy(&x, &a, 4), memcpy(&y, &b, 4);
  return bf16ToF32((uint16_t)x) * bf16ToF32((uint16_t)y) + bf16ToF32((uint16_t)(x >> 16)) * bf16ToF32((uint16_t)(y >> 16));
}

}  // namespace fb
