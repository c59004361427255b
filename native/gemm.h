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

// An operand of a batch of products: where it lies, its element type, strides of batch, row and column.
struct Operand3 {
  char* p;
  int dtype;
  i64 s[3];
};
// A batch of products of float16 or bfloat16: a, b, c and the bias have this element type.
void gemm16(i64 B, i64 M, i64 N, i64 K, const Operand3& a, const Operand3& b, const Operand3& c, const Operand3* bias, bool accumulate);

}  // namespace fb
