// Products with quantised weights, y = x wᵀ + bias, and their decoding. Rows of x become signed bytes with a scale for every 32,
// so that sums of products are integers: 32 products are one or two instructions, and floats meet once a group.
// One or two rows of x: a row of w is unpacked in registers, group after group, and meets them on the way. This
// runs at the speed of memory.
// Many rows: panels of L rows of w are unpacked into L2, four quants of each row side by side, and R x L sums stay in registers.
#include "quanttypes.h"

#include "operand.h"
#include "lanes.h"
#include "pool.h"

namespace fb {
namespace {
using namespace quant;

constexpr i64 Unit = 256;
constexpr i64 Few = 2;           // rows of x that do not pay for panels
constexpr i64 UnitsOfPanel = 8;  // of each row of w
constexpr i64 Ahead = 2048;      // bytes between what is read and what is fetched

// x as bytes: q_i · scale, scales of 32 values, given once for every `per`.
struct Activations {
  i64 ld;       // bytes of a row: K, filled up with zeros to whole units
  i64 groups;   // ld / per
  int8_t* q;
  float* scale;
  float* sum;      // scale Σ q: what minima are multiplied by
  int32_t* minus;  // -offset Σ q
};

void quantiseRow(const float* x, i64 K, int per, int offset, i64 row, const Activations& a) {
  int8_t* q = a.q + row * a.ld;
  float* scale = a.scale + row * a.groups;
  float* sum = a.sum + row * a.groups;
  int32_t* minus = a.minus + row * a.groups;
  for (i64 k = 0; k < a.ld; k += 32) {
    F32x8 v[4], most = {}, odd = {};
    for (int i = 0; i < 4; i++) {
      v[i] = k < K ? load8(x + k + 8 * i) : F32x8{};
      F32x8 size = (F32x8)((I32x8)v[i] & 0x7fffffff);
      most = size > most ? size : most;
      odd += v[i] * 0.0f;
    }
    float top = largest(most), d = top / 127 + sum8(odd);  // infinities and NaN make the whole result NaN
    float inverse = top > 0 ? 127 / top : 0;
    I32x8 n[4];
    // To the nearest integer: 1.5 · 2^23 moves it to the low bits.
    for (int i = 0; i < 4; i++) {
      n[i] = (I32x8)(v[i] * inverse + 12582912.0f) - 0x4b400000;
      storeBytes(q + k + 8 * i, n[i]);
    }
    const int total[2] = {sum8(n[0] + n[1]), sum8(n[2] + n[3])};
    if (per == 32) {
      i64 g = k / 32;
      scale[g] = d, sum[g] = d * (float)(total[0] + total[1]), minus[g] = -offset * (total[0] + total[1]);
    } else
      for (int h = 0; h < 2; h++) {
        i64 g = k / 16 + h;
        scale[g] = d, sum[g] = d * (float)total[h], minus[g] = -offset * total[h];
      }
  }
}

struct Product;
struct Panel;
// A type at run time: what templates below were made for it.
struct Type {
  int size, bytes, per, offset, scales;  // scales: of a unit
  void (*one)(const Product&, const Activations&, i64 m0, const uint8_t* w, float* out, i64 ldOut);
  void (*two)(const Product&, const Activations&, i64 m0, const uint8_t* w, float* out, i64 ldOut);
  void (*unpack)(const Product&, i64 n0, i64 unit0, i64 units, Panel&);
  void (*tiles)(i64 rows, const Activations&, i64 m0, i64 unit0, i64 units, const Panel&, float* sums, bool add);
  void (*decode)(const uint8_t* w, i64 K, float* out);
};

// What is asked for. Sums of a block of results are rounded and given their bias at the end.
struct Product {
  i64 M, N, K;
  const uint8_t* w;
  i64 rowBytes;
  const char* bias;
  char* out;
  int dtype;
  // Results [0, M) x [n0, n0 + columns), `ld` apart.
  void finish(i64 n0, i64 columns, float* sums, i64 ld) const {
    float b[64];
    if (bias) loadRun(b, bias, dtype, n0, 1, columns);
    for (i64 m = 0; m < M; m++) {
      float* s = sums + m * ld;
      if (bias)
        for (i64 n = 0; n < columns; n++) s[n] += b[n];
      storeRun(s, out, dtype, m * N + n0, 1, columns);
    }
  }
};
template <class Q> constexpr i64 UnitBytes = Unit / Q::size * Q::bytes;
template <class Q> constexpr int Scales = (int)Unit / Q::per;
// A unit of a row; the last of a row may lack blocks, and gets zeros for them.
template <class Q> struct UnitOf {
  uint8_t room[UnitBytes<Q>];
  const uint8_t* at(const uint8_t* row, i64 unit, i64 K) {
    const uint8_t* u = row + unit * UnitBytes<Q>;
    if (Q::size == Unit || K - unit * Unit >= Unit) return u;
    memset(room, 0, sizeof(room));
    memcpy(room, u, (K - unit * Unit) / Q::size * Q::bytes);
    return room;
  }
};

// out[r] = row of w · row m0 + r of x.
template <class Q, int R> void dotRow(const Product& p, const Activations& x, i64 m0, const uint8_t* w, float* out, i64 ldOut) {
  constexpr int S = Scales<Q>, chains = 4 / R;  // of additions that wait for one another
  F32x8 acc[R][chains] = {}, mins[R] = {};
  UnitOf<Q> unit;
  for (i64 i = 0; i * Unit < p.K; i++) {
    const uint8_t* u = unit.at(w, i, p.K);
    // Too few loads are under way between so many other instructions; rows follow each other in memory.
    for (i64 b = 0; b < UnitBytes<Q>; b += 64) __builtin_prefetch(u + Ahead + b);
    float s[S], m[S];
    F32x8 scales[R][S / 8];
    Q::scales(u, s, m);
    const int8_t* q = x.q + m0 * x.ld + i * Unit;
    const i64 at = m0 * x.groups + i * S;
    for (int h = 0; h < S; h += 8)
      for (int r = 0; r < R; r++) {
        F32x8 scale = load8(s + h);
        scales[r][h / 8] = scale * load8(x.scale + at + r * x.groups + h);
        mins[r] += (Q::affine ? load8(m + h) : scale * (float)Q::offset) * load8(x.sum + at + r * x.groups + h);
      }
    unrolled<8>([&](auto G) __attribute__((always_inline)) {
      constexpr int g = G;
      B32 quants = Q::quants(u, g);
#pragma GCC unroll 2
      for (int r = 0; r < R; r++) {
        F32x8 sums = __builtin_convertvector(dot4<Q::small>(I32x8{}, quants, load32(q + r * x.ld + 32 * g)), F32x8);
        if constexpr (Q::per == 32) acc[r][g % chains] += sums * spread8<g>(scales[r][0]);
        else acc[r][g % chains] += sums * fourOf<2 * g % 8, 2 * g % 8 + 1>(scales[r][g / 4]);
      }
    });
  }
  for (int r = 0; r < R; r++) {
    F32x8 t = -mins[r];
    for (int i = 0; i < chains; i++) t += acc[r][i];
    out[r * ldOut] = sum8(t);
  }
}
void few(const Type& type, const Product& p, const Activations& x) {
  constexpr i64 Columns = 32;
  parallelFor((p.N + Columns - 1) / Columns, 131072 / (p.K * Columns + 1) + 1, [&](i64 begin, i64 end) {
    float sums[Few * Columns];
    for (i64 n0 = begin * Columns; n0 < end * Columns && n0 < p.N; n0 += Columns) {
      i64 columns = p.N - n0 < Columns ? p.N - n0 : Columns;
      for (i64 n = 0; n < columns; n++) {
        const uint8_t* w = p.w + (n0 + n) * p.rowBytes;
        i64 m = 0;
        for (; m + 2 <= p.M; m += 2) type.two(p, x, m, w, sums + m * Columns + n, Columns);
        if (m < p.M) type.one(p, x, m, w, sums + m * Columns + n, Columns);
      }
      p.finish(n0, columns, sums, Columns);
    }
  });
}

// The tile: R rows of x, TV vectors of rows of w.
#if FB_VEC_BYTES == 64
constexpr int TR = 6, TV = 2;
#elif defined(__wasm__)
constexpr int TR = 2, TV = 2;
#else
constexpr int TR = 3, TV = 1;
#endif
constexpr int L = TV * W;

// Some units of L rows of w. quants[(unit · 64 + k / 4) · L + row] are four neighbours, scales and mins lie [unit][group][row].
struct Panel {
  float* quants;
  float *scales, *mins;
};
template <class Q> void unpack(const Product& p, i64 n0, i64 unit0, i64 units, Panel& panel) {
  constexpr int S = Scales<Q>;
  alignas(64) uint8_t rows[L][Unit];
  float s[L][S], m[L][S];
  UnitOf<Q> unit;
  for (i64 i = 0; i < units; i++) {
    if (n0 + L > p.N) memset(rows, 0, sizeof(rows)), memset(s, 0, sizeof(s)), memset(m, 0, sizeof(m));
    for (int l = 0; l < L && n0 + l < p.N; l++) {
      const uint8_t* u = unit.at(p.w + (n0 + l) * p.rowBytes, unit0 + i, p.K);
      Q::scales(u, s[l], m[l]);
      unrolled<8>([&](auto g) __attribute__((always_inline)) { *(B32*)(rows[l] + 32 * g) = Q::quants(u, g); });
    }
    for (int l = 0; l < L; l += W)
      for (int k = 0; k < Unit / 4; k += W) transposeSquare((const float*)rows[l] + k, Unit / 4, W, panel.quants + (i * Unit / 4 + k) * L + l, L);
    for (int g = 0; g < S; g++)
      for (int l = 0; l < L; l++) {
        panel.scales[(i * S + g) * L + l] = s[l][g];
        if (Q::affine) panel.mins[(i * S + g) * L + l] = m[l][g];
      }
  }
}

// sums (+)= the panel times R rows of x from byte `k0` on.
template <int S, bool Affine, bool Small, int R>
void quantTile(const Activations& x, i64 m0, i64 unit0, i64 units, const Panel& panel, float* sums, bool add) {
  VF out[R][TV];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < TV; v++) out[r][v] = add ? loadu(sums + r * L + v * W) : VF{};
  const int8_t* q = x.q + m0 * x.ld + unit0 * Unit;
  const i64 at = m0 * x.groups + unit0 * S;
  const float* w = panel.quants;
  for (i64 g = 0; g < units * S; g++) {
    VI acc[R][TV];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int v = 0; v < TV; v++) acc[r][v] = Affine ? VI{} : x.minus[at + r * x.groups + g] - VI{};
#pragma GCC unroll 8
    for (int k = 0; k < Unit / S / 4; k++, w += L) {
      VB b[TV];
#pragma GCC unroll 4
      for (int v = 0; v < TV; v++) b[v] = (VB)loadu(w + v * W);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        int32_t four;
        memcpy(&four, q + r * x.ld + g * (Unit / S) + 4 * k, 4);
#pragma GCC unroll 4
        for (int v = 0; v < TV; v++) acc[r][v] = dot4<Small>(acc[r][v], b[v], (VB)(four - VI{}));
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < TV; v++) {
      VF scale = loadu(panel.scales + g * L + v * W), min = Affine ? loadu(panel.mins + g * L + v * W) : VF{};
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        out[r][v] = madd(__builtin_convertvector(acc[r][v], VF), scale * x.scale[at + r * x.groups + g], out[r][v]);
        if (Affine) out[r][v] -= min * x.sum[at + r * x.groups + g];
      }
    }
  }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < TV; v++) storeu(sums + r * L + v * W, out[r][v]);
}
template <int S, bool Affine, bool Small, int R = TR>
void quantTiles(i64 rows, const Activations& x, i64 m0, i64 unit0, i64 units, const Panel& panel, float* sums, bool add) {
  if constexpr (R > 0) {
    if (rows == R) quantTile<S, Affine, Small, R>(x, m0, unit0, units, panel, sums, add);
    else quantTiles<S, Affine, Small, R - 1>(rows, x, m0, unit0, units, panel, sums, add);
  }
}
void many(const Type& type, const Product& p, const Activations& x) {
  const i64 units = x.ld / Unit;
  parallelFor((p.N + L - 1) / L, 1, [&](i64 begin, i64 end) {
    float* memory = scratch<float, QuantPanel>((size_t)(UnitsOfPanel * (Unit / 4 + 2 * type.scales) * L));
    Panel panel{memory, memory + UnitsOfPanel * Unit / 4 * L, memory + UnitsOfPanel * (Unit / 4 + type.scales) * L};
    float* sums = scratch<float, QuantSums>((size_t)(p.M * L));
    for (i64 n0 = begin * L; n0 < end * L && n0 < p.N; n0 += L) {
      for (i64 u = 0; u < units; u += UnitsOfPanel) {
        i64 n = units - u < UnitsOfPanel ? units - u : UnitsOfPanel;
        type.unpack(p, n0, u, n, panel);
        for (i64 m = 0; m < p.M; m += TR) type.tiles(p.M - m < TR ? p.M - m : TR, x, m, u, n, panel, sums + m * L, u > 0);
      }
      p.finish(n0, p.N - n0 < L ? p.N - n0 : L, sums, L);
    }
  });
}

