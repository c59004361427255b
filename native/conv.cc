// Convolution (contract: ConvSpec). Forward and input gradient are one product: packed weights [M, C·taps] times windows
// [C·taps, pixels], which are cut out of the frames tile by tile while packing. A strided input gradient is one such
// product for every remainder of the position modulo the stride. The weight gradient multiplies rows of pixels with
// each other: both factors are contiguous along the sum, so accumulators are vectors over pixels, summed at the end.
// Groups with few channels (depthwise) skip packing: taps are applied to rows of pixels in registers.
#include "conv.h"

namespace fb {
namespace conv {
namespace {

constexpr int MaxTile = 6;            // panels that share a pass over the weights
constexpr i64 KC = 384;               // rows of windows packed at a time: a panel of weights stays in L1


// Few result channels a group: R rows of weights against several vectors of pixels at a time.
template <class T, int R>
void direct(const Taps& g, const Frame& f, const std::vector<Chunk>& chunks, const T* frame, const T* w, i64 row, i64 channel, const T* bias, T* out) {
  typedef typename Simd<T>::V V;
  constexpr int C = R == 1 ? 8 : 4;
  i64 plane = g.resultPlane(), sp = g.spread[2];
  for (size_t q = 0; q < chunks.size(); q += C) {
    V acc[R][C];
    const T* p[C];
    for (int v = 0; v < C; v++) p[v] = frame + chunks[std::min(q + v, chunks.size() - 1)].src;
#pragma GCC unroll 4
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int v = 0; v < C; v++) acc[r][v] = (bias ? bias[r] : T(0)) - V{};
    for (i64 c = 0; c < g.C; c++)
      for (int t = 0; t < g.count; t++) {
        i64 o = c * f.plane + f.at[t];
        const T* k = w + c * channel + g.index[t];
        V x[C];
#pragma GCC unroll 8
        for (int v = 0; v < C; v++) x[v] = load(p[v] + o);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
          V a = k[r * row] - V{};
#pragma GCC unroll 8
          for (int v = 0; v < C; v++) acc[r][v] += a * x[v];
        }
      }
    T sums[R][C][Width<T>];  // indexing the accumulators themselves would keep them out of registers
#pragma GCC unroll 4
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int v = 0; v < C; v++) store(sums[r][v], acc[r][v]);
    for (int v = 0; v < C && q + v < chunks.size(); v++) {
      const Chunk& k = chunks[q + v];
      for (int r = 0; r < R; r++) {
        T* o = out + r * plane + k.out;
        if (k.len == Width<T> && sp == 1) store(o, load(sums[r][v]));
        else
          for (int x = 0; x < k.len; x++) o[x * sp] = sums[r][v][x];
      }
    }
  }
}

template <class T> bool gatherFew(const Taps& g, const T* source, Weights<T> w, const T* bias, T* result) {
  Frame f(g, false);
  auto chunks = chunksOf(g, f, Width<T>);
  i64 cost = g.points() * g.C * g.count;
  bool failed = false;
  parallelFor(g.N * g.G, 100000 / (cost + 1) + 1, [&](i64 u0, i64 u1) {
    T* frame = scratch<T, ConvFrame>(g.C * f.plane + Width<T>);
    if (!frame) return (void)(failed = true);
    for (i64 u = u0; u < u1; u++) {
      i64 k = u % g.G;
      for (i64 c = 0; c < g.C; c++) f.fill(g, source + (u * g.C + c) * g.sourcePlane(), frame + c * f.plane);
      const T* b = bias ? bias + k * g.M : nullptr;
      const T* p = w.p + k * w.group;
      T* out = result + u * g.M * g.resultPlane();
      if (g.M == 1) direct<T, 1>(g, f, chunks, frame, p, w.row, w.channel, b, out);
      else if (g.M == 2) direct<T, 2>(g, f, chunks, frame, p, w.row, w.channel, b, out);
      else if (g.M == 3) direct<T, 3>(g, f, chunks, frame, p, w.row, w.channel, b, out);
      else direct<T, 4>(g, f, chunks, frame, p, w.row, w.channel, b, out);
    }
  });
  return !failed;
}

