// The weight gradient of convolutions, a sum over pixels. With many channels both factors are first turned so that the channels
// of a pixel are neighbours: then every tap is a product of tiles whose rows are read where they lie, from a table, a row of
// zeros standing for padding. With few channels it is products of rows of pixels. Blocks depend on the shapes alone, so results
// do not depend on the number of threads.
#include "conv.h"
#include "dots.h"

namespace fb {
namespace conv {
namespace {

constexpr i64 PixelBytes = 2560;  // of each row in a block: DM + DN rows stay in L1
constexpr i64 RowBlock = 128;     // result channels whose pixels stay in L2

// gw[i·ldw + j] += Σ_k a[i·ld + k] · b[j·ld + k]
template <class T> void dots(i64 K, i64 ld, const T* a, const T* b, T* gw, i64 ldw, int rows, int cols) {
  T sums[DotSums<T>];
  dotRows(rows, K, a, ld, b, ld, cols, sums);
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j++) gw[i * ldw + j] += sums[i * DN + j];
}

// One channel in, few out (depthwise): a group of taps at a time runs over the pixels of a plane.
template <class T> bool correlateFew(const Taps& g, const T* source, const T* result, T* gw) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::I I;
  constexpr int w = Width<T>, Group = 5;
  const Frame f(g, false);
  const auto chunks = chunksOf(g, f, w);
  const i64 plane = g.resultPlane();
  I lanes;
  for (int i = 0; i < w; i++) lanes[i] = i;
  bool failed = false;
  parallelFor(g.G, 1, [&](i64 g0, i64 g1) {
    T* frame = scratch<T, ConvFrame>(f.plane + w);
    T* rows = scratch<T, ConvEdges>(chunks.size() * w);
    if (!frame || !rows) return (void)(failed = true);
    for (i64 k = g0; k < g1; k++)
      for (i64 n = 0; n < g.N; n++) {
        f.fill(g, source + (n * g.G + k) * g.sourcePlane(), frame);
        for (i64 m = 0; m < g.M; m++) {
          const T* gy = result + ((n * g.G + k) * g.M + m) * plane;
          for (size_t q = 0; q < chunks.size(); q++)
            if (chunks[q].len == w) store(rows + q * w, load(gy + chunks[q].out));
            else
              for (int i = 0; i < w; i++) rows[q * w + i] = i < chunks[q].len ? gy[chunks[q].out + i] : T(0);
          for (int t0 = 0; t0 < g.count; t0 += Group) {
            V acc[Group] = {};
            const T* p[Group];
            for (int t = 0; t < Group; t++) p[t] = frame + f.at[std::min(t0 + t, g.count - 1)];
            for (size_t q = 0; q < chunks.size(); q++) {
              V y = *(const V*)(rows + q * w);
              i64 src = chunks[q].src;
              if (chunks[q].len == w) {
#pragma GCC unroll 8
                for (int t = 0; t < Group; t++) acc[t] += y * load(p[t] + src);
              } else {  // beyond the row lie other values, perhaps infinite
                I inside = lanes < (I{} + chunks[q].len);
#pragma GCC unroll 8
                for (int t = 0; t < Group; t++) acc[t] += y * (V)((I)load(p[t] + src) & inside);
              }
            }
            T sums[Group][w];
#pragma GCC unroll 8
            for (int t = 0; t < Group; t++) store(sums[t], acc[t]);
            for (int t = 0; t < Group && t0 + t < g.count; t++)
              for (int i = 0; i < w; i++) gw[(k * g.M + m) * g.count + t0 + t] += sums[t][i];
          }
        }
      }
  });
  return !failed;
}

// from [channels, points] to [points, width], width being at least `channels` and a multiple of the vector width; zeros fill up.
template <class T> void channelsLast(const T* from, i64 channels, i64 points, T* to, i64 width) {
  constexpr i64 w = Width<T>;
  for (i64 j = 0; j < points; j += w)
    for (i64 c = 0; c < width; c += w) {
      int rows = (int)std::clamp<i64>(channels - c, 0, w);
      if (j + w <= points) {
        transposeSquare(from + c * points + j, points, rows, to + j * width + c, width);
        continue;
      }
      for (i64 q = j; q < points; q++)
        for (int i = 0; i < w; i++) to[q * width + c + i] = i < rows ? from[(c + i) * points + q] : T(0);
    }
}

template <class T> bool correlateWide(const Taps& g, const T* source, const T* result, T* gw) {
  constexpr i64 w = Width<T>, nr = NR<T>, Block = 512;  // pixels whose channels stay in L2
  const i64 C = ceilDiv(g.C, nr) * nr, M = ceilDiv(g.M, w) * w, points = g.points(), plane = g.sourcePlane();
  const i64 batch = std::clamp<i64>(FrameBytes / (i64)((plane * C + points * M) * sizeof(T) + 1), 1, g.N);
  const i64 panels = ceilDiv(g.M, MR), parts = std::clamp<i64>(ceilDiv(16, g.count), 1, panels);
  T* x = scratch<T, ConvFrames>(batch * plane * C + C);  // the last row is zero
  T* gy = scratch<T, ConvWindows>(batch * points * M + w);
  T* sums = scratch<T, ConvSums>(g.count * g.M * C);
  if (!x || !gy || !sums) return false;
  const i64 zeros = batch * plane * C;
  memset((void*)(x + zeros), 0, C * sizeof(T));
  for (i64 k = 0; k < g.G; k++) {
    for (i64 n0 = 0; n0 < g.N; n0 += batch) {
      const i64 images = std::min(batch, g.N - n0), pixels = images * points;
      parallelFor(2 * images, 1, [&](i64 u0, i64 u1) {
        for (i64 u = u0; u < u1; u++) {
          i64 n = u / 2, from = (n0 + n) * g.G + k;
          if (u % 2) channelsLast(source + from * g.C * plane, g.C, plane, x + n * plane * C, C);
          else channelsLast(result + from * g.M * points, g.M, points, gy + n * points * M, M);
        }
      });
      parallelFor(g.count * parts, 1, [&](i64 u0, i64 u1) {
        i64 rows[Block];
        for (i64 u = u0; u < u1; u++) {
          const i64 t = u / parts, p0 = panels * (u % parts) / parts, p1 = panels * (u % parts + 1) / parts;
          for (i64 q0 = 0; q0 < pixels; q0 += Block) {
            const i64 len = std::min(Block, pixels - q0);
            for (i64 q = 0; q < len; q++) {
              i64 rest = (q0 + q) % points, at = (q0 + q) / points;
              const i64 i[3] = {rest / g.grid[2] / g.grid[1], rest / g.grid[2] % g.grid[1], rest % g.grid[2]};
              bool inside = true;
              for (int d = 0; d < 3; d++) {
                i64 y = i[d] * g.step[d] + g.delta[d][t];
                inside &= y >= 0 && y < g.source[d];
                at = at * g.source[d] + y;
              }
              rows[q] = inside ? at * C : zeros;
            }
            for (i64 c = 0; c < C; c += nr) {
              auto rowOf = [&rows, from = x + c](i64 q) { return from + rows[q]; };
              for (i64 p = p0; p < p1; p++) {
                i64 m = g.M * p / panels;
                tileRows<T>((int)(g.M * (p + 1) / panels - m), len, Lines<T>{gy + q0 * M + m, M}, rowOf, sums + (t * g.M + m) * C + c, C, n0 + q0 > 0, nullptr);
              }
            }
          }
        }
      });
    }
    parallelFor(g.M, 32768 / (g.C * g.count + 1) + 1, [&](i64 m0, i64 m1) {
      for (i64 m = m0; m < m1; m++)
        for (i64 c = 0; c < g.C; c++)
          for (int t = 0; t < g.count; t++) gw[((k * g.M + m) * g.C + c) * g.kernel + g.index[t]] += sums[(t * g.M + m) * C + c];
    });
  }
  return true;
}

}  // namespace