void multiply(const Type& type, Product p, const char* x) {
  const i64 ld = (p.K + Unit - 1) / Unit * Unit, groups = ld / type.per;
  constexpr i64 Most = 1024;  // rows of x at a time
  const i64 total = p.M;
  for (i64 done = 0; done < total; done += Most) {
    p.M = total - done < Most ? total - done : Most;
    float* memory = scratch<float, QuantRows>((size_t)(p.M * (ld / 4 + 3 * groups)));
    Activations a{ld, groups, (int8_t*)(memory + 3 * p.M * groups), memory, memory + p.M * groups, (int32_t*)(memory + 2 * p.M * groups)};
    parallelFor(p.M, 32768 / (p.K + 1) + 1, [&](i64 begin, i64 end) {
      float* row = scratch<float, QuantRow>((size_t)p.K);
      for (i64 m = begin; m < end; m++) {
        loadRun(row, x, p.dtype, (done + m) * p.K, 1, p.K);
        quantiseRow(row, p.K, type.per, type.offset, m, a);
      }
    });
    (p.M <= Few ? few : many)(type, p, a);
    p.out += p.M * p.N * itemSize(p.dtype);
  }
}

template <class Q> void decodeRow(const uint8_t* w, i64 K, float* out) {
  UnitOf<Q> unit;
  for (i64 i = 0; i * Unit < K; i++) {
    const uint8_t* u = unit.at(w, i, K);
    float s[Scales<Q>], m[Scales<Q>];
    Q::scales(u, s, m);
    for (int g = 0; g < 8 && i * Unit + 32 * g < K; g++) {
      alignas(32) uint8_t q[32];
      *(B32*)q = Q::quants(u, g);
      for (int h = 0; h < 32 / Q::per || h == 0; h++) {
        const int at = Q::per == 32 ? g : 2 * g + h, n = Q::per == 32 ? 32 : 16;
        float scale = s[at], min = Q::affine ? m[at] : 0;
        float* to = out + i * Unit + 32 * g + 16 * h;
        // Products are exact, so each value is rounded once.
        for (int j = 0; j < n; j++) {
          float v = scale * (float)(q[16 * h + j] - Q::offset);
          to[j] = Q::affine ? v - min : v;
        }
      }
    }
  }
}

