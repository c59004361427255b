// Products of rows with rows, both contiguous along the sum: accumulators are vectors, summed up at the end. Nothing is
// packed, so it is the way for thin products and for sums that run over pixels.
#pragma once
#include "elements.h"

namespace fb {

// DM x DN accumulators fill the registers and leave room for DM + 1 operands.
#if FB_VEC_BYTES == 64
constexpr int DM = 4, DN = 6;
#elif defined(__wasm__)
constexpr int DM = 2, DN = 4;
#else
constexpr int DM = 3, DN = 4;
#endif
// The compiler would read an operand from memory once for every product, and loads would be the limit.
#if defined(__AVX512F__)
#define FB_IN_REGISTER(v) asm("" : "+v"(v))
#elif defined(__AVX__)
#define FB_IN_REGISTER(v) asm("" : "+x"(v))
#else
#define FB_IN_REGISTER(v)
#endif

// Folds two vectors that hold sums of groups of S lanes into one that holds those of groups of S/2: x's groups come first.
template <class T, int S, int High> constexpr int lane(int i) {
  constexpr int w = Width<T>, h = S / 2;
  int group = i / h, from = group < w / S ? group * S : w + (group - w / S) * S;
  return from + i % h + High * h;
}
template <class T, int S, class V, int... I> inline V fold(V x, V y, std::integer_sequence<int, I...>) {
  return shuffle<T, lane<T, S, 0>(I)...>(x, y) + shuffle<T, lane<T, S, 1>(I)...>(x, y);
}
// Lane j is the sum of v[j]'s lanes, for as many vectors as a vector has lanes: neighbours fold until one is left.
template <class T, int S, class V> inline void foldAll(V* v) {
  if constexpr (S > 1) {
#pragma GCC unroll 16
    for (int i = 0; i < S / 2; i++) v[i] = fold<T, S>(v[2 * i], v[2 * i + 1], std::make_integer_sequence<int, Width<T>>());
    foldAll<T, S / 2>(v);
  }
}

// sums[i·DN + j] = Σ_k a_i[k] · b_j[k] over K elements of R rows `lda` apart and DN rows `ldb` apart. Of the DN rows, those from
// `cols` on are the last one again.
template <int R, class A, class E, class T = Wide<E>> void dotBlock(i64 K, const A* a, i64 lda, const E* b, i64 ldb, int cols, T* sums) {
  typedef typename Simd<T>::V V;
  constexpr int w = Width<T>, count = (R * DN + w - 1) / w * w;
  V acc[R][DN];
  const E* bp[DN];
#pragma GCC unroll 8
  for (int j = 0; j < DN; j++) bp[j] = b + (j < cols ? j : cols - 1) * ldb;
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < DN; j++) acc[i][j] = V{};
  i64 k = 0;
  for (; k + w <= K; k += w) {
    V av[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) av[i] = load(a + i * lda + k);
#pragma GCC unroll 8
    for (int j = 0; j < DN; j++) {
      V bv = load(bp[j] + k);
      FB_IN_REGISTER(bv);
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) acc[i][j] = meet<E>(av[i], bv, acc[i][j]);
    }
  }
  V flat[count] = {};  // the accumulators' own addresses must not be taken, or they leave the registers
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < DN; j++) flat[i * DN + j] = acc[i][j];
  for (int q = 0; q < count; q += w) {
    foldAll<T, w>(flat + q);
    store(sums + q, flat[q]);
  }
  for (; k < K; k++)
    for (int i = 0; i < R; i++)
      for (int j = 0; j < DN; j++) sums[i * DN + j] += times(a[i * lda + k], bp[j][k]);
}
// Room for the sums of a block: whole vectors.
template <class T> constexpr int DotSums = (DM * DN + Width<T> - 1) / Width<T> * Width<T>;

template <int R = DM, class A, class E, class T> inline void dotRows(int rows, i64 K, const A* a, i64 lda, const E* b, i64 ldb, int cols, T* sums) {
  if constexpr (R > 0) {
    if (rows == R) dotBlock<R>(K, a, lda, b, ldb, cols, sums);
    else dotRows<R - 1>(rows, K, a, lda, b, ldb, cols, sums);
  }
}

}  // namespace fb
