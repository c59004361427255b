// The weight gradient of convolutions: products of rows of pixels. Both factors are contiguous along the sum, so
// accumulators are vectors over pixels and are summed up once per block. The blocks depend on the shapes alone, so results
// do not depend on the number of threads.
#include "conv.h"

namespace fb {
namespace conv {
namespace {

// DM x DN accumulators fill the registers and leave room for DM + 1 operands.
#if FB_VEC_BYTES == 64
constexpr int DM = 4, DN = 6;
#elif FB_VEC_BYTES == 32
constexpr int DM = 3, DN = 4;
#else
constexpr int DM = 3, DN = 4;
#endif
constexpr i64 PixelBytes = 4096;  // of each row in a block: DM + DN rows stay in L1
constexpr i64 RowBlock = 128;     // result channels whose pixels stay in L2

// Sums of the elements of four vectors.
template <class T> inline void totals(const typename Simd<T>::V* v, T* to) {
  T lane[4][Width<T>];
  memcpy(lane, v, sizeof(lane));
  for (int h = Width<T> / 2; h > 0; h /= 2)
    for (int j = 0; j < 4; j++)
      for (int i = 0; i < h; i++) lane[j][i] += lane[j][i + h];
  for (int j = 0; j < 4; j++) to[j] = lane[j][0];
}

// gw[i·ldw + j] += Σ_k a[i·ld + k] · b[j·ld + k]; K is a multiple of the vector width.
template <class T> void dots(i64 K, i64 ld, const T* a, const T* b, T* gw, i64 ldw, int rows, int cols) {
  typedef typename Simd<T>::V V;
  V acc[DM][DN];
#pragma GCC unroll 8
  for (int i = 0; i < DM; i++)
#pragma GCC unroll 8
    for (int j = 0; j < DN; j++) acc[i][j] = V{};
  for (i64 k = 0; k < K; k += Width<T>) {
    V av[DM];
#pragma GCC unroll 8
    for (int i = 0; i < DM; i++) av[i] = *(const V*)(a + i * ld + k);
#pragma GCC unroll 8
    for (int j = 0; j < DN; j++) {
      V bv = *(const V*)(b + j * ld + k);
#pragma GCC unroll 8
      for (int i = 0; i < DM; i++) acc[i][j] += av[i] * bv;
    }
  }
  T sums[DM * DN];
  const V* flat = &acc[0][0];
  for (int q = 0; q < DM * DN; q += 4) totals<T>(flat + q, sums + q);
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j++) gw[i * ldw + j] += sums[i * DN + j];
}

// One channel in, few out (depthwise): up to four taps at a time run over the pixels of a plane.
template <class T> bool correlateFew(const Taps& g, const T* source, const T* result, T* gw) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::I I;
  constexpr int w = Width<T>;
  const Frame f(g, false);
  const auto chunks = chunksOf(g, f, w);
  const i64 plane = g.resultPlane();
  I lanes;
  for (int i = 0; i < w; i++) lanes[i] = i;
  bool failed = false;
  parallelFor(g.G, 1, [&](i64 g0, i64 g1) {
    T* frame = scratch<T, 0>(f.plane + w);
    T* rows = scratch<T, 4>(chunks.size() * w);
    if (!frame || !rows) return (void)(failed = true);
    for (i64 k = g0; k < g1; k++)
      for (i64 n = 0; n < g.N; n++) {
        f.fill(g, source + (n * g.G + k) * g.sourcePlane(), frame);
        for (i64 m = 0; m < g.M; m++) {
          const T* gy = result + ((n * g.G + k) * g.M + m) * plane;
          for (size_t q = 0; q < chunks.size(); q++)
            for (int i = 0; i < w; i++) rows[q * w + i] = i < chunks[q].len ? gy[chunks[q].out + i] : T(0);
          for (int t0 = 0; t0 < g.count; t0 += 4) {
            V acc[4] = {};
            const T* p[4];
            for (int t = 0; t < 4; t++) p[t] = frame + f.at[std::min(t0 + t, g.count - 1)];
            for (size_t q = 0; q < chunks.size(); q++) {
              V y = *(const V*)(rows + q * w);
              i64 src = chunks[q].src;
              if (chunks[q].len == w) {
#pragma GCC unroll 4
                for (int t = 0; t < 4; t++) acc[t] += y * load(p[t] + src);
              } else {  // beyond the row lie other values, perhaps infinite
                I inside = lanes < (I{} + chunks[q].len);
#pragma GCC unroll 4
                for (int t = 0; t < 4; t++) acc[t] += y * (V)((I)load(p[t] + src) & inside);
              }
            }
            T sums[4];
            totals<T>(acc, sums);
            for (int t = 0; t < 4 && t0 + t < g.count; t++) gw[(k * g.M + m) * g.count + t0 + t] += sums[t];
          }
        }
      }
  });
  return !failed;
}

}  // namespace