// Rows [k, k + n) of the windows [channel · tap, pixel] of one panel, packed at `to`.
template <class T, int C>
void packWindows(const Taps& g, const Frame& f, const T* base, const T* end, const std::vector<Run>& pieces, i64 k, i64 n, T* to) {
  i64 c = k / g.count;
  int t = (int)(k % g.count), count = (int)pieces.size();
  Run local[C > 0 ? C : 1];
  for (int i = 0; i < C; i++) local[i] = pieces[i];
  for (i64 x = 0; x < n; x++, to += NR<T>) {
    copyPieces<T, C>(base + c * f.plane + f.at[t], end, C > 0 ? local : pieces.data(), count, to);
    if (++t == g.count) t = 0, c++;
  }
}
template <class T> using Packer = void (*)(const Taps&, const Frame&, const T*, const T*, const std::vector<Run>&, i64, i64, T*);
template <class T> Packer<T> packer(size_t pieces) {
  static const Packer<T> by[] = {packWindows<T, 0>, packWindows<T, 1>, packWindows<T, 2>, packWindows<T, 3>, packWindows<T, 4>,
                                 packWindows<T, 5>, packWindows<T, 6>, packWindows<T, 7>, packWindows<T, 8>};
  return by[pieces <= 8 ? pieces : 0];
}

}  // namespace