template <class T> bool correlate(const Taps& g, const T* source, const T* result, T* gw) {
  if (g.C == 1 && g.M <= 4 && g.G > 1) return correlateFew(g, source, result, gw);
  if (isWide<T>(g.C, g.M, g.kernel)) return g.count == 0 || correlateWide(g, source, result, gw);
  constexpr int w = Width<T>;
  const Frame f(g, true);
  const i64 columns = g.C * g.count, plane = g.resultPlane(), points = g.points(), batch = imagesAtOnce<T>(g, f);
  const i64 size = g.G * g.M * columns, block = PixelBytes / (i64)sizeof(T);
  const i64 mBlocks = ceilDiv(g.M, RowBlock), tiles = ceilDiv(columns, DN);
  for (i64 n0 = 0; n0 < g.N; n0 += batch) {
    const i64 images = std::min(batch, g.N - n0), pixels = images * points, spans = ceilDiv(pixels, block);
    Frames<T> fr;
    if (!frames(g, f, source, n0, images, fr)) return false;
    const T* gy = result + n0 * g.G * g.M * plane;
    // Small gradients are cut by pixels, with sums of their own that are added up at the end; large ones by columns, where
    // every part packs the pixels anew.
    const i64 kParts = size > 65536 ? 1 : std::clamp<i64>(16 / g.G, 1, spans);
    const i64 nParts = std::clamp<i64>(8 / (g.G * mBlocks * kParts), 1, ceilDiv(tiles, 4));
    T* sums = gw;
    if (kParts > 1) {
      sums = scratch<T, ConvSums>(kParts * size);
      if (!sums) return false;
      memset((void*)sums, 0, kParts * size * sizeof(T));
    }
    bool failed = false;
    parallelFor(g.G * mBlocks * nParts * kParts, 1, [&](i64 u0, i64 u1) {
      const i64 wide = ceilDiv(std::min(g.M, RowBlock), DM) * DM;
      T* a = scratch<T, ConvWindows>((wide + DN + 1) * (block + w));
      if (!a) return (void)(failed = true);
      T* b = a + wide * (block + w);
      std::vector<Run> runs(block), pieces;
      for (i64 u = u0; u < u1; u++) {
        i64 kp = u % kParts, np = u / kParts % nParts, mb = u / kParts / nParts % mBlocks, k = u / kParts / nParts / mBlocks;
        i64 m0 = mb * RowBlock, m1 = std::min(m0 + RowBlock, g.M);
        i64 t0 = tiles * np / nParts, t1 = tiles * (np + 1) / nParts;
        T* to = sums + kp * size + k * g.M * columns;
        for (i64 span = spans * kp / kParts; span < spans * (kp + 1) / kParts; span++) {
          i64 q0 = pixels * span / spans, q1 = pixels * (span + 1) / spans;
          // An odd number of vectors a row, so that rows do not all fall into the same cache sets.
          i64 len = q1 - q0, ld = (ceilDiv(len, w) | 1) * w;
          pieces.clear();
          cutRuns<T>(runs.data(), runsOf(g, f, fr.image, q0, q1, runs.data()), pieces);
          for (i64 m = m0; m < m0 + ceilDiv(m1 - m0, DM) * DM; m++) {
            T* row = a + (m - m0) * ld;
            for (i64 q = q0; q < q1;) {
              i64 n = q / points, at = q % points, run = std::min(points - at, q1 - q);
              if (m < m1) copyRow(gy + ((n * g.G + k) * g.M + m) * plane + at, row + q - q0, run);
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
              copyPieces(fr.p + (k * g.C + c) * f.plane + f.at[column % g.count], fr.end, pieces.data(), (int)pieces.size(), row);
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
