// Vectors of either element type, the transpose of a square of them in registers, and scratch memory: what the blocked
// kernels (gemm, conv) are made of.
#pragma once
#include <utility>

#include "pages.h"
#include "vec.h"

namespace fb {

template <class T> struct Simd;
template <> struct Simd<float> {
  typedef float V __attribute__((vector_size(FB_VEC_BYTES)));
  typedef float U __attribute__((vector_size(FB_VEC_BYTES), aligned(4)));
  typedef int32_t I __attribute__((vector_size(FB_VEC_BYTES)));
};
template <> struct Simd<double> {
  typedef double V __attribute__((vector_size(FB_VEC_BYTES)));
  typedef double U __attribute__((vector_size(FB_VEC_BYTES), aligned(8)));
  typedef i64 I __attribute__((vector_size(FB_VEC_BYTES)));
};
// The type in which an element is computed with (elements.h has those that are widened).
template <class E> struct Widen { typedef E type; };
template <class T> constexpr int Width = FB_VEC_BYTES / (int)sizeof(T);
template <class T> inline typename Simd<T>::V load(const T* p) { return (typename Simd<T>::V) * (const typename Simd<T>::U*)p; }
template <class T> inline void store(T* p, typename Simd<T>::V v) { *(typename Simd<T>::U*)p = (typename Simd<T>::U)v; }

// Lane i is lane index[i] of the two vectors laid end to end.
template <class T, int... index, class V> inline V shuffle(V x, V y) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(x, y, index...);
#else
  typedef typename Simd<T>::I M;
  return __builtin_shuffle(x, y, M{index...});
#endif
}

// Squares of S x S elements change places across the diagonal of squares of 2S x 2S.
template <class T, int S, class V, int... i> inline void exchange(V& x, V& y, std::integer_sequence<int, i...>) {
  constexpr int w = Width<T>;
  V a = shuffle<T, ((i & S) ? w + i - S : i)...>(x, y);
  V b = shuffle<T, ((i & S) ? w + i : i + S)...>(x, y);
  x = a, y = b;
}
template <class T, int S = Width<T> / 2, class V> inline void transpose(V* v) {
#pragma GCC unroll 16
  for (int i = 0; i < Width<T>; i++)
    if (!(i & S)) exchange<T, S>(v[i], v[i + S], std::make_integer_sequence<int, Width<T>>());
  if constexpr (S > 1) transpose<T, S / 2>(v);
}
// to[k·ldTo + i] = from[i·ld + k] for `rows` of at most Width rows i and Width columns k. Whole vectors are written: what
// lies beyond the rows is zero.
template <class E, class T = typename Widen<E>::type> inline void transposeSquare(const E* from, i64 ld, int rows, T* to, i64 ldTo) {
  typename Simd<T>::V v[Width<T>];
  if (rows == Width<T>) {
#pragma GCC unroll 16
    for (int i = 0; i < Width<T>; i++) v[i] = load(from + i * ld);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < Width<T>; i++) v[i] = i < rows ? load(from + i * ld) : typename Simd<T>::V{};
  }
  transpose<T>(v);
#pragma GCC unroll 16
  for (int k = 0; k < Width<T>; k++) store(to + k * ldTo, v[k]);
}

// Memory that a thread keeps between calls, one piece per `Which`; huge pages spare the TLB. Null when there is none left.
enum Scratch { GemmB, GemmA, GemmPanel, GemmSums, GemmWide, GemmBias, ConvFrame, ConvFrames, ConvWeights, ConvWindows, ConvEdges, ConvSums, QuantRows, QuantRow, QuantPanel, QuantSums };
template <class T, Scratch Which> T* scratch(size_t n) {
  static thread_local struct Piece {
    void* p = nullptr;
    size_t size = 0;
    ~Piece() { givePages(p, size); }
  } b;
  size_t bytes = n * sizeof(T);
  if (bytes > b.size) {
    givePages(b.p, b.size);
    b.size = (bytes + HugePage - 1) / HugePage * HugePage;
    b.p = takePages(b.size);
    if (!b.p) b.size = 0;
  }
  return (T*)b.p;
}

}  // namespace fb