template <class T> bool gather(const Taps& g, const T* source, Weights<T> w, const T* bias, T* result) {
  if (g.M <= 4 && g.C <= 8 && (g.N * g.G >= 4 || g.C == 1)) return gatherFew(g, source, w, bias, result);
  constexpr int nr = NR<T>;
  const Frame f(g, true);
  const i64 K = g.C * g.count, panels = ceilDiv(g.M, MR), plane = g.resultPlane(), points = g.points();
  const bool flat = g.flat();
  // Panels of equal heights: a low one would leave the multipliers waiting.
  auto rowAt = [&](i64 panel) { return g.M * panel / panels; };

  T* packedW = scratch<T, ConvWeights>(g.G * panels * K * MR + 64);
  if (!packedW) return false;
  parallelFor(g.G * panels, 32768 / (K * MR + 1) + 1, [&](i64 a, i64 b) {
    for (i64 u = a; u < b; u++) {
      i64 m0 = rowAt(u % panels), rows = rowAt(u % panels + 1) - m0;
      const T* from = w.p + u / panels * w.group + m0 * w.row;
      T* to = packedW + u * K * MR;
      for (i64 c = 0; c < g.C; c++)
        for (int t = 0; t < g.count; t++, to += MR)
          for (i64 i = 0; i < rows; i++) to[i] = from[i * w.row + c * w.channel + g.index[t]];
    }
  });

  const i64 blocks = ceilDiv(K, KC), kc = ceilDiv(K, blocks), batch = imagesAtOnce<T>(g, f);
  const int threads = numThreads();
  bool failed = false;
  for (i64 n0 = 0; n0 < g.N; n0 += batch) {
    i64 images = std::min(batch, g.N - n0), pixels = images * points, columns = ceilDiv(pixels, nr);
    Frames<T> fr;
    if (!frames(g, f, source, n0, images, fr)) return false;
    // Tiles of several panels; smaller tiles, then parts of the channels, where threads would have nothing to do.
    i64 tile = std::min<i64>(MaxTile, columns);
    while (threads > 1 && tile > 2 && g.G * ceilDiv(columns, tile) < 4 * threads) tile--;
    i64 tiles = ceilDiv(columns, tile), parts = 1;
    if (threads > 1) parts = std::clamp<i64>(ceilDiv(2 * threads, g.G * tiles), 1, panels);
    double cost = (double)tile * nr * K * ceilDiv(g.M, parts);
    parallelFor(g.G * tiles * parts, (i64)(1e5 / cost) + 1, [&](i64 u0, i64 u1) {
      T* packed = scratch<T, ConvWindows>(tile * (kc * nr + Width<T>));  // a vector to spare after each panel
      T* edges = scratch<T, ConvEdges>(ceilDiv(panels, parts) * tile * MR * nr);  // panels that the result does not hold as they are
      if (!packed || !edges) return (void)(failed = true);
      std::vector<Run> runs(nr), pieces[MaxTile];
      for (i64 u = u0; u < u1; u++) {
        i64 part = u % parts, first = u / parts % tiles * tile, k = u / parts / tiles;
        i64 p0 = panels * part / parts, p1 = panels * (part + 1) / parts;
        int width = (int)std::min(tile, columns - first);
        const T* base = fr.p + k * g.C * f.plane;
        T* out = result + (n0 * g.G + k) * g.M * plane;
        for (int j = 0; j < width; j++) {
          pieces[j].clear();
          cutRuns<T>(runs.data(), runsOf(g, f, fr.image, (first + j) * nr, std::min((first + j + 1) * nr, pixels), runs.data()), pieces[j]);
        }
        for (i64 k0 = 0; k0 < K; k0 += kc) {
          i64 kn = std::min(kc, K - k0);
          for (i64 x = 0; x < kn; x += 32)  // a few rows at a time, all panels: neighbours in memory
            for (int j = 0; j < width; j++)
              packer<T>(pieces[j].size())(g, f, base, fr.end, pieces[j], k0 + x, std::min<i64>(32, kn - x), packed + j * (kn * nr + Width<T>) + x * nr);
          for (i64 m = p0; m < p1; m++) {
            i64 m0 = rowAt(m);
            int rows = (int)(rowAt(m + 1) - m0);
            const T* a = packedW + ((k * panels + m) * K + k0) * MR;
            const T* b = bias && k0 == 0 ? bias + k * g.M + m0 : nullptr;
            for (int j = 0; j < width; j++) {
              i64 q0 = (first + j) * nr, q1 = std::min(q0 + nr, pixels), n = q0 / points;
              const T* win = packed + j * (kn * nr + Width<T>);
              auto rowOf = [win](i64 k) { return win + k * NR<T>; };
              T* c = out + (n * g.G * g.M + m0) * plane;
              if (flat && q1 - q0 == nr && q1 <= (n + 1) * points) {
                tileRows<T>(rows, kn, Lines<T>{a, MR}, rowOf, c + q0 - n * points, plane, k0 > 0, b);
                continue;
              }
              T* edge = edges + ((m - p0) * width + j) * MR * nr;
              tileRows<T>(rows, kn, Lines<T>{a, MR}, rowOf, edge, nr, k0 > 0, b);
              if (k0 + kn < K) continue;
              for (i64 q = q0; q < q1;) {  // rows of the grid, or images where the result is flat
                i64 rest = q % points, i2 = flat ? rest : rest % g.grid[2], line = flat ? points : g.grid[2];
                i64 len = std::min(line - i2, q1 - q), at = rest;
                if (!flat) {
                  i64 i1 = rest / line % g.grid[1], i0 = rest / line / g.grid[1];
                  at = ((g.base[0] + i0 * g.spread[0]) * g.result[1] + g.base[1] + i1 * g.spread[1]) * g.result[2] + g.base[2] + i2 * g.spread[2];
                }
                i64 sp = g.spread[2];
                for (int i = 0; i < rows; i++) {
                  T* d = c + (q / points - n) * g.G * g.M * plane + i * plane + at;
                  const T* e = edge + i * nr + (q - q0);
                  if (sp == 1)
                    for (i64 x = 0; x < len; x++) d[x] = e[x];
                  else
                    for (i64 x = 0; x < len; x++) d[x * sp] = e[x];
                }
                q += len;
              }
            }
          }
        }
      }
    });
    if (failed) return false;
  }
  return true;
}

template bool gather<float>(const Taps&, const float*, Weights<float>, const float*, float*);
template bool gather<double>(const Taps&, const double*, Weights<double>, const double*, double*);

