// C[m,n] (+)= Σ_k A[m,k] B[k,n] for any strides.
#pragma once
#include "base.h"

namespace fb {

template <class T> struct Matrix {
  const T* p;
  i64 rs, cs;  // row and column stride in elements
};

// C has unit column stride and row stride ldc. bias (may be null) is added to every row. Uses the pool unless `alone`.
template <class T>
void gemm(i64 M, i64 N, i64 K, Matrix<T> A, Matrix<T> B, T* C, i64 ldc, bool accumulate, const T* bias, bool alone);

}  // namespace fb
