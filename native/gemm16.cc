// Products of float16 and bfloat16 matrices: elements are widened in registers or while panels are packed, sums are float32,
// and each result is rounded once. Where the processor multiplies pairs of bfloat16, factors are not widened at all,
// which doubles the speed of large products.
#include "operand.h"
#include "products.h"

namespace fb {
namespace {

// Sums wait for rounding in blocks of C of this size.
constexpr i64 Rows = 512, Columns = 3072;

template <class E> Matrix<Pair> pairs(Matrix<E> x) { return {(const Pair*)x.p, x.rs == 1 ? 1 : x.rs / 2, x.cs == 1 ? 1 : x.cs / 2}; }
template <class E> void multiply(i64 M, i64 N, i64 K, Matrix<E> A, Matrix<E> B, float* C, const float* bias, bool alone) {
#ifdef __AVX512BF16__
  // Rows begin at whole pairs, or there is one alone.
  bool even = K % 2 == 0 && (A.rs % 2 == 0 || M == 1) && (B.cs % 2 == 0 || N == 1);
  if constexpr (std::is_same_v<E, BHalf>) {
    if (even && A.cs == 1 && B.rs == 1 && K > 1) return product(M, N, K / 2, pairs(A), pairs(B), C, N, false, bias, alone);
    // Rows of B that are contiguous are paired while they are packed.
    if (K % 2 == 0 && A.rs % 2 == 0 && A.cs == 1 && B.cs == 1 && M > Thin)
      return blocked<Pair>(M, N, K / 2, pairs(A), Matrix<Split>{(const Split*)B.p, 2 * B.rs, 1}, C, N, false, bias, alone);
  }
#endif
  product(M, N, K, A, B, C, N, false, bias, alone);
}

void round(i64 M, i64 N, const float* sums, const Operand3& c, i64 at, bool accumulate, bool alone) {
  auto body = [&](i64 begin, i64 end) {
    float row[Columns];
    for (i64 m = begin; m < end; m++)
      for (i64 n0 = 0; n0 < N; n0 += Columns) {
        i64 n = N - n0 < Columns ? N - n0 : Columns, to = at + m * c.s[1] + n0 * c.s[2];
        const float* from = sums + m * N + n0;
        if (accumulate) {
          loadRun(row, c.p, c.dtype, to, c.s[2], n);
          for (i64 i = 0; i < n; i++) row[i] += from[i];
          from = row;
        }
        storeRun(from, c.p, c.dtype, to, c.s[2], n);
      }
  };
  if (alone) body(0, M);
  else parallelFor(M, 32768 / N + 1, body);
}

template <class E> void batch(i64 B, i64 M, i64 N, i64 K, const Operand3& a, const Operand3& b, const Operand3& c, const float* bias, bool accumulate) {
  const i64 rows = M < Rows ? M : Rows, wide = Rows * Columns / 2 / rows, columns = wide > Columns ? wide / Columns * Columns : Columns;
  auto one = [&](i64 i, bool alone) {
    Matrix<E> A{(const E*)a.p + i * a.s[0], a.s[1], a.s[2]}, Bm{(const E*)b.p + i * b.s[0], b.s[1], b.s[2]};
    for (i64 n0 = 0; n0 < N; n0 += columns)
      for (i64 m0 = 0; m0 < M; m0 += rows) {
        i64 m = M - m0 < rows ? M - m0 : rows, n = N - n0 < columns ? N - n0 : columns;
        float* sums = scratch<float, GemmSums>((size_t)(m * n));
        multiply<E>(m, n, K, {A.p + m0 * A.rs, A.rs, A.cs}, {Bm.p + n0 * Bm.cs, Bm.rs, Bm.cs}, sums, bias ? bias + n0 : nullptr, alone);
        round(m, n, sums, c, i * c.s[0] + m0 * c.s[1] + n0 * c.s[2], accumulate, alone);
      }
  };
  if (B == 1) one(0, false);
  else if (B >= numThreads() || 2.0 * M * N * K < 1e6)
    parallelFor(B, (i64)(2e5 / (2.0 * M * N * K + 1)) + 1, [&](i64 x, i64 y) { for (i64 i = x; i < y; i++) one(i, true); });
  else
    for (i64 i = 0; i < B; i++) one(i, false);
}

}  // namespace

void gemm16(i64 B, i64 M, i64 N, i64 K, const Operand3& a, const Operand3& b, const Operand3& c, const Operand3* bias, bool accumulate) {
  if (N == 1 && !bias) {  // a matrix and a vector: the matrix is to be read once, and goes second
    Operand3 x = b, y = a, z = c;
    std::swap(x.s[1], x.s[2]), std::swap(y.s[1], y.s[2]), std::swap(z.s[1], z.s[2]);
    if (M > 1) return gemm16(B, 1, M, K, x, y, z, nullptr, accumulate);
  }
  float* wide = nullptr;
  if (bias) {
    wide = scratch<float, GemmBias>((size_t)N);
    loadRun(wide, bias->p, bias->dtype, 0, bias->s[2], N);
  }
  if (c.dtype == F16) batch<Half>(B, M, N, K, a, b, c, wide, accumulate);
  else batch<BHalf>(B, M, N, K, a, b, c, wide, accumulate);
}

}  // namespace fb