namespace {

struct Spatial {
  i64 kernel[3], stride[3], padding[3], dilation[3];
};

// Does a tap at this displacement meet the source anywhere? Near small images many do not.
bool meets(i64 grid, i64 step, i64 delta, i64 size) {
  i64 first = delta >= 0 ? 0 : (-delta + step - 1) / step;  // the first iteration that is not before the source
  return first < grid && first * step + delta < size;
}

// Output position o reads input o·stride - padding + k·dilation. Taps that read padding alone are left out, or all are there.
Taps forwardTaps(const Spatial& s, i64 N, i64 G, i64 C, i64 M, const i64* x, const i64* y, bool all) {
  Taps g{N, G, C, M};
  for (int d = 0; d < 3; d++) g.source[d] = x[d], g.grid[d] = g.result[d] = y[d], g.step[d] = s.stride[d], g.base[d] = 0, g.spread[d] = 1;
  i64 at = 0, k[3];
  for (k[0] = 0; k[0] < s.kernel[0]; k[0]++)
    for (k[1] = 0; k[1] < s.kernel[1]; k[1]++)
      for (k[2] = 0; k[2] < s.kernel[2]; k[2]++, at++) {
        i64 delta[3];
        bool useful = true;
        for (int d = 0; d < 3; d++) {
          delta[d] = k[d] * s.dilation[d] - s.padding[d];
          useful &= meets(g.grid[d], g.step[d], delta[d], g.source[d]);
        }
        if (all || useful) g.addTap(delta[0], delta[1], delta[2], at);
      }
  return g;
}

// Input positions i ≡ r (mod stride) are reached from output (i + padding - k·dilation) / stride where that is whole.
template <class T> bool inputPass(const Spatial& s, i64 N, i64 G, i64 C, i64 M, const i64* y, const i64* x, const T* gy, Weights<T> w, T* gx) {
  struct Tap { i64 delta, k; };
  std::vector<std::vector<Tap>> of[3];  // per dimension and remainder
  bool holes = false;
  for (int d = 0; d < 3; d++) {
    of[d].resize(std::min(s.stride[d], x[d]));
    for (i64 r = 0; r < (i64)of[d].size(); r++) {
      for (i64 k = 0; k < s.kernel[d]; k++) {
        i64 at = r + s.padding[d] - k * s.dilation[d];
        if (at % s.stride[d] == 0 && meets(ceilDiv(x[d] - r, s.stride[d]), 1, at / s.stride[d], y[d])) of[d][r].push_back({at / s.stride[d], k});
      }
      holes |= of[d][r].empty();
    }
  }
  if (holes) memset((void*)gx, 0, N * G * M * x[0] * x[1] * x[2] * sizeof(T));
  for (i64 r0 = 0; r0 < (i64)of[0].size(); r0++)
    for (i64 r1 = 0; r1 < (i64)of[1].size(); r1++)
      for (i64 r2 = 0; r2 < (i64)of[2].size(); r2++) {
        Taps g{N, G, C, M};
        const i64 r[3] = {r0, r1, r2};
        for (int d = 0; d < 3; d++) {
          g.source[d] = y[d], g.result[d] = x[d], g.base[d] = r[d], g.spread[d] = s.stride[d], g.step[d] = 1;
          g.grid[d] = ceilDiv(x[d] - r[d], s.stride[d]);
        }
        for (Tap a : of[0][r0])
          for (Tap b : of[1][r1])
            for (Tap c : of[2][r2]) g.addTap(a.delta, b.delta, c.delta, (a.k * s.kernel[1] + b.k) * s.kernel[2] + c.k);
        if (g.count == 0) continue;
        g.flatten();
        if (!gather<T>(g, gy, w, nullptr, gx)) return false;
      }
  return true;
}

// One call in lane T: operands of other dtypes or strides are converted to dense copies on the way in and out.
struct Call {
  int pass;
  i64 groups;
  Spatial s;
  Shape outShape, aShape, bShape, biasShape;
  Operand out, a, b, bias;
  bool hasBias;
};
template <class T> const T* dense(const Operand& o, const Shape& s, std::vector<T>& copy) {
  if (o.dtype == laneDType<T>() && o.dense) return (const T*)o.p;
  copy.resize(s.numel);
  parallelFor(s.numel, 32768, [&](i64 x, i64 y) { loadBlock(copy.data() + x, o, s, x, y - x); });
  return copy.data();
}
inline void spatial(const Shape& s, i64* to) {
  for (int d = 0; d < 3; d++) to[d] = s.nd - 3 + d >= 2 ? s.n[s.nd - 3 + d] : 1;
}

template <class T> int run(const Call& c) {
  std::vector<T> ca, cb, cbias, cout;
  const T *a = dense(c.a, c.aShape, ca), *b = dense(c.b, c.bShape, cb);
  const T* bias = c.hasBias ? dense(c.bias, c.biasShape, cbias) : nullptr;
  const bool inPlace = c.out.dtype == laneDType<T>() && c.out.dense;
  if (!inPlace) cout.resize(c.outShape.numel);
  T* out = inPlace ? (T*)c.out.p : cout.data();
  const Shape& weight = c.pass == 2 ? c.outShape : c.bShape;
  const i64 N = c.aShape.n[0], G = c.groups, co = weight.n[0] / G, ci = weight.n[1];
  i64 kernel = c.s.kernel[0] * c.s.kernel[1] * c.s.kernel[2];
  i64 sa[3], so[3], sb[3];
  spatial(c.aShape, sa), spatial(c.bShape, sb), spatial(c.outShape, so);
  bool ok = true;
  auto emptySum = [&] {
    i64 plane = so[0] * so[1] * so[2];
    for (i64 i = 0; i < c.outShape.numel; i++) out[i] = bias ? bias[i / plane % (G * co)] : T(0);
  };
  if (c.aShape.numel == 0 || c.bShape.numel == 0) emptySum();
  else if (c.pass == 0) {
    Taps g = forwardTaps(c.s, N, G, ci, co, sa, so, false);
    g.flatten();
    if (g.count == 0) emptySum();
    else ok = gather<T>(g, a, {b, co * ci * kernel, ci * kernel, kernel}, bias, out);
  } else if (c.pass == 1) {
    ok = inputPass<T>(c.s, N, G, co, ci, sa, so, a, {b, co * ci * kernel, kernel, ci * kernel}, out);
  } else {
    memset((void*)out, 0, c.outShape.numel * sizeof(T));
    Taps g = forwardTaps(c.s, N, G, ci, co, sb, sa, !isWide<T>(ci, co, kernel));
    g.kernel = kernel;
    g.flatten();
    ok = correlate<T>(g, b, a, out);
  }
  if (!ok) return OutOfMemory;
  if (!inPlace) parallelFor(c.outShape.numel, 32768, [&](i64 x, i64 y) { storeBlock(out + x, c.out, c.outShape, x, y - x); });
  return OK;
}

// args: pass (forward, input, weight), dimensions, stride, padding, dilation, groups, then shape, pointer, dtype and
// strides of the result and both operands, has bias, bias likewise.
int convolution(double* ring) {
  Args r(ring);
  Call c;
  c.pass = (int)r.i();
  int nd = (int)r.i();
  for (int d = 0; d < 3; d++) c.s.kernel[d] = c.s.stride[d] = c.s.dilation[d] = 1, c.s.padding[d] = 0;
  for (i64* to : {c.s.stride, c.s.padding, c.s.dilation})
    for (int d = 3 - nd; d < 3; d++) to[d] = r.i();
  c.groups = r.i();
  c.outShape = readShape(r), c.out = readOperand(r, c.outShape);
  c.aShape = readShape(r), c.a = readOperand(r, c.aShape);
  c.bShape = readShape(r), c.b = readOperand(r, c.bShape);
  c.hasBias = r.i() != 0;
  if (c.hasBias) c.biasShape = readShape(r), c.bias = readOperand(r, c.biasShape);
  spatial(c.pass == 2 ? c.outShape : c.bShape, c.s.kernel);
  if (c.outShape.numel == 0) return OK;
  if (c.out.dtype >= C64) return Unsupported;
  return c.out.dtype == F64 || c.out.dtype <= I64 ? run<double>(c) : run<float>(c);
}
Register reg(OpConv, convolution);

}  // namespace
}  // namespace conv
}  // namespace fb