template <class Q> constexpr Type typeOf() {
  return {Q::size, Q::bytes, Q::per, Q::offset, Scales<Q>, dotRow<Q, 1>, dotRow<Q, 2>, unpack<Q>, quantTiles<Scales<Q>, Q::affine, Q::small || DotsAnyByte>, decodeRow<Q>};
}
// Null for types that only TypeScript decodes.
const Type* typeOf(int id) {
  switch (id) {
#define FB_TYPE(Q) \
  case Q::id: { \
    static constexpr Type type = typeOf<Q>(); \
    return &type; \
  }
    FB_TYPE(Q4_0) FB_TYPE(Q4_1) FB_TYPE(Q5_0) FB_TYPE(Q5_1) FB_TYPE(Q8_0) FB_TYPE(Q2_K) FB_TYPE(Q3_K) FB_TYPE(Q4_K) FB_TYPE(Q5_K) FB_TYPE(Q6_K)
    FB_TYPE(IQ4_NL) FB_TYPE(IQ4_XS) FB_TYPE(MXFP4)
#undef FB_TYPE
  }
  return nullptr;
}

// args: type, element type of x, bias and out, M, N, K, x, weight, bias (or 0), out; rows are dense.
int quantizedLinear(double* ring) {
  Args r(ring);
  const Type* type = typeOf((int)r.i());
  if (!type) return Unsupported;
  Product p{};
  p.dtype = (int)r.i(), p.M = r.i(), p.N = r.i(), p.K = r.i();
  const char* x = r.p<char>();
  p.w = r.p<uint8_t>(), p.bias = r.p<char>(), p.out = r.p<char>();
  p.rowBytes = p.K / type->size * type->bytes;
  if (p.M && p.N) multiply(*type, p, x);
  return OK;
}
Register reg(OpQuantizedLinear, quantizedLinear);

