// Reductions: out[k] = post(fold over r of pre(ins[k, r])). Two orders of iteration:
// inner — rows of r are folded one after another (r varies fastest in memory);
// outer — a block of k is folded row by row (k varies fastest in memory).
// Float sums: up to 1024 (inner) or 64 (outer) terms are added in lanes, then carried into doubles.
#include <atomic>
#include <cstdlib>

#include "pool.h"
#include "program.h"

namespace fb {
namespace {

enum ReduceOp { Sum, Prod, Max, Min, Any, All };
template <class T> struct Acc { typedef T type; };
template <> struct Acc<float> { typedef double type; };

template <class A> inline A identity(int op) {
  switch (op) {
    case Sum: case Any: return A(0);
    case Prod: case All: return A(1);
    case Max: return std::numeric_limits<A>::has_infinity ? -std::numeric_limits<A>::infinity() : std::numeric_limits<A>::lowest();
    default: return std::numeric_limits<A>::has_infinity ? std::numeric_limits<A>::infinity() : std::numeric_limits<A>::max();
  }
}
template <> inline std::complex<double> identity(int op) { return op == Prod || op == All ? 1.0 : 0.0; }

template <class A> inline A join(int op, A x, A y) {
  switch (op) {
    case Sum: return x + y;
    case Prod: return x * y;
    case Max: return x != x ? x : y != y ? y : x > y ? x : y;
    case Min: return x != x ? x : y != y ? y : x < y ? x : y;
    case Any: return A(x != A(0) || y != A(0));
    default: return A(x != A(0) && y != A(0));
  }
}
template <> inline std::complex<double> join(int op, std::complex<double> x, std::complex<double> y) {
  return op == Sum ? x + y : op == Prod ? x * y : op == Any ? std::complex<double>(x != 0.0 || y != 0.0) : std::complex<double>(x != 0.0 && y != 0.0);
}

inline double sumFloats(const float* p, i64 n) {
  VF s0{}, s1{}, s2{}, s3{};
  i64 i = 0;
  for (; i + 4 * W <= n; i += 4 * W) s0 += loadu(p + i), s1 += loadu(p + i + W), s2 += loadu(p + i + 2 * W), s3 += loadu(p + i + 3 * W);
  for (; i + W <= n; i += W) s0 += loadu(p + i);
  float t = hsum((s0 + s1) + (s2 + s3));
  for (; i < n; i++) t += p[i];
  return t;
}
inline float maxFloats(const float* p, i64 n, float sign) {
  VF m = splat(-INFINITY);
  VI nan{};
  i64 i = 0;
  for (; i + W <= n; i += W) {
    VF x = loadu(p + i) * sign;
    nan |= x != x;
    m = vmax(x, m);
  }
  float t = hmax(m);
  bool bad = false;
  for (int k = 0; k < W; k++) bad |= nan[k] != 0;
  for (; i < n; i++) {
    float x = p[i] * sign;
    bad |= x != x;
    if (x > t) t = x;
  }
  return bad ? NAN : t * sign;
}

template <class T, class A> inline A fold(int op, A acc, const T* p, i64 n) {
  if constexpr (sizeof(T) == 4) {
    if (op == Sum) return acc + sumFloats(p, n);
    if (op == Max || op == Min) return join<A>(op, acc, maxFloats(p, n, op == Max ? 1.f : -1.f));
  }
  if (op == Sum) {
    A s(0);
    for (i64 i = 0; i < n; i++) s += (A)p[i];
    return acc + s;
  }
  i64 i = 0;
  if constexpr (std::is_arithmetic_v<A>)
    if (op == Prod) {
      // Chains side by side: one alone would wait for every product.
      A s[32];
      for (A& x : s) x = 1;
      for (; i + 32 <= n; i += 32)
        for (int k = 0; k < 32; k++) s[k] *= (A)p[i + k];
      for (int half = 16; half > 0; half /= 2)
        for (int k = 0; k < half; k++) s[k] *= s[k + half];
      acc *= s[0];
    }
  for (; i < n; i++) acc = join<A>(op, acc, (A)p[i]);
  return acc;
}

struct Job {
  const Program* pre;
  const Program* post;
  int op;
  double params[64];
  Shape s;       // k dimensions, then r dimensions (inner) or the other way round (outer)
  Shape k;       // the k dimensions alone
  Operand out;   // over k
  Operand ins[24];
  i64 K, R;
  mutable std::atomic<int> status{OK};  // of the formulas
};

template <class T, class A> void finish(const Job& j, const A* acc, i64 from, i64 n) {
  T values[Block];
  for (i64 i = 0; i < n; i += Block) {
    i64 m = n - i < Block ? n - i : Block;
    for (i64 x = 0; x < m; x++) values[x] = (T)acc[i + x];
    if (j.post) {
      Frame<T> f(*j.post, j.params, m);
      f.r[0] = values;
      if (int st = execute(*j.post, f.r, m)) j.status = st;
      storeBlock(f.r[j.post->out[0]], j.out, j.k, from + i, m);
    } else storeBlock(values, j.out, j.k, from + i, m);
  }
}

// One block of pre(ins) at flat positions [from, from + n) of j.s; points at registers or straight into an operand.
template <class T> inline const T* values(const Job& j, Frame<T>& f, T** own, i64 from, i64 n) {
  const Program& p = *j.pre;
  for (int i = 0; i < p.inputs; i++) {
    if (j.ins[i].dense && j.ins[i].dtype == laneDType<T>()) f.r[i] = (T*)j.ins[i].p + from;
    else {
      f.r[i] = own[i];
      loadBlock(own[i], j.ins[i], j.s, from, n);
    }
  }
  if (int st = execute(p, f.r, n)) j.status = st;
  return f.r[p.out[0]];
}

template <class T, class A> void inner(const Job& j, i64 k0, i64 k1, i64 r0, i64 r1, A* acc) {
  Frame<T> f(*j.pre, j.params, Block);
  T* own[24];
  for (int i = 0; i < j.pre->inputs; i++) own[i] = f.r[i];
  if (j.R <= Block / 2 && r0 == 0 && r1 == j.R) {  // several short rows a block
    i64 rows = Block / j.R;
    for (i64 k = k0; k < k1; k += rows) {
      i64 m = k1 - k < rows ? k1 - k : rows;
      const T* v = values(j, f, own, k * j.R, m * j.R);
      for (i64 x = 0; x < m; x++) acc[k - k0 + x] = fold<T, A>(j.op, identity<A>(j.op), v + x * j.R, j.R);
    }
    return;
  }
  for (i64 k = k0; k < k1; k++) {
    A a = identity<A>(j.op);
    for (i64 r = r0; r < r1; r += Block) {
      i64 n = r1 - r < Block ? r1 - r : Block;
      a = fold<T, A>(j.op, a, values(j, f, own, k * j.R + r, n), n);
    }
    acc[k - k0] = a;
  }
}

template <class T, class A> void outer(const Job& j, i64 k0, i64 k1, i64 r0, i64 r1, A* acc) {
  Frame<T> f(*j.pre, j.params, Block);
  T* own[24];
  for (int i = 0; i < j.pre->inputs; i++) own[i] = f.r[i];
  T part[Block];
  for (i64 k = k0; k < k1; k += Block) {
    i64 n = k1 - k < Block ? k1 - k : Block;
    A* to = acc + (k - k0);
    for (i64 i = 0; i < n; i++) to[i] = identity<A>(j.op);
    for (i64 r = r0; r < r1; r += 64) {
      i64 end = r1 - r < 64 ? r1 : r + 64;
      if (j.op == Sum) {
        for (i64 i = 0; i < n; i++) part[i] = T(0);
        for (i64 x = r; x < end; x++) {
          const T* v = values(j, f, own, x * j.K + k, n);
          for (i64 i = 0; i < n; i++) part[i] += v[i];
        }
        for (i64 i = 0; i < n; i++) to[i] += (A)part[i];
      } else {
        for (i64 x = r; x < end; x++) {
          const T* v = values(j, f, own, x * j.K + k, n);
          for (i64 i = 0; i < n; i++) to[i] = join<A>(j.op, to[i], (A)v[i]);
        }
      }
    }
  }
}

template <class T> int reduce(const Job& j, bool isOuter) {
  typedef typename Acc<T>::type A;
  i64 total = j.K * j.R;
  int threads = total < 32768 ? 1 : numThreads();
  auto part = [&](i64 k0, i64 k1, i64 r0, i64 r1, A* acc) {
    if (isOuter) outer<T, A>(j, k0, k1, r0, r1, acc);
    else inner<T, A>(j, k0, k1, r0, r1, acc);
  };
  if (j.R == 0) {
    A* acc = (A*)malloc(sizeof(A) * (j.K + 1));
    for (i64 k = 0; k < j.K; k++) acc[k] = identity<A>(j.op);
    finish<T, A>(j, acc, 0, j.K);
    free(acc);
    return j.status;
  }
  // Enough independent outputs: share those out. Else cut the reduced range and join the partial results.
  if (threads == 1 || j.K >= 4 * threads || j.R < 4096) {
    auto body = [&](i64 k0, i64 k1) {
      constexpr i64 Step = 4096;
      A* acc = (A*)malloc(sizeof(A) * (k1 - k0 < Step ? k1 - k0 : Step));
      for (i64 k = k0; k < k1; k += Step) {
        i64 end = k1 - k < Step ? k1 : k + Step;
        part(k, end, 0, j.R, acc);
        finish<T, A>(j, acc, k, end - k);
      }
      free(acc);
    };
    if (threads == 1) body(0, j.K);
    else parallelFor(j.K, (32768 + j.R - 1) / j.R, body);
    return j.status;
  }
  i64 parts = 4 * threads;
  A* acc = (A*)malloc(sizeof(A) * j.K * parts);
  parallelFor(parts, 1, [&](i64 p0, i64 p1) {
    for (i64 p = p0; p < p1; p++) part(0, j.K, j.R * p / parts, j.R * (p + 1) / parts, acc + p * j.K);
  });
  for (i64 p = 1; p < parts; p++)
    for (i64 k = 0; k < j.K; k++) acc[k] = join<A>(j.op, acc[k], acc[p * j.K + k]);
  finish<T, A>(j, acc, 0, j.K);
  free(acc);
  return j.status;
}

// args: pre, post (-1: none), op, outer?, params…, k shape, r shape, out over k, ins over (k, r) or (r, k)
int run(double* ring) {
  Args a(ring);
  Job j;
  j.pre = program((int)a.i());
  int post = (int)a.i();
  j.post = post < 0 ? nullptr : program(post);
  j.op = (int)a.i();
  bool isOuter = a.i() != 0;
  int params = (int)a.i();
  for (int i = 0; i < params; i++) j.params[i] = a.d();
  j.k = readShape(a);
  Shape r = readShape(a);
  j.K = j.k.numel, j.R = r.numel;
  j.s.nd = j.k.nd + r.nd;
  j.s.numel = j.K * j.R;
  const Shape &first = isOuter ? r : j.k, &second = isOuter ? j.k : r;
  for (int d = 0; d < first.nd; d++) j.s.n[d] = first.n[d];
  for (int d = 0; d < second.nd; d++) j.s.n[first.nd + d] = second.n[d];
  j.out = readOperand(a, j.k);
  for (int i = 0; i < j.pre->inputs; i++) j.ins[i] = readOperand(a, j.s);
  switch (j.pre->lane) {
    case LaneF32: return reduce<float>(j, isOuter);
    case LaneF64: return reduce<double>(j, isOuter);
    case LaneI64: return reduce<i64>(j, isOuter);
    default: return reduce<std::complex<double>>(j, isOuter);
  }
}
Register r1(OpReduce, run);

// ---- lines along one dimension: argReduce, scan. The shape holds the other dimensions; n and strides describe the line.

// args: max?, n, shape of lines, x (operand over lines), x stride, values (operand), indices (operand)
template <class T> void argLine(const Operand& x, i64 at, i64 stride, i64 n, bool wantMax, T* best, i64* where) {
  T buffer[Block];
  T b = T(0);
  i64 w = 0;
  for (i64 i = 0; i < n; i += Block) {
    i64 m = n - i < Block ? n - i : Block;
    loadRun(buffer, x.p, x.dtype, at + i * stride, stride, m);
    for (i64 k = 0; k < m; k++) {
      T v = buffer[k];
      bool better = (i + k == 0) || (b == b && (v != v || (wantMax ? v > b : v < b)));
      if (better) b = v, w = i + k;
    }
  }
  *best = b;
  *where = w;
}
template <class T> void argReduce(bool wantMax, i64 n, const Shape& s, const Operand& x, i64 stride, const Operand& values, const Operand& indices) {
  parallelFor(s.numel, (32768 + n - 1) / (n ? n : 1), [&](i64 b, i64 e) {
    for (i64 k = b; k < e; k++) {
      i64 at = 0, vo = 0, io = 0, rest = k;
      for (int d = s.nd - 1; d >= 0; d--) {
        i64 i = rest % s.n[d];
        rest /= s.n[d];
        at += i * x.strides[d], vo += i * values.strides[d], io += i * indices.strides[d];
      }
      T best;
      i64 where;
      argLine<T>(x, at, stride, n, wantMax, &best, &where);
      storeRun(&best, values.p, values.dtype, vo, 1, 1);
      ((i64*)indices.p)[io] = where;
    }
  });
}
int arg(double* ring) {
  Args a(ring);
  bool wantMax = a.i() != 0;
  i64 n = a.i();
  Shape s = readShape(a);
  Operand x = readOperand(a, s);
  i64 stride = a.i();
  Operand v = readOperand(a, s), i = readOperand(a, s);
  if (x.dtype <= I64) argReduce<i64>(wantMax, n, s, x, stride, v, i);
  else if (x.dtype == F64) argReduce<double>(wantMax, n, s, x, stride, v, i);
  else argReduce<float>(wantMax, n, s, x, stride, v, i);
  return OK;
}
Register r2(OpArgReduce, arg);

enum ScanOp { ScanSum, ScanProd, ScanMax, ScanMin, ScanLogAddExp };
template <class A> inline A scanJoin(int op, A x, A y) {
  if constexpr (std::numeric_limits<A>::is_specialized) {
    if (op == ScanLogAddExp) {
      double m = (double)x > (double)y ? (double)x : (double)y;
      if (std::isinf(m) && x == y) return x;
      return x != x ? x : y != y ? y : (A)(m + std::log1p(std::exp(-std::fabs((double)x - (double)y))));
    }
  }
  return op == ScanSum ? x + y : x * y;
}
// Running sums of L neighbouring lines, since one sum waits for itself. Lines are xl and yl apart.
template <class T, int L> void sumLines(i64 n, const T* p, i64 xs, i64 xl, T* q, i64 ys, i64 yl) {
  double acc[L] = {};
  for (i64 i = 0; i < n; i++, p += xs, q += ys)
    for (int l = 0; l < L; l++) q[l * yl] = (T)(acc[l] += p[l * xl]);
}
template <class T> bool scanTogether(i64 n, const Shape& s, const Operand& x, i64 xs, const Operand& y, i64 ys) {
  if (s.nd == 0 || x.dtype != laneDType<T>() || y.dtype != laneDType<T>()) return false;
  const int last = s.nd - 1;
  // Lines that are long in memory are taken four at a time: more would fall into the same places of the cache.
  const i64 across = s.n[last], xl = x.strides[last], yl = y.strides[last], L = xl == 1 && yl == 1 ? 16 : 4, groups = (across + L - 1) / L;
  parallelFor(s.numel / across * groups, 16384 / (n * L + 1) + 1, [&](i64 b, i64 e) {
    for (i64 k = b; k < e; k++) {
      i64 first = k % groups * L, rest = k / groups, xo = first * xl, yo = first * yl;
      for (int d = last - 1; d >= 0; d--) {
        i64 i = rest % s.n[d];
        rest /= s.n[d];
        xo += i * x.strides[d], yo += i * y.strides[d];
      }
      const T* p = (const T*)x.p + xo;
      T* q = (T*)y.p + yo;
      if (across - first < L)
        for (i64 l = 0; l < across - first; l++) sumLines<T, 1>(n, p + l * xl, xs, 1, q + l * yl, ys, 1);
      else if (L == 16) sumLines<T, 16>(n, p, xs, 1, q, ys, 1);
      else sumLines<T, 4>(n, p, xs, xl, q, ys, yl);
    }
  });
  return true;
}
template <class T, class A> void scan(int op, i64 n, const Shape& s, const Operand& x, i64 xs, const Operand& y, i64 ys, const Operand* index, i64 is) {
  parallelFor(s.numel, (16384 + n - 1) / (n + 1), [&](i64 b, i64 e) {
    T buffer[Block];
    for (i64 k = b; k < e; k++) {
      i64 xo = 0, yo = 0, io = 0, rest = k;
      for (int d = s.nd - 1; d >= 0; d--) {
        i64 i = rest % s.n[d];
        rest /= s.n[d];
        xo += i * x.strides[d], yo += i * y.strides[d];
        if (index) io += i * index->strides[d];
      }
      A acc(0);
      i64 where = 0;
      for (i64 i = 0; i < n; i += Block) {
        i64 m = n - i < Block ? n - i : Block;
        loadRun(buffer, x.p, x.dtype, xo + i * xs, xs, m);
        for (i64 q = 0; q < m; q++) {
          A v = (A)buffer[q];
          if constexpr (std::numeric_limits<T>::is_specialized) {
            if (op == ScanMax || op == ScanMin) {
              if (i + q == 0 || (v != v) || (acc == acc && (op == ScanMax ? v >= acc : v <= acc))) acc = v, where = i + q;
              if (index) ((i64*)index->p)[io + (i + q) * is] = where;
              buffer[q] = (T)acc;
              continue;
            }
          }
          acc = i + q == 0 ? v : scanJoin<A>(op, acc, v);
          buffer[q] = (T)acc;
        }
        storeRun(buffer, y.p, y.dtype, yo + i * ys, ys, m);
      }
    }
  });
}
// args: op, n, shape of lines, x, x stride, y, y stride, has index?, index, index stride
int scanRun(double* ring) {
  Args a(ring);
  int op = (int)a.i();
  i64 n = a.i();
  Shape s = readShape(a);
  Operand x = readOperand(a, s);
  i64 xs = a.i();
  Operand y = readOperand(a, s);
  i64 ys = a.i();
  Operand index{};
  i64 is = 0;
  bool has = a.i() != 0;
  if (has) index = readOperand(a, s), is = a.i();
  Operand* ip = has ? &index : nullptr;
  if (op == ScanSum && s.numel > 0 && (scanTogether<float>(n, s, x, xs, y, ys) || scanTogether<double>(n, s, x, xs, y, ys))) return OK;
  if (y.dtype >= C64) scan<std::complex<double>, std::complex<double>>(op, n, s, x, xs, y, ys, ip, is);
  else if (y.dtype <= I64) scan<i64, i64>(op, n, s, x, xs, y, ys, ip, is);
  else if (y.dtype == F64) scan<double, double>(op, n, s, x, xs, y, ys, ip, is);
  else scan<float, double>(op, n, s, x, xs, y, ys, ip, is);
  return OK;
}
Register r3(OpScan, scanRun);

}  // namespace
}  // namespace fb
