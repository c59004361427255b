// The geometry that all passes of a convolution share. Forward, input gradient (transposed convolution) and weight
// gradient read shifted windows of a source: the source is copied once into frames in which padding is real zeros and
// strided columns lie together, so that every window is a run of neighbours and the inner loops know no borders.
#pragma once
#include <algorithm>
#include <vector>

#include "operand.h"
#include "pool.h"
#include "tile.h"

namespace fb {
namespace conv {

inline i64 ceilDiv(i64 a, i64 b) { return (a + b - 1) / b; }

// Short rows: whole vectors, the last one back to back with the end.
template <class T> inline void copyRow(const T* from, T* to, i64 n) {
  constexpr i64 w = Width<T>;
  i64 i = 0;
  for (; i + w <= n; i += w) store(to + i, load(from + i));
  if (i < n && n >= w) store(to + n - w, load(from + n - w));
  else
    for (; i < n; i++) to[i] = from[i];
}

// result[n, m, base + i·spread] pairs with source[n, c, i·step + delta[t]] for every i in `grid`, channel c and tap t.
struct Taps {
  i64 N, G, C, M;                   // images, groups, source and result channels of a group
  i64 source[3], grid[3], step[3];  // source sizes, iterations, source step
  i64 result[3], base[3], spread[3];
  int count = 0;
  i64 kernel = 0;                   // positions of the kernel: those that no tap is for too
  std::vector<i64> delta[3], index;  // per tap: displacement, position within the kernel
  i64 points() const { return grid[0] * grid[1] * grid[2]; }
  i64 sourcePlane() const { return source[0] * source[1] * source[2]; }
  i64 resultPlane() const { return result[0] * result[1] * result[2]; }
  // Is iteration order the order of the result's memory?
  bool flat() const {
    for (int d = 0; d < 3; d++)
      if (spread[d] != 1 || base[d] != 0 || grid[d] != result[d]) return false;
    return true;
  }
  void addTap(i64 d0, i64 d1, i64 d2, i64 at) {
    delta[0].push_back(d0), delta[1].push_back(d1), delta[2].push_back(d2);
    index.push_back(at);
    count++;
  }
  // One tap that covers everything: the spatial dimensions are one long row.
  void flatten() {
    if (count != 1 || !flat()) return;
    for (int d = 0; d < 3; d++)
      if (delta[d][0] != 0 || step[d] != 1 || grid[d] != source[d]) return;
    i64 n = points();
    for (i64* s : {source, grid, result}) s[0] = s[1] = 1, s[2] = n;
  }
};

// Where windows lie: iteration (i0, i1, i2) of channel plane c under tap t starts at c·plane + i0·s0 + i1·s1 + i2 + at[t].
// Rows of a frame hold `phases` rows of `length`, one for each remainder of the column modulo the step.
struct Frame {
  bool direct;  // the source itself will do: no padding, no step along rows
  i64 plane, s0, s1;
  std::vector<i64> at;

  explicit Frame(const Taps& g, bool mayBeDirect) {
    i64 lo[3], hi[3];
    direct = mayBeDirect && g.step[2] == 1;
    for (int d = 0; d < 3; d++) {
      lo[d] = hi[d] = g.delta[d][0];
      for (i64 x : g.delta[d]) lo[d] = x < lo[d] ? x : lo[d], hi[d] = x > hi[d] ? x : hi[d];
      extent[d] = (g.grid[d] - 1) * g.step[d] + hi[d] - lo[d] + 1;
      first[d] = lo[d];
      if (lo[d] < 0 || lo[d] + extent[d] > g.source[d]) direct = false;
    }
    if (direct) {
      plane = g.sourcePlane();
      s1 = g.source[2] * g.step[1];
      s0 = g.source[1] * g.source[2] * g.step[0];
      for (int t = 0; t < g.count; t++) at.push_back((g.delta[0][t] * g.source[1] + g.delta[1][t]) * g.source[2] + g.delta[2][t]);
      return;
    }
    i64 step = g.step[2];
    length = g.grid[2] + (hi[2] - lo[2]) / step;
    std::vector<i64> order(step, -1);
    for (i64 x : g.delta[2]) {
      i64 f = (x - lo[2]) % step;
      if (order[f] < 0) order[f] = (i64)phases.size(), phases.push_back(f);
    }
    i64 row = length * (i64)phases.size();
    plane = extent[0] * extent[1] * row;
    s1 = row * g.step[1];
    s0 = extent[1] * row * g.step[0];
    for (int d = 0; d < 2; d++) {
      used[d].assign(extent[d], 0);
      for (i64 x : g.delta[d])
        for (i64 i = 0; i < g.grid[d]; i++) used[d][i * g.step[d] + x - lo[d]] = 1;
    }
    for (int t = 0; t < g.count; t++) {
      i64 c = g.delta[2][t] - lo[2];
      at.push_back(((g.delta[0][t] - lo[0]) * extent[1] + g.delta[1][t] - lo[1]) * row + order[c % step] * length + c / step);
    }
  }

