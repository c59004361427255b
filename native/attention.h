// The register tile of attention and its operands, packed and strided. Scores are kept transposed, keys down and queries
// across the lanes, so that the softmax over keys is vertical: no sums across lanes, and P enters the second product as is.
#pragma once
#include "fused.h"

namespace fb {
namespace attention {

#if FB_VEC_BYTES == 64
constexpr int MR = 14;
#elif FB_VEC_BYTES == 32
constexpr int MR = 6;
#else
constexpr int MR = 4;
#endif
constexpr int NV = 2;
template <class T> constexpr int NR = NV * Lanes<T>::N;  // queries of a block

// How the left factor lies: Packed: a[k * MR + i]; Rows: a[i * NR + k], a tile of scores read along its queries.
enum Left { Packed, Rows };

// c[i, :] (+)= Σ_k a(i, k) b[k, :] for R rows of NR columns.
template <class T, int R, Left L> inline void micro(i64 K, const T* a, const T* b, i64 ldb, T* c, i64 ldc, bool add) {
  typedef Vector<T> V;
  constexpr int N = Lanes<T>::N;
  V acc[R][NV];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) acc[i][v] = V{};
  for (i64 k = 0; k < K; k++) {
    V b0 = loadv(b), b1 = loadv(b + N);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      V x = all(L == Packed ? a[i] : a[i * NR<T>]);
      acc[i][0] += x * b0;
      acc[i][1] += x * b1;
    }
    a += L == Packed ? MR : 1;
    b += ldb;
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) {
      T* p = c + i * ldc + v * N;
      storev(p, add ? loadv(p) + acc[i][v] : acc[i][v]);
    }
}
template <class T, int R, Left L> struct Tails {
  static void run(int rows, i64 K, const T* a, const T* b, i64 ldb, T* c, i64 ldc, bool add) {
    if (rows == R) micro<T, R, L>(K, a, b, ldb, c, ldc, add);
    else Tails<T, R - 1, L>::run(rows, K, a, b, ldb, c, ldc, add);
  }
};
template <class T, Left L> struct Tails<T, 0, L> {
  static void run(int, i64, const T*, const T*, i64, T*, i64, bool) {}
};

// c[M, NR] (+)= a b with a in panels of MR rows that are `panel` elements apart; K terms.
template <class T> void product(i64 M, i64 K, const T* a, i64 panel, const T* b, T* c, bool add) {
  for (i64 m = 0; m < M; m += MR, a += panel)
    Tails<T, MR, Packed>::run(M - m < MR ? (int)(M - m) : MR, K, a, b, NR<T>, c + m * NR<T>, NR<T>, add);
}
// c[M, columns] += sᵀ-wise: rows of the score tile s[M, NR] times b[NR, columns], columns a multiple of NR.
template <class T> void gradient(i64 M, const T* s, const T* b, i64 columns, T* c) {
  for (i64 n = 0; n < columns; n += NR<T>)
    for (i64 m = 0; m < M; m += MR)
      Tails<T, MR, Rows>::run(M - m < MR ? (int)(M - m) : MR, NR<T>, s + m * NR<T>, b + n, columns, c + m * columns + n, columns, true);
}

