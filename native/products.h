// Matrix products after Goto and van de Geijn: B is packed into panels of NR columns that all threads share, A into panels
// of MR rows that stay in L2; the micro-kernel (tile.h) keeps an MR x NR tile of C in registers and walks K.
// Where one block of A holds all rows, threads share out the columns and pack their own panels of B.
// With few rows of A and columns of B that are contiguous, as weights have them, the product is turned round (`turned`).
// Products with very few rows or columns are memory-bound and go through dot products or row sums instead.
// All take any element of elements.h and add up in its wide type: 16-bit weights are widened in registers or while panels
// are packed, never as a whole.
#pragma once
#include <atomic>
#include <vector>

#include "dots.h"
#include "gemm.h"
#include "pool.h"
#include "tile.h"

namespace fb {
namespace {

constexpr i64 Thin = 40;           // products of so few rows do not pay for packing
constexpr i64 KC = 320, MC = 10;  // columns of a panel of A, panels of a block: 180 KB of L2

template <class E, class T = Wide<E>> void packA(Matrix<E> A, i64 m0, i64 m1, i64 k0, i64 kc, T* to) {
  if (A.rs == 1) {  // columns are contiguous: one after the other into all panels
    constexpr int whole = (MR + Width<T> - 1) / Width<T> * Width<T>;
    for (i64 k = 0; k < kc; k++)
      for (i64 m = m0; m < m1; m += MR) {
        const E* p = A.p + m + (k0 + k) * A.cs;
        T* d = to + (m - m0) * kc + k * MR;
        if (m + whole <= m1 && k + 1 < kc)  // what goes too far is overwritten by the next column
          for (int i = 0; i < MR; i += Width<T>) store(d + i, load(p + i));
        else
          for (i64 i = 0; i < MR && m + i < m1; i++) d[i] = p[i];
      }
    return;
  }
  for (i64 m = m0; m < m1; m += MR) {
    int rows = m1 - m < MR ? (int)(m1 - m) : MR;
    const E* p = A.p + m * A.rs + k0 * A.cs;
    i64 k = 0;
    if (A.cs == 1)  // what a square writes beyond its rows is overwritten by the next, or lies behind the last panel
      for (; k + Width<T> <= kc; k += Width<T>)
        for (int i = (rows - 1) / Width<T> * Width<T>; i >= 0; i -= Width<T>)
          transposeSquare(p + i * A.rs + k, A.rs, rows - i < Width<T> ? rows - i : Width<T>, to + k * MR + i, MR);
    for (; k < kc; k++)
      for (int i = 0; i < rows; i++) to[k * MR + i] = p[i * A.rs + k * A.cs];
    to += kc * MR;
  }
}

template <class E, class T = Wide<E>> void packB(Matrix<E> B, i64 n0, i64 cols, i64 k0, i64 kc, T* to) {
  constexpr int nr = NR<T>;
  const E* p = B.p + k0 * B.rs + n0 * B.cs;
  if (cols == nr && B.cs == 1) {
    for (i64 k = 0; k < kc; k++)
      for (int v = 0; v < NV; v++) store(to + k * nr + v * Width<T>, load(p + k * B.rs + v * Width<T>));
    return;
  }
  if (B.rs == 1 && B.cs != 1) {  // columns are contiguous along k
    i64 k = 0;
    for (; k + Width<T> <= kc; k += Width<T>)
      for (i64 j = 0; j < nr; j += Width<T>)
        transposeSquare(p + j * B.cs + k, B.cs, (int)(cols - j < 0 ? 0 : cols - j < Width<T> ? cols - j : Width<T>), to + k * nr + j, nr);
    for (; k < kc; k++) {
      for (i64 j = 0; j < cols; j++) to[k * nr + j] = p[j * B.cs + k];
      for (i64 j = cols; j < nr; j++) to[k * nr + j] = T(0);
    }
    return;
  }
  for (i64 k = 0; k < kc; k++) {
    for (i64 j = 0; j < cols; j++) to[k * nr + j] = p[k * B.rs + j * B.cs];
    for (i64 j = cols; j < nr; j++) to[k * nr + j] = T(0);
  }
}

inline void packB(Matrix<Split> B, i64 n0, i64 cols, i64 k0, i64 kc, float* to) {
  constexpr int nr = NR<float>;
  for (i64 k = 0; k < kc; k++) {
    const Split *x = B.p + (k0 + k) * B.rs + n0, *y = x + B.rs / 2;
    float* row = to + k * nr;
    if (cols == nr)
      for (int v = 0; v < nr; v += W) store(row + v, joined(x + v, y + v));
    else
      for (i64 j = 0; j < nr; j++) {
        uint32_t both = j < cols ? x[j].bits | (uint32_t)y[j].bits << 16 : 0;
        memcpy(row + j, &both, 4);
      }
  }
}

template <class F> inline void share(bool alone, i64 n, const F& f) {
  if (alone || n <= 1) {
    for (i64 i = 0; i < n; i++) f(i);
    return;
  }
  struct Ctx { const F* f; } ctx{&f};
  runParts([](void* c, i64 i) { (*((Ctx*)c)->f)(i); }, &ctx, n);
}

// Tells products apart: those that one thread does alone have numbers of its own, so that threads do not wait for each other's counting.
std::atomic<uint64_t> calls{0};
inline uint64_t nextCall(bool alone) {
  static thread_local uint64_t own = 0;
  return alone ? ++own | 1ull << 63 : ++calls;
}
template <class E, class EB = E, class T = Wide<E>>
void blocked(i64 M, i64 N, i64 K, Matrix<E> A, Matrix<EB> B, T* C, i64 ldc, bool accumulate, const Wide<E>* bias, bool alone) {
  constexpr int nr = NR<T>;
  double flops = 2.0 * M * N * K;
  int threads = alone || flops < 4e5 ? 1 : numThreads();
  alone = threads == 1;
  const i64 panels = (N + nr - 1) / nr;
  const i64 NC = 3072 / nr * nr;
  i64 mPanels = (M + MR - 1) / MR;
  // Rows in blocks that fit L2. With several threads a block is at most a share of what is left, so that the last ones are
  // small and all threads end together.
  std::vector<i64> starts{0};
  for (i64 left = mPanels; left > 0;) {
    i64 share = threads > 1 ? (left + 2 * threads - 1) / (2 * threads) : left;
    i64 take = share < MC ? share : MC;
    starts.push_back(starts.back() + take);
    left -= take;
  }
  // Rows that fit one block of A are not cut: each thread takes columns, and packs its panels of B when it needs them, into its own L2. Shared
  // panels would be read from L3 for a few rows each time.
  const bool own = mPanels <= MC;
  if (own) starts = {0, mPanels};
  const i64 nSplit = own && threads > 1 ? 4 * threads : 1;
  const i64 mBlocks = (i64)starts.size() - 1;
  const uint64_t call = nextCall(alone);  // tells a thread whether the A that it packed last is this one
  i64 nCap = N < NC ? panels * nr : NC;
  // Few rows read each panel of B so seldom that it is not worth a copy; the last one may be too narrow to be read in place.
  constexpr bool pairs = std::is_same_v<E, Pair>;
  const bool inPlace = !pairs && B.cs == 1 && M <= Thin;
  T* packedB = own ? nullptr : scratch<T, GemmB>((size_t)nCap * (K < KC ? K : KC) + 64);
  for (i64 n0 = 0; n0 < N; n0 += NC) {
    i64 nc = N - n0 < NC ? N - n0 : NC;
    i64 np = (nc + nr - 1) / nr;
    i64 splits = nSplit < np ? nSplit : np;
    for (i64 k0 = 0; k0 < K; k0 += KC) {
      i64 kc = K - k0 < KC ? K - k0 : KC;
      i64 group = alone ? np : (np + 4 * threads - 1) / (4 * threads);
      const i64 packFrom = inPlace ? nc / nr : 0;
      if (packFrom < np && !own) share(alone || inPlace, (np + group - 1) / group, [&](i64 g) {
        for (i64 j = g * group < packFrom ? packFrom : g * group; j < (g + 1) * group && j < np; j++) {
          i64 cols = nc - j * nr < nr ? nc - j * nr : nr;
          packB(B, n0 + j * nr, cols, k0, kc, packedB + j * nr * kc);
        }
      });
      bool add = accumulate || k0 > 0;
      bool last = k0 + kc >= K;
      share(alone, mBlocks * splits, [&](i64 t) {
        i64 mb = t / splits, sp = t % splits;
        i64 m0 = starts[mb] * MR, m1 = starts[mb + 1] * MR < M ? starts[mb + 1] * MR : M;
        i64 j0 = np * sp / splits, j1 = np * (sp + 1) / splits;
        T* packedA = scratch<T, GemmA>((size_t)MC * MR * KC + Width<T>);
        static thread_local struct { uint64_t call; i64 m0, k0; } packed{};
        if (packed.call != call || packed.m0 != m0 || packed.k0 != k0) packA(A, m0, m1, k0, kc, packedA);
        packed = {call, m0, k0};
        T* panel = own ? scratch<T, GemmPanel>((size_t)nr * KC) : nullptr;
        T edge[MR * nr];
        for (i64 j = j0; j < j1; j++) {
          i64 cols = nc - j * nr < nr ? nc - j * nr : nr;
          auto walk = [&](auto rowOf) {
            for (i64 m = m0; m < m1; m += MR) {
              int rows = m1 - m < MR ? (int)(m1 - m) : MR;
              const T* a = packedA + (m - m0) * kc;
              T* c = C + m * ldc + n0 + j * nr;
              if (cols == nr) tileRows<E>(rows, kc, Lines<T>{a, MR}, rowOf, c, ldc, add, nullptr);
              else {
                tileRows<E>(rows, kc, Lines<T>{a, MR}, rowOf, edge, nr, false, nullptr);
                for (int i = 0; i < rows; i++)
                  for (i64 x = 0; x < cols; x++) c[i * ldc + x] = add ? c[i * ldc + x] + edge[i * nr + x] : edge[i * nr + x];
              }
              if (last && bias)
                for (int i = 0; i < rows; i++)
                  for (i64 x = 0; x < cols; x++) c[i * ldc + x] += bias[n0 + j * nr + x];
            }
          };
          if constexpr (!pairs)
            if (j < packFrom) {
              walk(Lines<E>{B.p + k0 * B.rs + n0 + j * nr, B.rs});
              continue;
            }
          if (own) packB(B, n0 + j * nr, cols, k0, kc, panel);
          walk(Lines<T>{own ? panel : packedB + j * nr * kc, nr});
        }
      });
    }
  }
}

// Some rows, B's columns contiguous along k, as weights are: transposing so much of B into panels would not pay for few rows. So the product is
// turned round. B's columns are the rows that the micro-kernel broadcasts, MR of them copied side by side (far apart they would fall into the
// same lines of L1) while the next ones come from memory, and A's rows are packed as its panels. Tiles of `Turn` columns of B stay in L2
// over all of K and are transposed at the end.
// Most rows for which it pays: pairs are multiplied faster, but not transposed faster. With narrow vectors, whose tiles are small, it was not measured.
template <class E> constexpr i64 Turned = FB_VEC_BYTES == 16 ? 0 : std::is_same_v<E, Pair> ? 256 : 200;
constexpr i64 Turn = 4 * MR;
template <class E, class T = Wide<E>>
void turned(i64 M, i64 N, i64 K, Matrix<E> A, Matrix<E> B, T* C, i64 ldc, bool accumulate, const T* bias, bool alone) {
  constexpr int nr = NR<T>, w = Width<T>;
  constexpr i64 wide = (Turn + w - 1) / w * w, apart = KC + w, line = 64 / (i64)sizeof(E);
  const i64 panels = (M + nr - 1) / nr, ld = panels * nr;
  T* packed = scratch<T, GemmB>((size_t)(ld * K));
  share(alone, panels, [&](i64 j) { packB(Matrix<E>{A.p, A.cs, A.rs}, j * nr, M - j * nr < nr ? M - j * nr : nr, 0, K, packed + j * nr * K); });
  auto body = [&](i64 begin, i64 end) {
    T* sums = scratch<T, GemmPanel>((size_t)(wide * ld));
    T* few = scratch<T, GemmA>((size_t)(MR * apart));
    T rows[w * wide];
    for (i64 n0 = begin * Turn; n0 < N && n0 < end * Turn; n0 += Turn) {
      const i64 n = N - n0 < Turn ? N - n0 : Turn;
      for (i64 k0 = 0; k0 < K; k0 += KC)
        for (i64 i = 0; i < n; i += MR) {
          const i64 kc = K - k0 < KC ? K - k0 : KC, count = n - i < MR ? n - i : MR;
          for (i64 r = 0; r < count; r++) {
            const E* p = B.p + (n0 + i + r) * B.cs + k0;
            T* to = few + r * apart;
            i64 k = 0;
            for (; k + w <= kc; k += w) store(to + k, load(p + k));
            for (; k < kc; k++) to[k] = p[k];
          }
          i64 nextN = n0 + i + MR, nextK = k0;
          if (i + MR >= n) nextN = n0, nextK += KC;
          if (nextK >= K) nextN += Turn, nextK = 0;
          const i64 nextRows = N - nextN < MR ? N - nextN : MR;
          for (i64 j = 0; j < panels; j++) {
            for (i64 r = nextRows * j / panels; r < nextRows * (j + 1) / panels; r++)
              for (i64 k = nextK; k < nextK + KC && k < K; k += line) __builtin_prefetch(B.p + (nextN + r) * B.cs + k, 0, 2);
            tileRows<E>((int)count, kc, Across<T>{few, apart}, Lines<T>{packed + (j * K + k0) * nr, nr}, sums + i * ld + j * nr, ld, k0 > 0, nullptr);
          }
        }
      for (i64 m0 = 0; m0 < M; m0 += w) {
        for (i64 i = 0; i < n; i += w) transposeSquare(sums + i * ld + m0, ld, (int)(n - i < w ? n - i : w), rows + i, wide);
        for (i64 m = m0; m < M && m < m0 + w; m++) {
          const T* from = rows + (m - m0) * wide;
          T* c = C + m * ldc + n0;
          for (i64 x = 0; x < n; x++) c[x] = (accumulate ? c[x] : T(0)) + from[x] + (bias ? bias[n0 + x] : T(0));
        }
      }
    }
  };
  const i64 blocks = (N + Turn - 1) / Turn;
  if (alone) body(0, blocks);
  else parallelFor(blocks, (i64)(2e5 / (2.0 * M * K * Turn)) + 1, body);
}

// Few rows, B's columns contiguous along k: blocks of dot products. A stays in cache, B is read once.
template <class A_, class E, class T = Wide<E>>
void dots(i64 M, i64 N, i64 K, Matrix<A_> A, Matrix<E> B, T* C, i64 ldc, bool accumulate, const Wide<E>* bias, bool alone) {
  auto body = [&](i64 b0, i64 b1) {
    T sums[DotSums<T>];
    for (i64 n = b0 * DN; n < b1 * DN && n < N; n += DN) {
      int cols = (int)(N - n < DN ? N - n : DN);
      for (i64 m = 0; m < M; m += DM) {
        int rows = (int)(M - m < DM ? M - m : DM);
        dotRows(rows, K, A.p + m * A.rs, A.rs, B.p + n * B.cs, B.cs, cols, sums);
        for (int i = 0; i < rows; i++)
          for (int j = 0; j < cols; j++) {
            T t = bias ? sums[i * DN + j] + bias[n + j] : sums[i * DN + j];
            T* c = C + (m + i) * ldc + n + j;
            *c = accumulate ? *c + t : t;
          }
      }
    }
  };
  i64 blocks = (N + DN - 1) / DN;
  if (alone) body(0, blocks);
  else parallelFor(blocks, 200000 / (M * K * DN + 1) + 1, body);
}

// Few rows, B's rows contiguous: rows of B are scaled and added up in a strip of registers.
template <class E, class T = Wide<E>>
void rowSums(i64 M, i64 N, i64 K, Matrix<E> A, Matrix<E> B, T* C, i64 ldc, bool accumulate, const Wide<E>* bias, bool alone) {
  typedef typename Simd<T>::V V;
  constexpr int w = Width<T>, S = 8;
  constexpr i64 strip = S * w;
  auto body = [&](i64 b0, i64 b1) {
    for (i64 s = b0; s < b1; s++) {
      i64 n0 = s * strip, cols = N - n0 < strip ? N - n0 : strip;
      for (i64 m = 0; m < M; m++) {
        T out[strip];
        if (cols == strip) {
          V acc[S] = {};
          for (i64 k = 0; k < K; k++) {
            V a = (T)A.p[m * A.rs + k * A.cs] - V{};
            const E* b = B.p + k * B.rs + n0;
#pragma GCC unroll 8
            for (int i = 0; i < S; i++) acc[i] += a * load(b + i * w);
          }
          memcpy(out, acc, sizeof(acc));
        } else {
          for (i64 x = 0; x < cols; x++) out[x] = T(0);
          for (i64 k = 0; k < K; k++) {
            T a = A.p[m * A.rs + k * A.cs];
            const E* b = B.p + k * B.rs + n0;
            for (i64 x = 0; x < cols; x++) out[x] += a * b[x];
          }
        }
        T* c = C + m * ldc + n0;
        for (i64 x = 0; x < cols; x++) {
          T t = bias ? out[x] + bias[n0 + x] : out[x];
          c[x] = accumulate ? c[x] + t : t;
        }
      }
    }
  };
  i64 strips = (N + strip - 1) / strip;
  if (alone) body(0, strips);
  else parallelFor(strips, 32768 / (K * strip + 1) + 1, body);
}

// out[0, n) += a[0] b[0] + … + a[R - 1] b[R - 1], rows of B that are bs apart.
template <int R, class E, class T = Wide<E>> void addRows(i64 n, const E* a, i64 as, const E* b, i64 bs, T* out) {
  typedef typename Simd<T>::V V;
  constexpr int w = Width<T>;
  i64 x = 0;
  for (; x + w <= n; x += w) {
    V t = load(out + x);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) t = madd((T)a[i * as] - V{}, load(b + i * bs + x), t);
    store(out + x, t);
  }
  for (; x < n; x++)
    for (int i = 0; i < R; i++) out[x] += times(a[i * as], b[i * bs + x]);
}

// The same for narrow vectors, whose strip of registers is too narrow for the prefetcher: eight rows of B at a time are added to
// a strip of the result that stays in L1.
template <class E, class T = Wide<E>>
void rowPasses(i64 M, i64 N, i64 K, Matrix<E> A, Matrix<E> B, T* C, i64 ldc, bool accumulate, const Wide<E>* bias, bool alone) {
  constexpr i64 unit = 128, strip = 512;
  auto body = [&](i64 begin, i64 end) {
    T out[strip];
    for (i64 n0 = begin; n0 < end; n0 += strip) {
      i64 n = end - n0 < strip ? end - n0 : strip;
      for (i64 m = 0; m < M; m++) {
        const E *a = A.p + m * A.rs, *b = B.p + n0;
        T* c = C + m * ldc + n0;
        for (i64 x = 0; x < n; x++) out[x] = (accumulate ? c[x] : T(0)) + (bias ? bias[n0 + x] : T(0));
        i64 k = 0;
        for (; k + 8 <= K; k += 8) addRows<8>(n, a + k * A.cs, A.cs, b + k * B.rs, B.rs, out);
        for (; k < K; k++) addRows<1>(n, a + k * A.cs, A.cs, b + k * B.rs, B.rs, out);
        memcpy(c, out, n * sizeof(T));
      }
    }
  };
  if (alone) body(0, N);
  else parallelFor((N + unit - 1) / unit, 32768 / (K * unit + 1) + 1, [&](i64 b, i64 e) { body(b * unit, e * unit < N ? e * unit : N); });
}

// C (+)= A B + bias, by the way that suits the shape.
template <class E, class T = Wide<E>>
void product(i64 M, i64 N, i64 K, Matrix<E> A, Matrix<E> B, T* C, i64 ldc, bool accumulate, const Wide<E>* bias, bool alone) {
  if (M == 0 || N == 0) return;
  if (K == 0) {
    for (i64 m = 0; m < M; m++)
      for (i64 n = 0; n < N; n++) C[m * ldc + n] = (accumulate ? C[m * ldc + n] : T(0)) + (bias ? bias[n] : T(0));
    return;
  }
  if (M <= Thin && B.rs == 1 && A.cs == 1) {
    if constexpr (std::is_same_v<E, T> || std::is_same_v<E, Pair>) return dots(M, N, K, A, B, C, ldc, accumulate, bias, alone);
    T* wide = scratch<T, GemmWide>((size_t)(M * K));
    for (i64 m = 0; m < M; m++)
      for (i64 k = 0; k < K; k++) wide[m * K + k] = A.p[m * A.rs + k];
    return dots(M, N, K, Matrix<T>{wide, K, 1}, B, C, ldc, accumulate, bias, alone);
  }
  if constexpr (!std::is_same_v<E, Pair>) {
    if (M <= 2 && B.cs == 1) return (FB_VEC_BYTES == 16 ? rowPasses<E> : rowSums<E>)(M, N, K, A, B, C, ldc, accumulate, bias, alone);
  }
  if (N == 1 && !bias && ldc == 1) return product<E>(1, M, K, {B.p, 0, B.rs}, {A.p, A.cs, A.rs}, C, M, accumulate, nullptr, alone);
  if (M > Thin && M <= Turned<E> && B.rs == 1 && A.cs == 1) return turned(M, N, K, A, B, C, ldc, accumulate, bias, alone);
  blocked(M, N, K, A, B, C, ldc, accumulate, bias, alone);
}

}  // namespace
}  // namespace fb