template <class T> bool correlate(const Taps& g, const T* source, const T* result, T* gw) {
  if (g.C == 1 && g.M <= 4 && g.G > 1) return correlateFew(g, source, result, gw);
  constexpr int w = Width<T>;
  const Frame f(g, true);
  const i64 columns = g.C * g.count, plane = g.resultPlane(), points = g.points(), batch = imagesAtOnce<T>(g, f);
  const i64 size = g.G * g.M * columns, block = PixelBytes / (i64)sizeof(T);
  const i64 mBlocks = ceilDiv(g.M, RowBlock), tiles = ceilDiv(columns, DN);
  // Work is cut by rows, then columns, and where that gives few pieces by pixels; those are summed up at the end.
  const i64 nParts = std::clamp<i64>(32 / (g.G * mBlocks), 1, ceilDiv(tiles, 4));
  for (i64 n0 = 0; n0 < g.N; n0 += batch) {
    const i64 images = std::min(batch, g.N - n0), pixels = images * points, spans = ceilDiv(pixels, block);
    Frames<T> fr;
    if (!frames(g, f, source, n0, images, fr)) return false;
    const T* gy = result + n0 * g.G * g.M * plane;
    const i64 kParts = size > 65536 ? 1 : std::clamp<i64>(16 / (g.G * mBlocks * nParts), 1, spans);
    T* sums = gw;
    if (kParts > 1) {
      sums = scratch<T, 5>(kParts * size);
      if (!sums) return false;
      memset((void*)sums, 0, kParts * size * sizeof(T));
    }
    bool failed = false;
    parallelFor(g.G * mBlocks * nParts * kParts, 1, [&](i64 u0, i64 u1) {
      const i64 wide = ceilDiv(std::min(g.M, RowBlock), DM) * DM;
      T* a = scratch<T, 3>((wide + DN + 1) * block);
      if (!a) return (void)(failed = true);
      T* b = a + wide * block;
      std::vector<Run> runs(block);
      for (i64 u = u0; u < u1; u++) {
        i64 kp = u % kParts, np = u / kParts % nParts, mb = u / kParts / nParts % mBlocks, k = u / kParts / nParts / mBlocks;
        i64 m0 = mb * RowBlock, m1 = std::min(m0 + RowBlock, g.M);
        i64 t0 = tiles * np / nParts, t1 = tiles * (np + 1) / nParts;
        T* to = sums + kp * size + k * g.M * columns;
        for (i64 span = spans * kp / kParts; span < spans * (kp + 1) / kParts; span++) {
          i64 q0 = pixels * span / spans, q1 = pixels * (span + 1) / spans;
          i64 len = q1 - q0, ld = ceilDiv(len, w) * w;
          int count = runsOf(g, f, fr.image, q0, q1, runs.data());
          for (i64 m = m0; m < m0 + ceilDiv(m1 - m0, DM) * DM; m++) {
            T* row = a + (m - m0) * ld;
            for (i64 q = q0; q < q1;) {
              i64 n = q / points, at = q % points, run = std::min(points - at, q1 - q);
              if (m < m1) memcpy(row + q - q0, gy + ((n * g.G + k) * g.M + m) * plane + at, run * sizeof(T));
              else memset((void*)(row + q - q0), 0, run * sizeof(T));
              q += run;
            }
            for (i64 i = len; i < ld; i++) row[i] = T(0);
          }
          for (i64 tile = t0; tile < t1; tile++) {
            int cols = (int)std::min<i64>(DN, columns - tile * DN);
            for (int j = 0; j < DN; j++) {
              T* row = b + j * ld;
              i64 column = tile * DN + std::min(j, cols - 1), c = column / g.count;
              copyRuns(fr.p + (k * g.C + c) * f.plane + f.at[column % g.count], fr.end, runs.data(), count, row);
              for (i64 i = len; i < ld; i++) row[i] = T(0);
            }
            for (i64 m = m0; m < m1; m += DM)
              dots<T>(ld, ld, a + (m - m0) * ld, b, to + m * columns + tile * DN, columns, (int)std::min<i64>(DM, m1 - m), cols);
          }
        }
      }
    });
    if (failed) return false;
    if (kParts > 1)
      for (i64 p = 0; p < kParts; p++)
        for (i64 i = 0; i < size; i++) gw[i] += sums[p * size + i];
  }
  return true;
}
template bool correlate<float>(const Taps&, const float*, const float*, float*);
template bool correlate<double>(const Taps&, const double*, const double*, double*);

}  // namespace conv
}  // namespace fb