  // Copies one source plane into its frame. Rows that no window reads are left as they are.
  template <class T> void fill(const Taps& g, const T* from, T* to) const {
    i64 step = g.step[2], w = g.source[2];
    for (i64 a = 0; a < extent[0]; a++)
      for (i64 b = 0; b < extent[1]; b++) {
        T* row = to + (a * extent[1] + b) * length * (i64)phases.size();
        if (!used[0][a] || !used[1][b]) continue;
        i64 y = a + first[0], x = b + first[1];
        bool inside = y >= 0 && y < g.source[0] && x >= 0 && x < g.source[1];
        for (i64 f : phases) {
          // Column j is source column j·step + o.
          i64 o = f + first[2];
          i64 j0 = o >= 0 ? 0 : (-o + step - 1) / step, j1 = o >= w ? 0 : (w - o + step - 1) / step;
          if (!inside) j0 = j1 = 0;
          if (j0 > length) j0 = length;
          if (j1 > length) j1 = length;
          if (j1 < j0) j1 = j0;
          const T* s = from + (y * g.source[1] + x) * w + o;
          for (i64 j = 0; j < j0; j++) row[j] = T(0);
          if (step == 1) copyRow(s + j0, row + j0, j1 - j0);
          else if (step == 2)
            for (i64 j = j0; j < j1; j++) row[j] = s[2 * j];
          else
            for (i64 j = j0; j < j1; j++) row[j] = s[j * step];
          for (i64 j = j1; j < length; j++) row[j] = T(0);
          row += length;
        }
      }
  }

