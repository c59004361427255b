// The micro-kernel of all blocked products: an MR x NR tile of results stays in registers while K is walked, one column of A and
// one row of B at a time. MR x NR fills the register file: 14 x 32 floats with 32 registers of 16, 6 x 16 with 16 of 8. In
// WebAssembly the engine gives out the registers, and tiles that should fit spill: 2 x 16 is the fastest with separate
// multiplications and additions, 6 x 8 with fused ones.
#pragma once
#include "elements.h"

namespace fb {

#if FB_VEC_BYTES == 64
constexpr int MR = 14, NV = 2;
#elif FB_VEC_BYTES == 32
constexpr int MR = 6, NV = 2;
#elif defined(__wasm_relaxed_simd__)
constexpr int MR = 6, NV = 2;
#elif defined(__wasm__)
constexpr int MR = 2, NV = 4;
#else
constexpr int MR = 4, NV = 2;
#endif
template <class T> constexpr int NR = NV * Width<T>;

// Lines of a matrix that are `ld` apart: rows of B, or columns of a packed A.
template <class E> struct Lines {
  const E* p;
  i64 ld;
  const E* operator()(i64 k) const { return p + k * ld; }
};
// The columns of a matrix whose rows are contiguous, `ld` apart.
template <class E> struct Across {
  const E* p;
  i64 ld;
  Across operator()(i64 k) const { return {p + k, ld}; }
  E operator[](i64 i) const { return p[i * ld]; }
};

// c (+)= Σ_k columnOf(k)[i] · rowOf(k)[j], plus bias[i], for columns of A and rows of B. E says what they hold.
template <class E, int R, class A, class B, class T = Wide<E>> void tile(i64 K, A columnOf, B rowOf, T* c, i64 ldc, bool add, const Wide<E>* bias) {
  typedef typename Simd<T>::V V;
  V acc[R][NV];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) {
    __builtin_prefetch(c + i * ldc, 1);
    __builtin_prefetch(c + i * ldc + NR<T> - 1, 1);
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) acc[i][v] = V{};
  }
  for (i64 k = 0; k < K; k++) {
    auto a = columnOf(k);
    auto b = rowOf(k);
    V bv[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) bv[v] = load(b + v * Width<T>);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      V av = (T)a[i] - V{};
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) acc[i][v] = meet<E>(av, bv[v], acc[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) {
      T* p = c + i * ldc + v * Width<T>;
      V x = acc[i][v];
      if (bias) x += bias[i] - V{};
      store(p, add ? load(p) + x : x);
    }
}
// The same for any number of rows up to MR: each has a kernel of its own, so that thin tiles do not pay for padding.
template <class E, class A, class B, int R = MR, class T = Wide<E>>
inline void tileRows(int rows, i64 K, A columnOf, B rowOf, T* c, i64 ldc, bool add, const Wide<E>* bias) {
  if constexpr (R > 0) {
    if (rows == R) tile<E, R>(K, columnOf, rowOf, c, ldc, add, bias);
    else tileRows<E, A, B, R - 1>(rows, K, columnOf, rowOf, c, ldc, add, bias);
  }
}

}  // namespace fb
