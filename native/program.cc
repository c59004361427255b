#include "program.h"

#include <cstdlib>
#include <vector>

#include "pool.h"
#include "power.h"
#include "special.h"

namespace fb {
namespace {

constexpr int MaxPrograms = 1 << 16;
Program* programs[MaxPrograms];
int programCount = 0;

template <class T, class F> inline void map1(T* d, const T* a, i64 n, F f) {
#pragma GCC ivdep
  for (i64 i = 0; i < n; i++) d[i] = f(a[i]);
}
template <class T, class F> inline void map2(T* d, const T* a, const T* b, i64 n, F f) {
#pragma GCC ivdep
  for (i64 i = 0; i < n; i++) d[i] = f(a[i], b[i]);
}
// Vector functions on floats; the tail goes through a padded buffer.
template <class F> inline void mapV(float* d, const float* a, i64 n, F f) {
  i64 i = 0;
  for (; i + W <= n; i += W) storeu(d + i, f(loadu(a + i)));
  if (i < n) {
    float tmp[W] = {};
    memcpy(tmp, a + i, (n - i) * 4);
    storeu(tmp, f(loadu(tmp)));
    memcpy(d + i, tmp, (n - i) * 4);
  }
}

template <class T> inline bool nan(T x) { return x != x; }
template <> inline bool nan(i64) { return false; }

// ---- real floating lanes
template <class T> int runFloat(const Instr& q, T* d, const T* a, const T* b, const T* c, i64 n) {
  constexpr bool f32 = sizeof(T) == 4;
  switch (q.op) {
    case Neg: map1(d, a, n, [](T x) { return -x; }); break;
    case Abs: map1(d, a, n, [](T x) { return std::fabs(x); }); break;
    case Sign: map1(d, a, n, [](T x) { return T(x > 0) - T(x < 0); }); break;
    case Exp:
      if constexpr (f32) mapV(d, a, n, vexp);
      else map1(d, a, n, [](T x) { return std::exp(x); });
      break;
    case Exp2: map1(d, a, n, [](T x) { return std::exp2(x); }); break;
    case Expm1: map1(d, a, n, [](T x) { return std::expm1(x); }); break;
    case Log:
      if constexpr (f32) mapV(d, a, n, vlog);
      else map1(d, a, n, [](T x) { return std::log(x); });
      break;
    case Log2: map1(d, a, n, [](T x) { return std::log2(x); }); break;
    case Log10: map1(d, a, n, [](T x) { return std::log10(x); }); break;
    case Log1p: map1(d, a, n, [](T x) { return std::log1p(x); }); break;
    case Sqrt: map1(d, a, n, [](T x) { return std::sqrt(x); }); break;
    case Rsqrt: map1(d, a, n, [](T x) { return T(1) / std::sqrt(x); }); break;
    case Sin:
      if constexpr (f32) mapV(d, a, n, vsin);
      else map1(d, a, n, [](T x) { return std::sin(x); });
      break;
    case Cos:
      if constexpr (f32) mapV(d, a, n, vcos);
      else map1(d, a, n, [](T x) { return std::cos(x); });
      break;
    case Tan: map1(d, a, n, [](T x) { return std::tan(x); }); break;
    case Asin: map1(d, a, n, [](T x) { return std::asin(x); }); break;
    case Acos: map1(d, a, n, [](T x) { return std::acos(x); }); break;
    case Atan: map1(d, a, n, [](T x) { return std::atan(x); }); break;
    case Sinh: map1(d, a, n, [](T x) { return std::sinh(x); }); break;
    case Cosh: map1(d, a, n, [](T x) { return std::cosh(x); }); break;
    case Tanh:
      if constexpr (f32) mapV(d, a, n, vtanh);
      else map1(d, a, n, [](T x) { return std::tanh(x); });
      break;
    case Asinh: map1(d, a, n, [](T x) { return std::asinh(x); }); break;
    case Acosh: map1(d, a, n, [](T x) { return std::acosh(x); }); break;
    case Atanh: map1(d, a, n, [](T x) { return std::atanh(x); }); break;
    case Floor: map1(d, a, n, [](T x) { return std::floor(x); }); break;
    case Ceil: map1(d, a, n, [](T x) { return std::ceil(x); }); break;
    case Round: map1(d, a, n, [](T x) { return std::nearbyint(x); }); break;
    case Trunc: map1(d, a, n, [](T x) { return std::trunc(x); }); break;
    case Erf:
      if constexpr (f32) mapV(d, a, n, verf);
      else map1(d, a, n, [](T x) { return std::erf(x); });
      break;
    case Erfc: map1(d, a, n, [](T x) { return std::erfc(x); }); break;
    case Erfinv: map1(d, a, n, [](T x) { return (T)erfinv((double)x); }); break;
    case Lgamma: map1(d, a, n, [](T x) { return (T)lgammaPure((double)x); }); break;
    case Digamma: map1(d, a, n, [](T x) { return (T)digamma((double)x); }); break;
    case Sigmoid:
      if constexpr (f32) mapV(d, a, n, vsigmoid);
      else map1(d, a, n, [](T x) { return 1 / (1 + std::exp(-x)); });
      break;
    case Reciprocal: map1(d, a, n, [](T x) { return 1 / x; }); break;
    case IsNan: map1(d, a, n, [](T x) { return T(x != x); }); break;
    case IsInf: map1(d, a, n, [](T x) { return T(std::fabs(x) == std::numeric_limits<T>::infinity()); }); break;
    case LogicalNot: map1(d, a, n, [](T x) { return T(x == 0); }); break;
    case Conj: case Real: map1(d, a, n, [](T x) { return x; }); break;
    case Imag: map1(d, a, n, [](T) { return T(0); }); break;
    case Angle: map1(d, a, n, [](T x) { return nan(x) ? x : x < 0 ? T(3.14159265358979323846) : T(0); }); break;
    case Add: map2(d, a, b, n, [](T x, T y) { return x + y; }); break;
    case Sub: map2(d, a, b, n, [](T x, T y) { return x - y; }); break;
    case Mul: map2(d, a, b, n, [](T x, T y) { return x * y; }); break;
    case Div: map2(d, a, b, n, [](T x, T y) { return x / y; }); break;
    case Pow:
      if constexpr (f32) powers(d, a, b, n);
      else map2(d, a, b, n, [](T x, T y) { return std::pow(x, y); });
      break;
    case Maximum: map2(d, a, b, n, [](T x, T y) { return x != x ? x : y != y ? y : x > y ? x : y; }); break;
    case Minimum: map2(d, a, b, n, [](T x, T y) { return x != x ? x : y != y ? y : x < y ? x : y; }); break;
    case Fmod: map2(d, a, b, n, [](T x, T y) { return std::fmod(x, y); }); break;
    case Remainder: map2(d, a, b, n, [](T x, T y) { T r = std::fmod(x, y); return r != 0 && (r < 0) != (y < 0) ? r + y : r; }); break;
    case FloorDivide: map2(d, a, b, n, [](T x, T y) {
      // As Python: exact multiples do not suffer from the rounding of x / y.
      if (y == 0) return x / y;
      T r = std::fmod(x, y), v = (x - r) / y;
      if (r != 0 && (y < 0) != (r < 0)) v -= 1;
      if (v == 0) return std::copysign(T(0), x / y);
      T f = std::floor(v);
      return v - f > T(0.5) ? f + 1 : f;
    }); break;
    case Atan2: map2(d, a, b, n, [](T x, T y) { return std::atan2(x, y); }); break;
    case Copysign: map2(d, a, b, n, [](T x, T y) { return std::copysign(x, y); }); break;
    case Nextafter: map2(d, a, b, n, [](T x, T y) { return std::nextafter(x, y); }); break;
    case Eq: map2(d, a, b, n, [](T x, T y) { return T(x == y); }); break;
    case Ne: map2(d, a, b, n, [](T x, T y) { return T(x != y); }); break;
    case Lt: map2(d, a, b, n, [](T x, T y) { return T(x < y); }); break;
    case Le: map2(d, a, b, n, [](T x, T y) { return T(x <= y); }); break;
    case Gt: map2(d, a, b, n, [](T x, T y) { return T(x > y); }); break;
    case Ge: map2(d, a, b, n, [](T x, T y) { return T(x >= y); }); break;
    case LogicalAnd: map2(d, a, b, n, [](T x, T y) { return T((x != 0) & (y != 0)); }); break;
    case LogicalOr: map2(d, a, b, n, [](T x, T y) { return T((x != 0) | (y != 0)); }); break;
    case LogicalXor: map2(d, a, b, n, [](T x, T y) { return T((x != 0) != (y != 0)); }); break;
    case Where:
#pragma GCC ivdep
      for (i64 i = 0; i < n; i++) d[i] = a[i] != 0 ? b[i] : c[i];
      break;
    default: return Unsupported;
  }
  return OK;
}

inline i64 powInt(i64 x, i64 y) {
  if (y < 0) return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
  uint64_t r = 1, b = (uint64_t)x;
  for (; y; y >>= 1, b *= b)
    if (y & 1) r *= b;
  return (i64)r;
}
inline i64 wrapNeg(i64 x) { return (i64)(0 - (uint64_t)x); }

// ---- integers and bool
int runInt(const Instr& q, i64* d, const i64* a, const i64* b, const i64* c, i64 n) {
  typedef i64 T;
  switch (q.op) {
    case Neg: map1(d, a, n, wrapNeg); break;
    case Abs: map1(d, a, n, [](T x) { return x < 0 ? wrapNeg(x) : x; }); break;
    case Sign: map1(d, a, n, [](T x) { return T(x > 0) - T(x < 0); }); break;
    case Floor: case Ceil: case Round: case Trunc: case Conj: case Real: map1(d, a, n, [](T x) { return x; }); break;
    case IsNan: case IsInf: case Imag: map1(d, a, n, [](T) { return T(0); }); break;
    case LogicalNot: map1(d, a, n, [](T x) { return T(x == 0); }); break;
    case BitwiseNot: map1(d, a, n, [](T x) { return ~x; }); break;
    case Sqrt: map1(d, a, n, [](T x) { return (T)std::sqrt((double)x); }); break;
    case Add: map2(d, a, b, n, [](T x, T y) { return (T)((uint64_t)x + (uint64_t)y); }); break;
    case Sub: map2(d, a, b, n, [](T x, T y) { return (T)((uint64_t)x - (uint64_t)y); }); break;
    case Mul: map2(d, a, b, n, [](T x, T y) { return (T)((uint64_t)x * (uint64_t)y); }); break;
    case Div: case FloorDivide: case Fmod: case Remainder:
      for (i64 i = 0; i < n; i++) {
        T x = a[i], y = b[i];
        if (y == 0) return DivisionByZero;
        T quot = y == -1 ? wrapNeg(x) : x / y, rem = y == -1 ? 0 : x % y;
        bool down = rem != 0 && (rem < 0) != (y < 0);
        d[i] = q.op == Div ? quot : q.op == Fmod ? rem : q.op == FloorDivide ? quot - down : down ? rem + y : rem;
      }
      break;
    case Pow: map2(d, a, b, n, powInt); break;
    case Maximum: map2(d, a, b, n, [](T x, T y) { return x > y ? x : y; }); break;
    case Minimum: map2(d, a, b, n, [](T x, T y) { return x < y ? x : y; }); break;
    case Eq: map2(d, a, b, n, [](T x, T y) { return T(x == y); }); break;
    case Ne: map2(d, a, b, n, [](T x, T y) { return T(x != y); }); break;
    case Lt: map2(d, a, b, n, [](T x, T y) { return T(x < y); }); break;
    case Le: map2(d, a, b, n, [](T x, T y) { return T(x <= y); }); break;
    case Gt: map2(d, a, b, n, [](T x, T y) { return T(x > y); }); break;
    case Ge: map2(d, a, b, n, [](T x, T y) { return T(x >= y); }); break;
    case LogicalAnd: map2(d, a, b, n, [](T x, T y) { return T((x != 0) & (y != 0)); }); break;
    case LogicalOr: map2(d, a, b, n, [](T x, T y) { return T((x != 0) | (y != 0)); }); break;
    case LogicalXor: map2(d, a, b, n, [](T x, T y) { return T((x != 0) != (y != 0)); }); break;
    case BitwiseAnd: map2(d, a, b, n, [](T x, T y) { return x & y; }); break;
    case BitwiseOr: map2(d, a, b, n, [](T x, T y) { return x | y; }); break;
    case BitwiseXor: map2(d, a, b, n, [](T x, T y) { return x ^ y; }); break;
    case ShiftLeft: map2(d, a, b, n, [](T x, T y) { return (uint64_t)y < 64 ? (T)((uint64_t)x << y) : T(0); }); break;
    case ShiftRight: map2(d, a, b, n, [](T x, T y) { return (uint64_t)y < 64 ? x >> y : x >> 63; }); break;
    case Where:
#pragma GCC ivdep
      for (i64 i = 0; i < n; i++) d[i] = a[i] != 0 ? b[i] : c[i];
      break;
    default: return Unsupported;
  }
  return OK;
}

// ---- complex
typedef std::complex<double> C;
int runComplex(const Instr& q, C* d, const C* a, const C* b, const C* c, i64 n) {
  switch (q.op) {
    case Neg: map1(d, a, n, [](C x) { return -x; }); break;
    case Abs: map1(d, a, n, [](C x) { return C(std::abs(x)); }); break;
    case Sign: map1(d, a, n, [](C x) { double m = std::abs(x); return m == 0 ? C(0) : x / m; }); break;
    case Exp: map1(d, a, n, [](C x) { return std::exp(x); }); break;
    case Exp2: map1(d, a, n, [](C x) { return std::exp(x * 0.69314718055994530942); }); break;
    case Expm1: map1(d, a, n, [](C x) { double s = std::sin(x.imag() / 2); return C(std::expm1(x.real()) * std::cos(x.imag()) - 2 * s * s, std::exp(x.real()) * std::sin(x.imag())); }); break;
    case Log: map1(d, a, n, [](C x) { return std::log(x); }); break;
    case Log2: map1(d, a, n, [](C x) { return std::log(x) / 0.69314718055994530942; }); break;
    case Log10: map1(d, a, n, [](C x) { return std::log10(x); }); break;
    case Log1p: map1(d, a, n, [](C x) { return std::log(1.0 + x); }); break;
    case Sqrt: map1(d, a, n, [](C x) { return std::sqrt(x); }); break;
    case Rsqrt: map1(d, a, n, [](C x) { return 1.0 / std::sqrt(x); }); break;
    case Sin: map1(d, a, n, [](C x) { return std::sin(x); }); break;
    case Cos: map1(d, a, n, [](C x) { return std::cos(x); }); break;
    case Tan: map1(d, a, n, [](C x) { return std::tan(x); }); break;
    case Asin: map1(d, a, n, [](C x) { return std::asin(x); }); break;
    case Acos: map1(d, a, n, [](C x) { return std::acos(x); }); break;
    case Atan: map1(d, a, n, [](C x) { return std::atan(x); }); break;
    case Sinh: map1(d, a, n, [](C x) { return std::sinh(x); }); break;
    case Cosh: map1(d, a, n, [](C x) { return std::cosh(x); }); break;
    case Tanh: map1(d, a, n, [](C x) { return std::tanh(x); }); break;
    case Asinh: map1(d, a, n, [](C x) { return std::asinh(x); }); break;
    case Acosh: map1(d, a, n, [](C x) { return std::acosh(x); }); break;
    case Atanh: map1(d, a, n, [](C x) { return std::atanh(x); }); break;
    case Sigmoid: map1(d, a, n, [](C x) { return 1.0 / (1.0 + std::exp(-x)); }); break;
    case Reciprocal: map1(d, a, n, [](C x) { return 1.0 / x; }); break;
    case IsNan: map1(d, a, n, [](C x) { return C(nan(x.real()) || nan(x.imag())); }); break;
    case IsInf: map1(d, a, n, [](C x) { return C(std::isinf(x.real()) || std::isinf(x.imag())); }); break;
    case LogicalNot: map1(d, a, n, [](C x) { return C(x == 0.0); }); break;
    case Conj: map1(d, a, n, [](C x) { return std::conj(x); }); break;
    case Real: map1(d, a, n, [](C x) { return C(x.real()); }); break;
    case Imag: map1(d, a, n, [](C x) { return C(x.imag()); }); break;
    case Angle: map1(d, a, n, [](C x) { return C(std::arg(x)); }); break;
    case Add: map2(d, a, b, n, [](C x, C y) { return x + y; }); break;
    case Sub: map2(d, a, b, n, [](C x, C y) { return x - y; }); break;
    case Mul: map2(d, a, b, n, [](C x, C y) { return x * y; }); break;
    case Div: map2(d, a, b, n, [](C x, C y) { return x / y; }); break;
    case Pow: map2(d, a, b, n, [](C x, C y) { return y == 0.0 ? C(1) : x == 0.0 ? C(0) : std::pow(x, y); }); break;
    case Eq: map2(d, a, b, n, [](C x, C y) { return C(x == y); }); break;
    case Ne: map2(d, a, b, n, [](C x, C y) { return C(x != y); }); break;
    case LogicalAnd: map2(d, a, b, n, [](C x, C y) { return C(x != 0.0 && y != 0.0); }); break;
    case LogicalOr: map2(d, a, b, n, [](C x, C y) { return C(x != 0.0 || y != 0.0); }); break;
    case LogicalXor: map2(d, a, b, n, [](C x, C y) { return C((x != 0.0) != (y != 0.0)); }); break;
    case Where:
      for (i64 i = 0; i < n; i++) d[i] = a[i] != 0.0 ? b[i] : c[i];
      break;
    default: return Unsupported;
  }
  return OK;
}

inline int step(const Instr& q, float* d, const float* a, const float* b, const float* c, i64 n) { return runFloat(q, d, a, b, c, n); }
inline int step(const Instr& q, double* d, const double* a, const double* b, const double* c, i64 n) { return runFloat(q, d, a, b, c, n); }
inline int step(const Instr& q, i64* d, const i64* a, const i64* b, const i64* c, i64 n) { return runInt(q, d, a, b, c, n); }
inline int step(const Instr& q, C* d, const C* a, const C* b, const C* c, i64 n) { return runComplex(q, d, a, b, c, n); }

// args: lane, inputs, params, consts, temps, outs, count, constants…, code (5 each)…, out registers… -> id
int define(double* ring) {
  Args a(ring);
  if (programCount == MaxPrograms) return OutOfMemory;
  if (ring[1] > MaxInputs || ring[2] > MaxParams || ring[5] > MaxOuts) return Unsupported;
  Program* p = new Program;
  p->lane = (int)a.i(), p->inputs = (int)a.i(), p->params = (int)a.i(), p->consts = (int)a.i();
  p->temps = (int)a.i(), p->outs = (int)a.i(), p->count = (int)a.i();
  p->constants = new double[p->consts + 1];
  for (int i = 0; i < p->consts; i++) p->constants[i] = a.d();
  p->code = new Instr[p->count + 1];
  for (int i = 0; i < p->count; i++) p->code[i] = {(int)a.i(), (int)a.i(), (int)a.i(), (int)a.i(), (int)a.i()};
  p->out = new int[p->outs];
  for (int i = 0; i < p->outs; i++) p->out[i] = (int)a.i();
  p->single = p->count == 1 && p->outs == 1 && p->params + p->consts == 0 && p->inputs > 0 && p->inputs < 4 && p->out[0] == p->code[0].dst;
  programs[programCount] = p;
  ring[0] = programCount++;
  return OK;
}
Register r1(OpProgram, define);

template <class T> int pointwise(const Program& p, const Shape& s, const Operand* outs, const Operand* ins, const double* params) {
  int status = OK;
  auto range = [&](i64 begin, i64 end) {
    i64 width = end - begin < Block ? end - begin : Block;
    Frame<T> f(p, params, width);
    T** home = f.home;
    for (i64 i = begin; i < end; i += Block) {
      i64 n = end - i < Block ? end - i : Block;
      for (int k = 0; k < p.inputs; k++) {
        // With several results, an operand that one of them overwrites is copied: the others may still read it.
        bool bound = ins[k].dense && ins[k].dtype == laneDType<T>();
        for (int o = 0; bound && p.outs > 1 && o < p.outs; o++) bound = outs[o].p != ins[k].p;
        if (bound) f.r[k] = (T*)ins[k].p + i;
        else {
          f.r[k] = home[k];
          loadBlock(home[k], ins[k], s, i, n);
        }
      }
      // A result of the lane's own type is computed where it belongs.
      for (int k = 0; k < p.outs; k++) {
        int reg = p.out[k];
        if (reg >= p.inputs + p.params + p.consts && outs[k].dense && outs[k].dtype == laneDType<T>()) f.r[reg] = (T*)outs[k].p + i;
      }
      int st = execute(p, f.r, n);
      if (st) status = st;
      for (int k = 0; k < p.outs; k++) {
        T* at = f.r[p.out[k]];
        if (!(outs[k].dense && outs[k].dtype == laneDType<T>() && at == (T*)outs[k].p + i)) storeBlock(at, outs[k], s, i, n);
      }
      for (int k = p.inputs; k < p.registers(); k++) f.r[k] = home[k];
    }
  };
  if (s.numel <= Block) range(0, s.numel);
  else parallelFor(s.numel, p.count > 3 ? 8192 : 32768, range);
  return status;
}

// One instruction on dense operands of the lane's own type, too few for threads: no registers, no blocks. -1: not so.
template <class T> inline int direct(const Program& p, const double* a) {
  T* at[4];
  i64 n = (i64)a[1];
  for (int k = 0; k <= p.inputs; k++) {
    if (a[3 + 3 * k] != laneDType<T>() || a[4 + 3 * k] != 1) return -1;
    at[k] = ptr<T>(a[2 + 3 * k]);
  }
  const Instr& q = p.code[0];
  return step(q, at[0], at[1 + q.a], at[1 + q.b], at[1 + q.c], n);
}

// args: program, params…, shape, outs…, ins…
int run(double* ring) {
  Args a(ring);
  Program& p = *programs[a.i()];
  if (p.single && ring[1] == 1 && ring[2] <= 32768) {
    int st = p.lane == LaneF32 ? direct<float>(p, ring + 1) : p.lane == LaneF64 ? direct<double>(p, ring + 1) : p.lane == LaneI64 ? direct<i64>(p, ring + 1) : -1;
    if (st >= 0) return st;
  }
  double params[MaxParams];
  for (int i = 0; i < p.params; i++) params[i] = a.d();
  Shape s = readShape(a);
  Operand outs[MaxOuts], ins[MaxInputs];
  for (int i = 0; i < p.outs; i++) outs[i] = readOperand(a, s);
  for (int i = 0; i < p.inputs; i++) ins[i] = readOperand(a, s);
  switch (p.lane) {
    case LaneF32: return pointwise<float>(p, s, outs, ins, params);
    case LaneF64: return pointwise<double>(p, s, outs, ins, params);
    case LaneI64: return pointwise<i64>(p, s, outs, ins, params);
    default: return pointwise<C>(p, s, outs, ins, params);
  }
}
Register r2(OpPointwise, run);

}  // namespace

Program* program(int id) { return programs[id]; }

template <class T> int execute(const Program& p, T** r, i64 n) {
  for (int k = 0; k < p.count; k++) {
    const Instr& q = p.code[k];
    int st = step(q, r[q.dst], r[q.a], r[q.b], r[q.c], n);
    if (st) return st;
  }
  return OK;
}
template int execute(const Program&, float**, i64);
template int execute(const Program&, double**, i64);
template int execute(const Program&, i64**, i64);
template int execute(const Program&, C**, i64);

template <class T> inline T fromDouble(double x) { return (T)x; }
template <> inline i64 fromDouble(double x) { return toInt(x); }

template <class T> Frame<T>::Frame(const Program& p, const double* params, i64 n) {
  // One buffer a thread, grown on demand and kept.
  static thread_local struct Scratch {
    char* p = nullptr;
    size_t size = 0;
    ~Scratch() { free(p); }
  } scratch;
  int count = p.registers();
  size_t stride = (size_t)(n + 15) / 16 * 16;
  size_t need = stride * sizeof(T) * count + 2 * (count + 1) * sizeof(T*) + 128;
  if (need > scratch.size) {
    free(scratch.p);
    scratch.size = need * 2;
    scratch.p = (char*)aligned_alloc(64, (scratch.size + 63) / 64 * 64);
  }
  memory = (T*)scratch.p;
  r = (T**)(scratch.p + ((stride * sizeof(T) * count + 63) / 64 * 64));
  home = r + count;
  for (int k = 0; k < count; k++) home[k] = r[k] = memory + stride * k;
  for (int k = 0; k < p.params + p.consts; k++) {
    T v = fromDouble<T>(k < p.params ? params[k] : p.constants[k - p.params]);
    T* at = r[p.inputs + k];
    for (i64 i = 0; i < n; i++) at[i] = v;
  }
}
template struct Frame<float>;
template struct Frame<double>;
template struct Frame<i64>;
template struct Frame<C>;

}  // namespace fb