 private:
  i64 extent[3], first[3], length = 0;
  std::vector<i64> phases;
  std::vector<char> used[2];
};

// A stretch of iterations that are neighbours in the frame: `len` of them from position `at` on.
struct Run {
  i64 src;
  int at, len;
};
// Cuts the iterations [from, to), counted over images, into runs. `image` is the distance of two images' frames.
inline int runsOf(const Taps& g, const Frame& f, i64 image, i64 from, i64 to, Run* out) {
  i64 w = g.grid[2], per = g.points();
  i64 n = from / per, rest = from % per;
  i64 i2 = rest % w, i1 = rest / w % g.grid[1], i0 = rest / w / g.grid[1];
  int count = 0;
  for (i64 q = from; q < to;) {
    i64 len = w - i2 < to - q ? w - i2 : to - q;
    out[count++] = {n * image + i0 * f.s0 + i1 * f.s1 + i2, (int)(q - from), (int)len};
    q += len;
    i2 = 0;
    if (++i1 == g.grid[1]) {
      i1 = 0;
      if (++i0 == g.grid[0]) i0 = 0, n++;
    }
  }
  return count;
}

// Cuts runs into pieces of at most a vector.
template <class T> inline void cutRuns(const Run* runs, int count, std::vector<Run>& out) {
  for (int r = 0; r < count; r++)
    for (int i = 0; i < runs[r].len; i += Width<T>) out.push_back({runs[r].src + i, runs[r].at + i, std::min(runs[r].len - i, Width<T>)});
}

// Lays pieces side by side. Whole vectors are written: what goes too far is overwritten by what comes next, so rows are
// filled in ascending order and buffers have a vector to spare. Nothing at or after `end` is read. C pieces, or `count`.
template <class T, int C = 0> inline void copyPieces(const T* src, const T* end, const Run* p, int count, T* to) {
  constexpr int w = Width<T>;
  if constexpr (C > 0) count = C;
  if (src + p[count - 1].src + w <= end) {
    if constexpr (C > 0) {
#pragma GCC unroll 8
      for (int i = 0; i < C; i++) store(to + p[i].at, load(src + p[i].src));
    } else
      for (int i = 0; i < count; i++) store(to + p[i].at, load(src + p[i].src));
    return;
  }
  for (int r = 0; r < count; r++)
    for (int i = 0; i < p[r].len; i++) to[p[r].at + i] = src[p[r].src + i];
}

// Vectors of pixels of one image: where they are read, relative to the frame, and where their results go.
struct Chunk {
  i64 src, out;
  int len;
};
inline std::vector<Chunk> chunksOf(const Taps& g, const Frame& f, int width) {
  std::vector<Chunk> out;
  for (i64 a = 0; a < g.grid[0]; a++)
    for (i64 b = 0; b < g.grid[1]; b++)
      for (i64 c = 0; c < g.grid[2]; c += width)
        out.push_back({a * f.s0 + b * f.s1 + c,
                       ((g.base[0] + a * g.spread[0]) * g.result[1] + g.base[1] + b * g.spread[1]) * g.result[2] + g.base[2] + c * g.spread[2],
                       (int)std::min<i64>(width, g.grid[2] - c)});
  return out;
}

constexpr i64 FrameBytes = 12 << 20;  // frames of as many images as fit here are made at once
// The frames of all channels of `images` images; the source itself where it will do.
template <class T> struct Frames {
  const T *p, *end;
  i64 image;
};
template <class T> bool frames(const Taps& g, const Frame& f, const T* source, i64 n0, i64 images, Frames<T>& out) {
  i64 channels = g.G * g.C;
  out.image = channels * f.plane;
  const T* from = source + n0 * channels * g.sourcePlane();
  if (f.direct) {
    out.p = from;
    out.end = source + g.N * channels * g.sourcePlane();
    return true;
  }
  T* to = scratch<T, ConvFrames>(images * out.image + Width<T>);
  if (!to) return false;
  parallelFor(images * channels, 32768 / (f.plane + 1) + 1, [&](i64 a, i64 b) {
    for (i64 c = a; c < b; c++) f.fill(g, from + c * g.sourcePlane(), to + c * f.plane);
  });
  out.p = to;
  out.end = to + images * out.image + Width<T>;
  return true;
}
template <class T> i64 imagesAtOnce(const Taps& g, const Frame& f) {
  if (f.direct) return g.N;
  return std::max<i64>(1, std::min<i64>(g.N, FrameBytes / (i64)(g.G * g.C * f.plane * sizeof(T) + 1)));
}

// How a pass reads its weights: element (group, m, c, tap) is at p[g·group + m·row + c·channel + index].
template <class T> struct Weights {
  const T* p;
  i64 group, row, channel;
};

// result = Σ over channels and taps of weight · source (+ bias per result channel). False: no memory.
template <class T> bool gather(const Taps& g, const T* source, Weights<T> w, const T* bias, T* result);
// Is the weight gradient a product of tiles? Then it needs no taps that read padding alone.
template <class T> constexpr bool isWide(i64 C, i64 M, i64 kernel) { return kernel >= 3 && C * 4 >= ceilDiv(C, NR<T>) * NR<T> * 3 && M >= MR; }
// gw[m, c, t] += Σ over images and iterations of result · source; gw is [G·M, C, taps]. False: no memory.
template <class T> bool correlate(const Taps& g, const T* source, const T* result, T* gw);

}  // namespace conv
}  // namespace fb
