// Strided copies and casts. Dimensions arrive collapsed and ordered by the output's strides; the last two are tiled, so
// that transposes read and write whole cache lines.
#include "lanes.h"
#include "operand.h"
#include "pool.h"

namespace fb {
namespace {

template <class S> void tile(char* out, const char* in, i64 rows, i64 cols, i64 or_, i64 oc, i64 ir, i64 ic) {
  S* o = (S*)out;
  const S* p = (const S*)in;
  if (oc == 1 && ic == 1) {
    for (i64 r = 0; r < rows; r++) memcpy(o + r * or_, p + r * ir, cols * sizeof(S));
    return;
  }
  if (oc == 1 && ic == 0) {
    for (i64 r = 0; r < rows; r++) {
      S v = p[r * ir];
      for (i64 c = 0; c < cols; c++) o[r * or_ + c] = v;
    }
    return;
  }
  if (oc == 1 && ic == 2) {  // what compilers make vectors of
    for (i64 r = 0; r < rows; r++)
      for (i64 c = 0; c < cols; c++) o[r * or_ + c] = p[r * ir + 2 * c];
    return;
  }
  constexpr i64 T = 32;
  for (i64 r0 = 0; r0 < rows; r0 += T)
    for (i64 c0 = 0; c0 < cols; c0 += T) {
      i64 r1 = r0 + T < rows ? r0 + T : rows, c1 = c0 + T < cols ? c0 + T : cols;
      if constexpr (sizeof(S) == 4 || sizeof(S) == 8)
        if (oc == 1 && ir == 1 && r1 - r0 == T && c1 - c0 == T) {
          typedef std::conditional_t<sizeof(S) == 4, float, double> F;  // moved, never computed with
          for (i64 r = r0; r < r1; r += Width<F>)
            for (i64 c = c0; c < c1; c += Width<F>) transposeSquare((const F*)p + r + c * ic, ic, Width<F>, (F*)o + r * or_ + c, or_);
          continue;
        }
      if (oc == 1 && ir == 1) {
        // A transpose: whole lines into a small buffer first. Rows a power of two apart would evict each other from L1.
        S buffer[T][T + 1];
        for (i64 c = c0; c < c1; c++)
          for (i64 r = r0; r < r1; r++) buffer[c - c0][r - r0] = p[r + c * ic];
        for (i64 r = r0; r < r1; r++)
          for (i64 c = c0; c < c1; c++) o[r * or_ + c] = buffer[c - c0][r - r0];
        continue;
      }
      for (i64 r = r0; r < r1; r++)
        for (i64 c = c0; c < c1; c++) o[r * or_ + c * oc] = p[r * ir + c * ic];
    }
}

struct Pair { uint64_t a, b; };

template <class T> void castRows(const Shape& s, const Operand& o, const Operand& in) {
  parallelFor(s.numel, 32768, [&](i64 begin, i64 end) {
    // One conversion where a side has the lane's own type.
    if (o.dense && o.dtype == laneDType<T>()) return loadBlock((T*)o.p + begin, in, s, begin, end - begin);
    if (in.dense && in.dtype == laneDType<T>()) return storeBlock((const T*)in.p + begin, o, s, begin, end - begin);
    T buffer[512];
    for (i64 i = begin; i < end; i += 512) {
      i64 n = end - i < 512 ? end - i : 512;
      loadBlock(buffer, in, s, i, n);
      storeBlock(buffer, o, s, i, n);
    }
  });
}

int copy(double* ring) {
  Args a(ring);
  Shape s = readShape(a);
  Operand o = readOperand(a, s), in = readOperand(a, s);
  if (s.numel == 0) return OK;
  if (o.dtype != in.dtype) {
    bool complex = o.dtype >= C64 || in.dtype >= C64;
    bool integers = o.dtype <= I64 && in.dtype <= I64;
    // In float32 wherever that is exact or the one rounding that is due.
    auto small = [](int d) { return d == F32 || d == F16 || d == BF16; };
    bool narrow = (small(o.dtype) && in.dtype != F64) || (small(in.dtype) && o.dtype <= I16);
    if (complex) castRows<std::complex<double>>(s, o, in);
    else if (integers) castRows<i64>(s, o, in);
    else if (narrow) castRows<float>(s, o, in);
    else castRows<double>(s, o, in);
    return OK;
  }
  int size = itemSize(o.dtype);
  if (o.dense && in.dense) {
    parallelFor(s.numel * size, 1 << 18, [&](i64 b, i64 e) { memcpy(o.p + b, in.p + b, e - b); });
    return OK;
  }
  i64 cols = s.nd ? s.n[s.nd - 1] : 1, rows = s.nd > 1 ? s.n[s.nd - 2] : 1;
  i64 oc = s.nd ? o.strides[s.nd - 1] : 1, ic = s.nd ? in.strides[s.nd - 1] : 1;
  i64 orow = s.nd > 1 ? o.strides[s.nd - 2] : 0, irow = s.nd > 1 ? in.strides[s.nd - 2] : 0;
  i64 outer = s.numel / (rows * cols);
  // Bands of rows are the unit of work.
  i64 band = 65536 / cols;
  if (band < 32) band = 32;
  if (band > rows) band = rows;
  i64 bands = (rows + band - 1) / band;
  parallelFor(outer * bands, (65536 + band * cols - 1) / (band * cols), [&](i64 begin, i64 end) {
    for (i64 k = begin; k < end; k++) {
      i64 rest = k / bands, r0 = k % bands * band;
      i64 n = rows - r0 < band ? rows - r0 : band;
      i64 oo = r0 * orow, io = r0 * irow;
      for (int d = s.nd - 3; d >= 0; d--) {
        i64 x = rest % s.n[d];
        rest /= s.n[d];
        oo += x * o.strides[d];
        io += x * in.strides[d];
      }
      char* op = o.p + oo * size;
      const char* ip = in.p + io * size;
      switch (size) {
        case 1: tile<uint8_t>(op, ip, n, cols, orow, oc, irow, ic); break;
        case 2: tile<uint16_t>(op, ip, n, cols, orow, oc, irow, ic); break;
        case 4: tile<uint32_t>(op, ip, n, cols, orow, oc, irow, ic); break;
        case 8: tile<uint64_t>(op, ip, n, cols, orow, oc, irow, ic); break;
        default: tile<Pair>(op, ip, n, cols, orow, oc, irow, ic);
      }
    }
  });
  return OK;
}
Register r(OpCopy, copy);

}  // namespace
}  // namespace fb
