// Reductions: out[k] = post(fold over r of pre(ins[k, r])). Two orders of iteration:
// inner — rows of r are folded one after another (r varies fastest in memory);
// outer — a block of k is folded row by row (k varies fastest in memory).
// Float sums and products: up to 1024 (inner) or 64 (outer) terms meet in lanes, then are carried into doubles. An operand that needs no
// formula is read where it lies.
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
  VF m[4];
  VI nan{};
  for (VF& x : m) x = splat(-INFINITY);
  i64 i = 0;
  auto take = [&](VF x, VF& best) {
    x *= sign;
    nan |= x != x;
    best = vmax(x, best);
  };
  for (; i + 4 * W <= n; i += 4 * W)
    for (int k = 0; k < 4; k++) take(loadu(p + i + k * W), m[k]);
  for (; i + W <= n; i += W) take(loadu(p + i), m[0]);
  float t = hmax(vmax(vmax(m[0], m[1]), vmax(m[2], m[3])));
  bool bad = any(nan);
  for (; i < n; i++) {
    float x = p[i] * sign;
    bad |= x != x;
    if (x > t) t = x;
  }
  return bad ? NAN : t * sign;
}
// At most 1024 / (4 W) factors meet in a lane before they go on as doubles.
inline double multiplyFloats(const float* p, i64 n) {
  VF m[4];
  for (VF& x : m) x = splat(1);
  i64 i = 0;
  for (; i + 4 * W <= n; i += 4 * W)
    for (int k = 0; k < 4; k++) m[k] *= loadu(p + i + k * W);
  double t[W];
  for (int k = 0; k < W; k++) t[k] = ((double)m[0][k] * m[1][k]) * ((double)m[2][k] * m[3][k]);
  for (int half = W / 2; half > 0; half /= 2)
    for (int k = 0; k < half; k++) t[k] *= t[k + half];
  for (; i < n; i++) t[0] *= p[i];
  return t[0];
}

template <class T, class A> inline A fold(int op, A acc, const T* p, i64 n) {
  if constexpr (sizeof(T) == 4) {
    if (op == Sum) return acc + sumFloats(p, n);
    if (op == Max || op == Min) return join<A>(op, acc, maxFloats(p, n, op == Max ? 1.f : -1.f));
    if (op == Prod) return acc * multiplyFloats(p, n);
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
  Shape r;       // the r dimensions alone
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

// Is the reduced value an operand as it lies, with neighbours in its last dimension? Then nothing is copied.
template <class T> bool plain(const Job& j) {
  const Program& p = *j.pre;
  const Operand& x = j.ins[0];
  return p.inputs == 1 && p.count == 0 && p.out[0] == 0 && x.dtype == laneDType<T>() && (j.s.nd == 0 || x.strides[j.s.nd - 1] == 1);
}

template <class T, class A> void innerPlain(const Job& j, i64 k0, i64 k1, i64 r0, i64 r1, A* acc) {
  const Operand& x = j.ins[0];
  for (i64 k = k0; k < k1; k++) {
    A a = identity<A>(j.op);
    auto run = [&](i64, i64 at, i64 n) {
      for (i64 i = 0; i < n; i += Block) a = fold<T, A>(j.op, a, (const T*)x.p + at + i, n - i < Block ? n - i : Block);
    };
    if (x.dense) run(0, k * j.R + r0, r1 - r0);
    else forRuns(j.s, x, k * j.R + r0, r1 - r0, run);
    acc[k - k0] = a;
  }
}
// Runs of k, each added up over rows that lie anywhere.
template <class T, class A> void outerPlain(const Job& j, i64 k0, i64 k1, i64 r0, i64 r1, A* acc) {
  Operand rows = j.ins[0], across = j.ins[0];  // r comes first in j.s
  for (int d = 0; d < j.k.nd; d++) across.strides[d] = j.ins[0].strides[j.r.nd + d];
  T part[Block];
  i64 at[64];
  for (i64 i = 0; i < k1 - k0; i++) acc[i] = identity<A>(j.op);
  for (i64 r = r0; r < r1; r += 64) {
    const int count = r1 - r < 64 ? (int)(r1 - r) : 64;
    forRuns(j.r, rows, r, count, [&](i64 pos, i64 from, i64 n) {
      for (i64 i = 0; i < n; i++) at[pos + i] = from + i * rows.strides[j.r.nd - 1];
    });
    forRuns(j.k, across, k0, k1 - k0, [&](i64 pos, i64 from, i64 length) {
      for (i64 i0 = 0; i0 < length; i0 += Block) {
        const i64 n = length - i0 < Block ? length - i0 : Block;
        const T* p = (const T*)across.p + from + i0;
        A* to = acc + pos + i0;
        if (j.op == Sum) {
          // Four rows at once: the partial sums are read and written a quarter as often.
          int x = count & 3;
          for (i64 i = 0; i < n; i++) part[i] = x > 0 ? p[at[0] + i] : T(0);
          for (int y = 1; y < x; y++)
            for (i64 i = 0; i < n; i++) part[i] += p[at[y] + i];
          for (; x < count; x += 4) {
            const T *a = p + at[x], *b = p + at[x + 1], *c = p + at[x + 2], *d = p + at[x + 3];
            for (i64 i = 0; i < n; i++) part[i] += (a[i] + b[i]) + (c[i] + d[i]);
          }
          for (i64 i = 0; i < n; i++) to[i] += (A)part[i];
        } else
          for (int x = 0; x < count; x++)
            for (i64 i = 0; i < n; i++) to[i] = join<A>(j.op, to[i], (A)p[at[x] + i]);
      }
    });
  }
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
      if constexpr (std::is_same_v<T, float>)
        if (j.op == Sum) {
          for (i64 x = 0; x < m; x++) acc[k - k0 + x] = sumFloats(v + x * j.R, j.R);
          continue;
        }
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
  const bool asItLies = j.R > 0 && plain<T>(j) && (isOuter || j.R > 64 || !j.ins[0].dense);
  auto part = [&](i64 k0, i64 k1, i64 r0, i64 r1, A* acc) {
    if (asItLies && isOuter) outerPlain<T, A>(j, k0, k1, r0, r1, acc);
    else if (asItLies) innerPlain<T, A>(j, k0, k1, r0, r1, acc);
    else if (isOuter) outer<T, A>(j, k0, k1, r0, r1, acc);
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
  j.r = readShape(a);
  const Shape& r = j.r;
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

}  // namespace
}  // namespace fb
