// Random numbers from the state of a generator: the draws, their order and their bits are those of PyTorch's CPU generator.
// src/core/rng.ts has the same in JavaScript, for backends without this kernel. One stream of draws: nothing is parallel.
#include "operand.h"

namespace fb {
namespace {

constexpr int N = 624, M = 397, Block = 512;
enum Kind { Uniform, Normal, Exponential, Bernoulli, Integers, Permutation };

#if defined(__FMA__) || defined(__aarch64__)
inline float mulAdd(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double mulAdd(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
inline float mulAdd(float a, float b, float c) { return (float)((double)a * b + c); }
inline double mulAdd(double a, double b, double c) { return a * b + c; }
#endif

typedef uint32_t VUu __attribute__((vector_size(FB_VEC_BYTES), aligned(4)));

// Matsumoto and Nishimura's mt19937 on 624 words that JavaScript lends.
struct Twister {
  uint32_t* s;
  int next;
  double spare;  // the second value of a pair of normal ones, NaN where there is none

  void refill() {
    auto twist = [](auto u, auto v) {
      auto y = (u & 0x80000000u) | (v & 0x7fffffffu);
      return (y >> 1) ^ (-(v & 1u) & 0x9908b0dfu);
    };
    // Words ahead are old, words behind are new, and both lie more than a vector away.
    auto run = [&](int i, int end, int shift) {
      auto load = [&](int k) { return (VU) * (const VUu*)(s + k); };
      for (; i + W <= end; i += W) *(VUu*)(s + i) = (VUu)(load(i + shift) ^ twist(load(i), load(i + 1)));
      for (; i < end; i++) s[i] = s[i + shift] ^ twist(s[i], s[i + 1]);
    };
    run(0, N - M, M);
    run(N - M, N - 1, M - N);
    s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
    next = 0;
  }
  // The next n words of 32 random bits.
  void words(uint32_t* __restrict out, i64 n) {
    while (n > 0) {
      if (next == N) refill();
      int k = N - next < n ? N - next : (int)n;
      const uint32_t* from = s + next;
      for (int i = 0; i < k; i++) {
        uint32_t y = from[i];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680u;
        y ^= (y << 15) & 0xefc60000u;
        out[i] = y ^ (y >> 18);
      }
      next += k, out += k, n -= k;
    }
  }
  // n <= Block numbers of 64 bits: the first word is the high half.
  void longs(uint64_t* out, i64 n) {
    words((uint32_t*)out, 2 * n);
    for (i64 i = 0; i < n; i++) out[i] = out[i] << 32 | out[i] >> 32;
  }
  // n <= Block numbers in [0, 1): 24 bits for float, 53 for double.
  void unit(float* out, i64 n) {
    uint32_t w[Block];
    words(w, n);
    for (i64 i = 0; i < n; i++) out[i] = (float)(int32_t)(w[i] & 0xffffff) * 0x1p-24f;
  }
  void unit(double* out, i64 n) {
    uint64_t w[Block];
    longs(w, n);
    for (i64 i = 0; i < n; i++) out[i] = (double)(i64)(w[i] & 0x1fffffffffffff) * 0x1p-53;
  }
  double normal() {
    double out = spare;
    spare = NAN;
    if (out == out) return out;
    double u[2];
    unit(u, 2);
    double r = std::sqrt(-2 * std::log1p(-u[1])), theta = 2 * M_PI * u[0];
    spare = r * std::sin(theta);
    return r * std::cos(theta);
  }
};

// make(values, k) gives the next k <= Block values, which are stored as elements of dtype.
template <class T, class F> void emit(char* p, int dtype, i64 n, F make) {
  T values[Block];
  for (i64 i = 0; i < n; i += Block) {
    i64 k = n - i < Block ? n - i : Block;
    make(values, k);
    storeRun(values, p, dtype, i, 1, k);
  }
}

// In [from, to): what rounds to `to`, in the type that it is stored in, becomes `from`.
template <class T> void uniform(Twister& g, char* p, int dtype, i64 n, T from, T to) {
  auto draw = [&](auto round) {
    const T span = to - from, end = round(to);
    emit<T>(p, dtype, n, [&](T* v, i64 k) {
      g.unit(v, k);
      for (i64 i = 0; i < k; i++) {
        T x = mulAdd(v[i], span, from);
        v[i] = round(x) == end ? from : x;
      }
    });
  };
  if (dtype == F16) draw([](T x) { return (T)f16ToF32(toF16((float)x)); });
  else if (dtype == BF16) draw([](T x) { return (T)bf16ToF32(f32ToBf16((float)x)); });
  else draw([](T x) { return x; });
}

// Eight lanes, whatever the processor's width: 16 uniforms make 16 normal values, pair by pair (i, i + 8). Box and Muller 1958.
typedef float V8 __attribute__((vector_size(32)));
typedef float V8u __attribute__((vector_size(32), aligned(4)));
typedef int32_t I8x __attribute__((vector_size(32)));
inline V8 all8(float x) { return x - (V8){}; }
inline V8 select8(I8x mask, V8 a, V8 b) { return (V8)((mask & (I8x)a) | (~mask & (I8x)b)); }

// Moshier's logf and sinf/cosf (Cephes), step by step as PyTorch evaluates them here: other polynomials, ours in vec.h among
// them, are as accurate but differ from its values in one of six last bits. x is in (0, 1], an angle in [0, 2π).
inline V8 cephesLog(V8 x) {
  I8x bits = (I8x)x;
  V8 m = (V8)((bits & 0x007fffff) | 0x3f000000);
  I8x low = m < 0.707106781186547524f;
  V8 e = __builtin_convertvector((bits >> 23) - 126 + low, V8);
  m = m - 1.0f + select8(low, m, all8(0));
  V8 z = m * m;
  V8 y = all8(7.0376836292e-2f);
  y = y * m + -1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m + -1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m + -1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m + -2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z;
  y = y + e * -2.12194440e-4f;
  y = y - z * 0.5f;
  return m + y + e * 0.693359375f;
}
inline void cephesSinCos(V8 x, V8& sine, V8& cosine) {
  I8x octant = (__builtin_convertvector(x * 1.27323954473516f, I8x) + 1) & ~1;
  V8 k = __builtin_convertvector(octant, V8);
  x = x + k * -0.78515625f;
  x = x + k * -2.4187564849853515625e-4f;
  x = x + k * -3.77489497744594108e-8f;
  V8 z = x * x;
  V8 c = all8(2.443315711809948e-5f);
  c = c * z + -1.388731625493765e-3f;
  c = c * z + 4.166664568298827e-2f;
  c = c * z * z;
  c = c - z * 0.5f;
  c = c + 1.0f;
  V8 s = all8(-1.9515295891e-4f);
  s = s * z + 8.3321608736e-3f;
  s = s * z + -1.6666654611e-1f;
  s = s * z * x + x;
  I8x swap = (octant & 2) != 0;
  V8 a = select8(swap, c, s), b = select8(swap, s, c);
  sine = select8((octant & 4) != 0, -a, a);
  cosine = select8(((octant - 2) & 4) == 0, -b, b);
}
inline void boxMuller(float* v, float mean, float std) {
  V8 square = -2.0f * cephesLog(1.0f - (V8) * (V8u*)v), sine, cosine;
  cephesSinCos((float)(2 * M_PI) * (V8) * (V8u*)(v + 8), sine, cosine);
  for (int j = 0; j < 8; j++) {
    float r = std::sqrt(square[j]);
    v[j] = mulAdd(r * cosine[j], std, mean);
    v[j + 8] = mulAdd(r * sine[j], std, mean);
  }
}
inline void boxMuller(double* v, double mean, double std) {
  for (int j = 0; j < 8; j++) {
    double r = std::sqrt(-2 * std::log(1 - v[j])), theta = 2 * M_PI * v[j + 8];
    v[j] = mulAdd(r * std::cos(theta), std, mean);
    v[j + 8] = mulAdd(r * std::sin(theta), std, mean);
  }
}

// Fewer than 16 values one by one in double, more in blocks of 16. The last block is made anew where the number is no multiple
// of 16; its draws before that are lost, except in 16-bit types, which do not make them.
template <class T> void normal(Twister& g, char* p, int dtype, i64 n, double mean, double std) {
  if (n < 16) {
    emit<double>(p, dtype, n, [&](double* v, i64 k) {
      for (i64 i = 0; i < k; i++) v[i] = mulAdd(g.normal(), std, mean);
    });
    return;
  }
  auto blocks = [&](T* v, i64 k) {
    g.unit(v, k);
    for (i64 i = 0; i < k; i += 16) boxMuller(v + i, (T)mean, (T)std);
  };
  i64 rest = n % 16;
  emit<T>(p, dtype, n - rest, blocks);
  if (rest == 0) return;
  T lost[16];
  if (dtype >= F32) g.unit(lost, rest);
  emit<T>(p + (n - 16) * itemSize(dtype), dtype, 16, blocks);
}

void integers(Twister& g, char* p, int dtype, i64 n, i64 low, uint64_t range) {
  emit<i64>(p, dtype, n, [&](i64* v, i64 k) {
    if (range >= 1 << 28) {
      g.longs((uint64_t*)v, k);
      for (i64 i = 0; i < k; i++) v[i] = (i64)((uint64_t)v[i] % range) + low;
      return;
    }
    uint32_t w[Block];
    g.words(w, k);
    for (i64 i = 0; i < k; i++) v[i] = w[i] % (uint32_t)range + low;
  });
}

// Fisher and Yates from the front.
void permutation(Twister& g, i64* out, i64 n) {
  for (i64 i = 0; i < n; i++) out[i] = i;
  uint32_t w[Block];
  for (i64 i = 0; i < n - 1; i++) {
    if (i % Block == 0) g.words(w, n - 1 - i < Block ? n - 1 - i : Block);
    std::swap(out[i], out[i + w[i % Block] % (uint32_t)(n - i)]);
  }
}

// args: kind, dtype, n, out (dense), two numbers of the kind; the state, which moves on: next word, spare normal value, words
int random(double* ring) {
  Args a(ring);
  int kind = (int)a.i(), dtype = (int)a.i();
  i64 n = a.i();
  char* p = a.p<char>();
  double x = a.d(), y = a.d();
  Twister g{(uint32_t*)(ring + 8), (int)ring[6], ring[7]};
  if (dtype >= C64) dtype = dtype == C64 ? F32 : F64, n *= 2;
  bool wide = dtype == F64;
  switch (kind) {
    case Uniform:
      if (wide) uniform<double>(g, p, dtype, n, x, y);
      else uniform<float>(g, p, dtype, n, (float)x, (float)y);
      break;
    case Normal:
      if (wide) normal<double>(g, p, dtype, n, x, y);
      else normal<float>(g, p, dtype, n, x, y);
      break;
    case Exponential:
      emit<double>(p, dtype, n, [&](double* v, i64 k) {
        g.unit(v, k);
        for (i64 i = 0; i < k; i++) v[i] = -1 / x * std::log1p(-v[i]);
      });
      break;
    case Bernoulli: {
      // uniform < x, where the uniform is an integer over 2^53.
      const i64 bound = (i64)std::ceil(x * 0x1p53);
      emit<float>(p, dtype, n, [&](float* v, i64 k) {
        uint64_t w[Block];
        g.longs(w, k);
        for (i64 i = 0; i < k; i++) v[i] = (i64)(w[i] & 0x1fffffffffffff) < bound ? 1.0f : 0.0f;
      });
      break;
    }
    case Integers: integers(g, p, dtype, n, (i64)x, (uint64_t)(i64)y - (uint64_t)(i64)x); break;
    default:
      if (dtype != I64) return Unsupported;
      permutation(g, (i64*)p, n);
  }
  ring[6] = g.next;
  ring[7] = g.spare;
  return OK;
}
Register r(OpRandom, random);

}  // namespace
}  // namespace fb
