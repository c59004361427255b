// C = A B for operands of any element type and strides: float32 and float64 by products.h, 16-bit floats in gemm16.cc, the others
// by plain sums in a wider type.
#include "products.h"

#include "operand.h"

namespace fb {

template <class T>
void gemm(i64 M, i64 N, i64 K, Matrix<T> A, Matrix<T> B, T* C, i64 ldc, bool accumulate, const T* bias, bool alone) {
  product(M, N, K, A, B, C, ldc, accumulate, bias, alone);
}
template void gemm<float>(i64, i64, i64, Matrix<float>, Matrix<float>, float*, i64, bool, const float*, bool);
template void gemm<double>(i64, i64, i64, Matrix<double>, Matrix<double>, double*, i64, bool, const double*, bool);

namespace {

Operand3 read3(Args& a) {
  Operand3 o;
  o.p = a.p<char>();
  o.dtype = (int)a.i();
  for (int d = 0; d < 3; d++) o.s[d] = a.i();
  return o;
}

template <class T> void batched(i64 B, i64 M, i64 N, i64 K, const Operand3& a, const Operand3& b, const Operand3& c, const T* bias, bool accumulate) {
  auto one = [&](i64 i, bool alone) {
    T* out = (T*)c.p + i * c.s[0];
    Matrix<T> A{(const T*)a.p + i * a.s[0], a.s[1], a.s[2]}, Bm{(const T*)b.p + i * b.s[0], b.s[1], b.s[2]};
    if (c.s[2] == 1) gemm<T>(M, N, K, A, Bm, out, c.s[1], accumulate, bias, alone);
    else gemm<T>(N, M, K, {Bm.p, Bm.cs, Bm.rs}, {A.p, A.cs, A.rs}, out, c.s[2], accumulate, nullptr, alone);  // C' = B' A'
  };
  if (B == 1) one(0, false);
  else if (B >= numThreads() || 2.0 * M * N * K < 1e6) parallelFor(B, (i64)(2e5 / (2.0 * M * N * K + 1)) + 1, [&](i64 x, i64 y) { for (i64 i = x; i < y; i++) one(i, true); });
  else for (i64 i = 0; i < B; i++) one(i, false);
}

// Other element types: values are widened, results rounded once at the end.
template <class T> void generic(i64 B, i64 M, i64 N, i64 K, const Operand3& a, const Operand3& b, const Operand3& c, const Operand3* bias, bool accumulate) {
  parallelFor(B * M, 16384 / (N * K + 1) + 1, [&](i64 x, i64 y) {
    T* row = new T[K + 1];
    for (i64 r = x; r < y; r++) {
      i64 i = r / M, m = r % M;
      loadRun(row, a.p, a.dtype, i * a.s[0] + m * a.s[1], a.s[2], K);
      for (i64 n = 0; n < N; n++) {
        T t(0), v;
        for (i64 k = 0; k < K; k++) {
          loadRun(&v, b.p, b.dtype, i * b.s[0] + k * b.s[1] + n * b.s[2], 1, 1);
          t += row[k] * v;
        }
        if (bias) loadRun(&v, bias->p, bias->dtype, n * bias->s[2], 1, 1), t += v;
        i64 at = i * c.s[0] + m * c.s[1] + n * c.s[2];
        if (accumulate) loadRun(&v, c.p, c.dtype, at, 1, 1), t += v;
        storeRun(&t, c.p, c.dtype, at, 1, 1);
      }
    }
    delete[] row;
  });
}

// args: accumulate, B, M, N, K, a, b, out (pointer, dtype, three strides), has bias, bias
int matmul(double* ring) {
  Args r(ring);
  bool accumulate = r.i() != 0;
  i64 B = r.i(), M = r.i(), N = r.i(), K = r.i();
  Operand3 a = read3(r), b = read3(r), c = read3(r), bias{};
  bool has = r.i() != 0;
  if (has) bias = read3(r);
  if (B * M * N == 0) return OK;
  bool same = a.dtype == b.dtype && a.dtype == c.dtype && (!has || bias.dtype == a.dtype);
  bool unit = c.s[2] == 1 || (c.s[1] == 1 && !has);
  bool biasUnit = !has || bias.s[2] == 1;
  // One product over all batches where B is shared: [B*M, K] x [K, N].
  if (B > 1 && b.s[0] == 0 && a.s[0] == M * a.s[1] && c.s[0] == M * c.s[1]) M *= B, B = 1;
  if (same && unit && biasUnit && a.dtype == F32) batched<float>(B, M, N, K, a, b, c, has ? (const float*)bias.p : nullptr, accumulate);
  else if (same && unit && biasUnit && a.dtype == F64) batched<double>(B, M, N, K, a, b, c, has ? (const double*)bias.p : nullptr, accumulate);
  else if (same && (c.dtype == F16 || c.dtype == BF16)) gemm16(B, M, N, K, a, b, c, has ? &bias : nullptr, accumulate);
  else if (c.dtype >= C64) generic<std::complex<double>>(B, M, N, K, a, b, c, has ? &bias : nullptr, accumulate);
  else if (c.dtype <= I64) generic<i64>(B, M, N, K, a, b, c, has ? &bias : nullptr, accumulate);
  else generic<double>(B, M, N, K, a, b, c, has ? &bias : nullptr, accumulate);
  return OK;
}
Register reg(OpMatmul, matmul);

}  // namespace
}  // namespace fb