// Rows [0, n) of x (dense along d) to panels of MR rows: to[(row / MR) * MR * D + d * MR + row % MR].
template <class T> void packRows(const T* x, i64 stride, i64 n, i64 D, T* to) {
  for (i64 m = 0; m < n; m += MR, to += MR * D) {
    int rows = n - m < MR ? (int)(n - m) : MR;
    for (i64 db = 0; db < D; db += 16) {
      i64 de = D - db < 16 ? D : db + 16;
      for (int i = 0; i < rows; i++)
        for (i64 d = db; d < de; d++) to[d * MR + i] = x[(m + i) * stride + d];
    }
  }
}
// The same matrix to panels of MR columns: to[(d / MR) * MR * n + row * MR + d % MR].
template <class T> void packColumns(const T* x, i64 stride, i64 n, i64 D, T* to) {
  for (i64 d = 0; d < D; d += MR, to += MR * n) {
    int columns = D - d < MR ? (int)(D - d) : MR;
    if (columns == MR)
      for (i64 k = 0; k < n; k++)
        for (int i = 0; i < MR; i++) to[k * MR + i] = x[k * stride + d + i];
    else
      for (i64 k = 0; k < n; k++)
        for (int i = 0; i < columns; i++) to[k * MR + i] = x[k * stride + d + i];
  }
}
// `count` rows to columns: to[d, NR], lanes beyond count are 0.
template <class T> void transposeIn(const T* x, i64 stride, i64 count, i64 D, T scale, T* to) {
  if (count < NR<T>) memset(to, 0, sizeof(T) * D * NR<T>);
  for (i64 db = 0; db < D; db += 16) {
    i64 de = D - db < 16 ? D : db + 16;
    for (i64 q = 0; q < count; q++)
      for (i64 d = db; d < de; d++) to[d * NR<T> + q] = x[q * stride + d] * scale;
  }
}
template <class T> void transposeOut(const T* from, i64 count, i64 D, T* y, i64 stride) {
  for (i64 db = 0; db < D; db += 16) {
    i64 de = D - db < 16 ? D : db + 16;
    for (i64 q = 0; q < count; q++)
      for (i64 d = db; d < de; d++) y[q * stride + d] = from[d * NR<T> + q];
  }
}
// `count` rows to rows of `columns`, the rest is 0.
template <class T> void padRows(const T* x, i64 stride, i64 count, i64 D, T scale, T* to, i64 columns) {
  for (i64 q = 0; q < NR<T>; q++)
    for (i64 d = 0; d < columns; d++) to[q * columns + d] = q < count && d < D ? x[q * stride + d] * scale : T(0);
}

// Arguments. Strides are those of batch, head and row; the last dimension is dense.
struct Heads {
  char* p;
  i64 s[3];
};
struct Job {
  int dtype;
  i64 B, H, Hkv, Tq, Tk, D, Dv;
  double scale;
  bool causal;
  i64 shift;  // causal: query i sees keys up to i + shift
  // How many keys the queries before `i` see.
  i64 seen(i64 i) const { return !causal || i + shift > Tk ? Tk : i + shift < 0 ? 0 : i + shift; }
  Heads q, k, v;
  char* mask;
  i64 maskStrides[4];
};
template <class T> T* at(const Heads& h, i64 b, i64 head, i64 row = 0) { return (T*)h.p + b * h.s[0] + head * h.s[1] + row * h.s[2]; }

// Adds the mask to scores s[keys, NR] of queries i0… and keys k0…, and hides later keys.
template <class T> void maskScores(const Job& j, i64 b, i64 h, i64 i0, i64 count, i64 k0, i64 keys, T* s) {
  typedef Vector<T> V;
  constexpr int N = Lanes<T>::N;
  const T low = -std::numeric_limits<T>::infinity();
  if (j.mask) {
    const T* m = (const T*)j.mask + b * j.maskStrides[0] + h * j.maskStrides[1] + i0 * j.maskStrides[2] + k0 * j.maskStrides[3];
    const i64 si = j.maskStrides[2], sk = j.maskStrides[3];
    if (si == 0) {
      for (i64 k = 0; k < keys; k++)
        for (int v = 0; v < NV; v++) storev(s + k * NR<T> + v * N, loadv(s + k * NR<T> + v * N) + m[k * sk]);
    } else {
      for (i64 kb = 0; kb < keys; kb += 16) {
        i64 ke = keys - kb < 16 ? keys : kb + 16;
        for (i64 q = 0; q < count; q++)
          for (i64 k = kb; k < ke; k++) s[k * NR<T> + q] += m[q * si + k * sk];
      }
    }
  }
  const i64 first = i0 + j.shift;  // the last key that query i0 sees
  if (j.causal && k0 + keys > first + 1) {
    for (i64 k = k0 > first ? 0 : first + 1 - k0; k < keys; k++) {
      V* row = (V*)(s + k * NR<T>);
      for (int v = 0; v < NV; v++) {
        V x = row[v];
        for (int l = 0; l < N; l++)
          if (first + v * N + l < k0 + k) x[l] = low;
        row[v] = x;
      }
    }
  }
}

}  // namespace attention
}  // namespace fb