// args: type, element type of out, rows, K, rows of the weight, weight, indices (int64, or 0 for rows in order), out.
int dequantize(double* ring) {
  Args r(ring);
  const Type* type = typeOf((int)r.i());
  if (!type) return Unsupported;
  const int dtype = (int)r.i();
  const i64 rows = r.i(), K = r.i(), size = r.i(), rowBytes = K / type->size * type->bytes;
  const uint8_t* w = r.p<uint8_t>();
  const i64* index = r.p<i64>();
  char* out = r.p<char>();
  if (index)
    for (i64 i = 0; i < rows; i++)
      if (index[i] < 0 || index[i] >= size) {
        ring[1] = (double)index[i], ring[2] = (double)size;
        return IndexOutOfRange;
      }
  if (K > 0) parallelFor(rows, 16384 / K + 1, [&](i64 begin, i64 end) {
    float* row = dtype == F32 ? nullptr : scratch<float, QuantRow>((size_t)K);
    for (i64 i = begin; i < end; i++) {
      float* to = row ? row : (float*)out + i * K;
      type->decode(w + (index ? index[i] : i) * rowBytes, K, to);
      if (row) storeRun(row, out, dtype, i * K, 1, K);
    }
  });
  return OK;
}
Register reg2(OpDequantize, dequantize);

}  // namespace
}  // namespace fb
